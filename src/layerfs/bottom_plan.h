// SPDX-License-Identifier: MIT
//
// The tree of a layer while it is built: names, and what they stand for.
//
// Only inodes' numbers are known here; their records are written elsewhere, as
// they are made. So the whole plan of a million entries is some 60 MB, and a
// name can still be replaced, or a directory dropped with all in it, which no
// file of the format allows once it is written. Pure.
//
// Threads: thread-compatible.

#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "layerfs/dir_tree.h"
#include "layerfs/veneer_file.h"

namespace veneer::layerfs {

using DirIndex = std::uint32_t;
inline constexpr DirIndex kRootDir = 0;

struct PlannedDir {
  std::uint32_t offset = 0;  ///< of its inode
  DirIndex parent = 0;
  DirTree tree;
  bool implicit = false;
  bool dropped = false;
};

class BottomPlan {
 public:
  /// The root directory's inode is the first.
  explicit BottomPlan(bool implicit) {
    dirs_.push_back({.offset = kRootOffset, .implicit = implicit});
  }

  PlannedDir& dir(DirIndex index) { return dirs_[index]; }
  const std::vector<PlannedDir>& dirs() const { return dirs_; }
  TreePool& pool() { return pool_; }

  /// Null if there is nothing of that name.
  TreeNode* find(DirIndex dir, std::string_view name);

  /// Makes the name stand for a new file or symbolic link, whatever it was.
  Result<void> put_inode(DirIndex dir, std::string_view name,
                         std::uint32_t offset, Kind kind);
  /// The same for an inode that has a name; nothing if it has this one.
  Result<void> put_link(DirIndex dir, std::string_view name,
                        std::uint32_t offset, Kind kind);
  /// The same for a new directory. It is opaque where a whiteout was.
  Result<DirIndex> put_dir(DirIndex dir, std::string_view name,
                           std::uint32_t offset, bool implicit);
  /// As BottomLayerBuilder::add_whiteout.
  Result<void> put_whiteout(DirIndex dir, std::string_view name);

  /// Inodes whose names are not one, sorted.
  std::vector<LinkRecord> links() const;

 private:
  Result<TreeNode*> ensure(DirIndex dir, std::string_view name, bool& fresh);
  void forget(const TreeNode& node);
  void drop(DirIndex dir);
  void count(std::uint32_t offset, int change);

  TreePool pool_;
  std::vector<PlannedDir> dirs_;
  absl::flat_hash_map<std::uint32_t, std::uint32_t> names_;
};

}  // namespace veneer::layerfs
