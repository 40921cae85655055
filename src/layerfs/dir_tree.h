// SPDX-License-Identifier: MIT
//
// Directories while they are built: many balanced trees in one pool.
//
// A file of the format holds the nodes of its tree in the order they were
// inserted, so the order of insertion and the rotations decide its bytes. They
// are those of Maelstrom: an AVL tree, rebalanced from the new leaf up to the
// root. There is no removal, in the format or here; a node can be given another
// target.
//
// Nodes are indexes into the pool, 0 is none. Cost: 36 bytes and the name.
//
// Threads: thread-compatible.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "layerfs/format.h"

namespace veneer::layerfs {

using NodeIndex = std::uint32_t;

struct DirTree {
  NodeIndex root = 0;
  NodeIndex first = 0;  ///< in the order of insertion
  NodeIndex last = 0;
};

struct TreeNode {
  FileId id;
  NodeIndex left = 0;
  NodeIndex right = 0;
  NodeIndex next = 0;
  std::uint32_t dir = 0;  ///< whatever the owner of the pool puts there
  std::uint32_t name = 0;
  std::uint32_t position = 0;  ///< in the file
  std::uint8_t name_size = 0;
  std::uint8_t height = 1;
  Kind kind = Kind::kRegular;
  bool whiteout : 1 = false;
  bool opaque : 1 = false;
};

class TreePool {
 public:
  TreePool() : nodes_(1) {}

  NodeIndex find(const DirTree& tree, std::string_view name) const;

  /// Requires that `name` is not in the tree, and 1 to 255 bytes long.
  /// Fails  EFBIG  the pool is full
  Result<NodeIndex> insert(DirTree& tree, std::string_view name);

  TreeNode& node(NodeIndex index) { return nodes_[index]; }
  const TreeNode& node(NodeIndex index) const { return nodes_[index]; }
  std::string_view name_of(const TreeNode& node) const {
    return std::string_view(names_).substr(node.name, node.name_size);
  }

  /// The file of `tree`; `subdirs` becomes the number of directories in it.
  /// `symlinks_as_files`: as Maelstrom enters them.
  /// Fails  EFBIG  it would reach 4 GiB
  Result<std::vector<std::byte>> encode(const DirTree& tree,
                                        std::uint32_t& subdirs,
                                        bool symlinks_as_files = false);

  /// Forgets all trees, and keeps the memory.
  void clear() {
    nodes_.resize(1);
    names_.clear();
  }

 private:
  std::uint8_t height_of(NodeIndex index) const {
    return index == 0 ? 0 : nodes_[index].height;
  }
  int balance_of(NodeIndex index) const {
    return height_of(nodes_[index].right) - height_of(nodes_[index].left);
  }
  void update_height(NodeIndex index);
  NodeIndex rotate_left(NodeIndex index);
  NodeIndex rotate_right(NodeIndex index);
  NodeIndex rebalance(NodeIndex index);

  std::vector<TreeNode> nodes_;
  std::string names_;
};

}  // namespace veneer::layerfs
