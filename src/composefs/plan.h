// SPDX-License-Identifier: MIT
//
// Where everything of a tree goes in its image.
//
// A plan is pure: the same tree and versions give the same plan, and the same
// plan the same bytes (image_writer.h). The rules are those of the first
// implementation to the byte, some of them strange, since an image is known by
// its digest; docs/formats/composefs.md has them one by one.
//
// A plan adds to the tree the 256 stubs 00 to ff in the root, character devices
// 0:0 that hide the directories of an object store. They are nodes as others
// are, numbered behind those of the tree.
//
// Requires a finished tree that outlives the plan. Threads: immutable.

#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "composefs/final_xattrs.h"
#include "composefs/format.h"
#include "composefs/tree.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// The version of an image is the smallest from `min` to `max` that can say
/// what is in the tree; 1 is needed for whiteouts.
struct ImageVersions {
  unsigned min = 0;
  unsigned max = 1;
};
inline constexpr unsigned kNewestVersion = 1;

/// What an inode has beside its 32 or 64 bytes and its xattrs.
struct Extent {
  std::uint64_t blocks = 0;  ///< among the data blocks
  std::uint64_t tail = 0;    ///< bytes behind the xattrs
};

/// An entry of a directory, "." and ".." among them.
struct PlannedEntry {
  std::string_view name;
  NodeIndex node = kRootNode;  ///< whose inode it is
};

class Plan {
 public:
  /// Fails  EINVAL  there is no such version, or an inode's xattrs are too many
  ///        EFBIG   a file or the image is larger than an image can say
  static Result<std::unique_ptr<const Plan>> make(const Tree& tree,
                                                  ImageVersions versions);

  const Tree& tree() const { return tree_; }
  unsigned version() const { return version_; }
  const FinalXattrs& xattrs() const { return *xattrs_; }

  // --- Nodes ---

  /// In the order of the inodes; their numbers count from 0.
  std::span<const NodeIndex> inodes() const { return order_; }
  const TreeNode& node(NodeIndex index) const {
    return index < tree_.size() ? tree_.node(index)
                                : stubs_[index - tree_.size()];
  }
  FinalXattrs::SetId xattr_set(NodeIndex index) const { return sets_[index]; }
  std::uint64_t nid(NodeIndex index) const { return nids_[index]; }
  bool is_extended(NodeIndex index) const {
    return (flags_[index] & kExtended) != 0;
  }
  /// As it is in the image, where a whiteout is a regular file.
  std::uint16_t mode(NodeIndex index) const;
  std::uint32_t nlink(NodeIndex index) const;
  Extent extent(NodeIndex index) const;
  /// What the inode says: of a directory that of its entries.
  std::uint64_t size(NodeIndex index) const;
  /// Sorted by name.
  void for_each_entry(NodeIndex dir,
                      absl::FunctionRef<void(const PlannedEntry&)> sink) const;

  // --- The image ---

  std::int64_t build_time() const { return build_time_; }
  std::uint32_t build_time_nsec() const { return build_time_nsec_; }
  /// Where the inodes end and the shared xattrs begin.
  std::uint64_t inodes_end() const { return inodes_end_; }
  std::uint64_t data_start() const { return data_start_; }
  std::uint64_t blocks() const { return blocks_; }

 private:
  using Flags = std::uint8_t;
  static constexpr Flags kExtended = 1;
  static constexpr Flags kTailInBlock = 2;  ///< the tail is the last block
  static constexpr Flags kWhiteouts = 4;    ///< directory: as children

  explicit Plan(const Tree& tree) : tree_(tree) {}

  Result<void> choose_version(ImageVersions versions);
  void mark_whiteouts();
  void add_stubs();
  void set_order();
  void set_build_time();
  void set_xattrs();
  Traits traits_of(NodeIndex index) const;
  Result<void> place();
  Result<std::uint64_t> place_one(NodeIndex index, std::uint64_t at);
  std::uint64_t place_symlink(std::uint64_t at, std::uint64_t head,
                              Extent& extent) const;
  std::uint64_t place_other(std::uint64_t at, std::uint64_t head,
                            Extent& extent) const;
  Extent natural_extent(NodeIndex index) const;
  Extent dir_extent(NodeIndex index) const;
  bool fits_compact(NodeIndex index, std::uint64_t size) const;
  std::span<const NodeIndex> children(NodeIndex dir) const;
  std::string_view name(NodeIndex index) const;

  const Tree& tree_;
  unsigned version_ = 0;
  std::vector<TreeNode> stubs_;
  std::vector<std::uint8_t> stub_numbers_;
  std::vector<NodeIndex> root_children_;
  std::vector<NodeIndex> order_;
  std::vector<Flags> flags_;              // by node
  std::vector<std::uint32_t> nids_;       // by node
  std::vector<FinalXattrs::SetId> sets_;  // by node
  std::unique_ptr<FinalXattrs> xattrs_;
  std::int64_t build_time_ = 0;
  std::uint32_t build_time_nsec_ = 0;
  std::uint64_t inodes_end_ = 0;
  std::uint64_t data_start_ = 0;
  std::uint64_t blocks_ = 0;
};

/// A regular file of `size` (> 0) bytes as chunks: their size, and how many.
struct Chunks {
  unsigned bits = 0;
  std::uint64_t count = 0;
};
Chunks decide_chunks(std::uint64_t size);

}  // namespace veneer::composefs
