// SPDX-License-Identifier: MIT

#include "composefs/dir_block.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"

namespace veneer::composefs {
namespace {

Error bad_at(std::uint64_t offset, std::string_view what) {
  return Error(EUCLEAN, "read image",
               fmt::format("offset {}: directory: {}", offset, what));
}

}  // namespace

Result<DirBlock> DirBlock::open(std::span<const std::byte> bytes,
                                std::uint64_t offset) {
  if (bytes.size() < sizeof(Dirent)) return bad_at(offset, "no entry");
  const std::size_t names =
      load_le<std::uint16_t>(bytes.data() + offsetof(Dirent, name_offset));
  if (names < sizeof(Dirent) || names % sizeof(Dirent) != 0 ||
      names >= bytes.size()) {
    return bad_at(offset, fmt::format("names begin at {}", names));
  }
  return DirBlock(bytes, offset, names / sizeof(Dirent));
}

Dirent DirBlock::entry(std::size_t index) const {
  Dirent entry;
  std::memcpy(&entry, bytes_.data() + index * sizeof(entry), sizeof(entry));
  return entry;
}

Error DirBlock::bad(std::size_t index, std::string_view what) const {
  return bad_at(offset_ + index * sizeof(Dirent),
                fmt::format("entry {}: {}", index, what));
}

Result<DirItem> DirBlock::at(std::size_t index) const {
  const Dirent found = entry(index);
  const std::size_t begin = found.name_offset;
  const bool is_last = index + 1 == count_;
  const std::size_t end =
      is_last ? bytes_.size() : entry(index + 1).name_offset;
  if (begin < count_ * sizeof(Dirent) || begin >= end || end > bytes_.size()) {
    return bad(index, fmt::format("a name from {} to {}", begin, end));
  }
  std::string_view name = as_text(bytes_.subspan(begin, end - begin));
  // Behind the last one the block is filled up with NULs.
  if (is_last) name = name.substr(0, name.find('\0'));
  if (name.empty() || name.size() > kLongestName) {
    return bad(index, fmt::format("a name of {} bytes", name.size()));
  }
  if (name.find('/') != name.npos || name.find('\0') != name.npos) {
    return bad(index, "a slash or a NUL in the name");
  }
  return DirItem{.name = name,
                 .nid = found.nid,
                 .type = static_cast<FileType>(found.type)};
}

Result<std::optional<DirItem>> DirBlock::find(std::string_view name) const {
  std::size_t low = 0;
  std::size_t high = count_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    TRY_ASSIGN(const DirItem item, at(middle));
    const int order = item.name.compare(name);
    if (order == 0) return std::optional(item);
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::optional<DirItem>();
}

}  // namespace veneer::composefs
