// SPDX-License-Identifier: MIT
//
// One directory in memory: a balanced tree of names, as it is on disk.
//
// The whole file is read and checked once, in time linear in its size: each
// item in its bounds, each child an item, each item reached exactly once, names
// in order, heights right. So no search of it can loop, or miss what is there;
// and a file cut short is not taken for a smaller directory.
//
// Threads: immutable. To find takes no lock and allocates nothing.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "layerfs/format.h"
#include "veneer/ref.h"

namespace veneer::layerfs {

class DirFile : public RefCounted {
 public:
  /// Takes the bytes of a directory of layer `layer`.
  /// Fails  EIO  with the offset; the caller adds the file
  static Result<Ref<const DirFile>> parse(std::vector<std::byte> bytes,
                                          std::uint32_t layer);

  /// The target of `name`, whiteouts too.
  std::optional<Target> find(std::string_view name) const;

  /// Calls `visit(const DirItem&)` for each, as they were inserted. Names that
  /// no directory may have (is_valid_name) are among them.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (std::size_t at = kDirHeader; at < bytes_.size();) {
      visit(item_at(at));
      at += kPrefix + load_be<std::uint64_t>(bytes_.data() + at);
    }
  }

  /// Steps through the names in their order.
  class Cursor {
   public:
    explicit Cursor(const DirFile& dir);
    bool at_end() const { return depth_ == 0; }
    /// Requires !at_end().
    DirItem item() const { return dir_.item_at(path_[depth_ - 1]); }
    void next();

   private:
    void descend(std::uint64_t at);

    const DirFile& dir_;
    std::uint64_t path_[kMostHeight];
    std::size_t depth_ = 0;
  };

  /// The offset of an entry whose height is not that of a balanced tree: what
  /// makes searches slow, not wrong.
  std::optional<std::uint64_t> find_imbalance() const;

  std::size_t size() const { return count_; }
  /// Memory it takes.
  std::size_t memory() const { return sizeof(*this) + bytes_.capacity(); }
  /// Entries that say they are directories.
  std::uint32_t subdirs() const { return subdirs_; }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  DirFile(std::vector<std::byte> bytes, std::uint64_t root)
      : bytes_(std::move(bytes)), root_(root) {}
  DirItem item_at(std::uint64_t at) const;
  Result<void> check_items(std::uint32_t layer);
  Result<void> check_tree() const;

  std::vector<std::byte> bytes_;
  std::uint64_t root_;
  std::size_t count_ = 0;
  std::uint32_t subdirs_ = 0;
};
using DirFileRef = Ref<const DirFile>;

}  // namespace veneer::layerfs
