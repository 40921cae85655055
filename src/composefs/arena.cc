// SPDX-License-Identifier: MIT

#include "composefs/arena.h"

#include <limits>

namespace veneer::composefs {

Result<Arena::Ref> Arena::add(std::string_view text) {
  if (text.empty()) return 0;
  if (text.size() > kLongest) return Error(EFBIG, "store a string");
  const bool is_long = text.size() >= kLongLength;
  const std::size_t head = is_long ? 1 + sizeof(std::uint32_t) : 1;
  const std::uint64_t size = (head + text.size() + kUnit - 1) / kUnit * kUnit;

  std::uint64_t start = end_;
  // A string is in one piece.
  if (start >> kPieceBits != (start + size - 1) >> kPieceBits) {
    start = ((start >> kPieceBits) + 1) << kPieceBits;
  }
  if (start / kUnit > std::numeric_limits<Ref>::max()) {
    return Error(EFBIG, "store a string");
  }
  while (start >> kPieceBits >= pieces_.size()) {
    pieces_.push_back(std::make_unique_for_overwrite<char[]>(kPiece));
  }
  char* const item = pieces_[start >> kPieceBits].get() + (start & kMask);
  if (is_long) {
    const auto length = static_cast<std::uint32_t>(text.size());
    *item = static_cast<char>(static_cast<unsigned char>(kLongLength));
    std::memcpy(item + 1, &length, sizeof(length));
  } else {
    *item = static_cast<char>(static_cast<unsigned char>(text.size()));
  }
  std::memcpy(item + head, text.data(), text.size());
  end_ = start + size;
  return static_cast<Ref>(start / kUnit);
}

}  // namespace veneer::composefs
