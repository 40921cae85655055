// SPDX-License-Identifier: MIT
//
// Where a tree of a million files keeps its names and values: byte strings one
// after the other in large pieces, each named by 32 bits.
//
// Strings stay where they are until the arena goes, so a view of one is good as
// long. A string costs its bytes, one for its length (five from 255 on), and
// up to three to the next multiple of four: references count in fours, which
// makes 16 GiB of strings the most that an arena holds.
//
// ChunkedVector is the same for records: it grows without moving and without
// having room twice for a moment.
//
// Threads: thread-compatible.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "veneer/result.h"

namespace veneer::composefs {

class Arena {
 public:
  /// Names a string; 0 is none, and reads as the empty one.
  using Ref = std::uint32_t;

  /// The longest string.
  static constexpr std::size_t kLongest = (std::size_t{1} << 20) - 16;

  /// Fails  EFBIG  `text` is too long, or the arena is full
  Result<Ref> add(std::string_view text);

  std::string_view get(Ref ref) const {
    if (ref == 0) return {};
    const std::uint64_t at = std::uint64_t{ref} * kUnit;
    const char* const item = pieces_[at >> kPieceBits].get() + (at & kMask);
    const auto length = static_cast<unsigned char>(*item);
    if (length < kLongLength) return {item + 1, length};
    std::uint32_t size;
    std::memcpy(&size, item + 1, sizeof(size));
    return {item + 1 + sizeof(size), size};
  }

 private:
  static constexpr unsigned kPieceBits = 20;
  static constexpr std::uint64_t kPiece = std::uint64_t{1} << kPieceBits;
  static constexpr std::uint64_t kMask = kPiece - 1;
  static constexpr std::uint64_t kUnit = 4;
  static constexpr std::size_t kLongLength = 255;

  std::vector<std::unique_ptr<char[]>> pieces_;
  // Not 0, which names nothing.
  std::uint64_t end_ = kUnit;
};

template <typename T>
class ChunkedVector {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  T& operator[](std::size_t index) {
    return chunks_[index >> kBits][index & kMask];
  }
  const T& operator[](std::size_t index) const {
    return chunks_[index >> kBits][index & kMask];
  }
  T& push_back(const T& value) {
    if (size_ >> kBits == chunks_.size()) {
      chunks_.push_back(std::make_unique_for_overwrite<T[]>(kMask + 1));
    }
    T& room = (*this)[size_++];
    return room = value;
  }

 private:
  static constexpr unsigned kBits = 13;
  static constexpr std::size_t kMask = (std::size_t{1} << kBits) - 1;

  std::vector<std::unique_ptr<T[]>> chunks_;
  std::size_t size_ = 0;
};

}  // namespace veneer::composefs
