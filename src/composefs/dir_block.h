// SPDX-License-Identifier: MIT
//
// One block of a directory: an array of entries, then their names.
//
// The block is not checked as a whole: an entry is when it is looked at, so a
// search costs its logarithm. Names come sorted by their bytes; where an image
// breaks that, a search may miss a name, and nothing worse.
//
// Pure. Threads: immutable.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "composefs/format.h"
#include "composefs/inode.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// An entry; "." and ".." are among them.
struct DirItem {
  std::string_view name;
  Nid nid = 0;
  FileType type = FileType::kUnknown;
};

class DirBlock {
 public:
  /// `bytes` outlive the block; `offset` is where in the image they are.
  /// Fails  EUCLEAN  it cannot be told how many entries there are
  static Result<DirBlock> open(std::span<const std::byte> bytes,
                               std::uint64_t offset);

  std::size_t size() const { return count_; }
  /// Requires index < size().
  /// Fails  EUCLEAN  the name is outside the block, empty, too long, or has a
  ///                 slash or a NUL in it
  Result<DirItem> at(std::size_t index) const;
  Result<std::optional<DirItem>> find(std::string_view name) const;

 private:
  DirBlock(std::span<const std::byte> bytes, std::uint64_t offset,
           std::size_t count)
      : bytes_(bytes), offset_(offset), count_(count) {}
  Dirent entry(std::size_t index) const;
  Error bad(std::size_t index, std::string_view what) const;

  std::span<const std::byte> bytes_;
  std::uint64_t offset_;
  std::size_t count_;
};

}  // namespace veneer::composefs
