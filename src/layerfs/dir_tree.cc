// SPDX-License-Identifier: MIT
//
// The textbook's AVL insertion, with indexes for pointers.

#include "layerfs/dir_tree.h"

#include <algorithm>
#include <limits>

namespace veneer::layerfs {

NodeIndex TreePool::find(const DirTree& tree, std::string_view name) const {
  NodeIndex at = tree.root;
  while (at != 0) {
    const TreeNode& node = nodes_[at];
    const int order = name.compare(name_of(node));
    if (order == 0) break;
    at = order < 0 ? node.left : node.right;
  }
  return at;
}

void TreePool::update_height(NodeIndex index) {
  TreeNode& node = nodes_[index];
  node.height = static_cast<std::uint8_t>(
      1 + std::max(height_of(node.left), height_of(node.right)));
}

NodeIndex TreePool::rotate_left(NodeIndex index) {
  const NodeIndex up = nodes_[index].right;
  nodes_[index].right = nodes_[up].left;
  nodes_[up].left = index;
  update_height(index);
  update_height(up);
  return up;
}

NodeIndex TreePool::rotate_right(NodeIndex index) {
  const NodeIndex up = nodes_[index].left;
  nodes_[index].left = nodes_[up].right;
  nodes_[up].right = index;
  update_height(index);
  update_height(up);
  return up;
}

// The node that stands in the place of `index` afterwards.
NodeIndex TreePool::rebalance(NodeIndex index) {
  update_height(index);
  const int balance = balance_of(index);
  if (balance > 1) {
    const NodeIndex right = nodes_[index].right;
    if (balance_of(right) < 0) nodes_[index].right = rotate_right(right);
    return rotate_left(index);
  }
  if (balance < -1) {
    const NodeIndex left = nodes_[index].left;
    if (balance_of(left) > 0) nodes_[index].left = rotate_left(left);
    return rotate_right(index);
  }
  return index;
}

Result<NodeIndex> TreePool::insert(DirTree& tree, std::string_view name) {
  constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (nodes_.size() >= kMost || names_.size() >= kMost - name.size()) {
    return Error(EFBIG, "insert");
  }
  NodeIndex path[kMostHeight];
  std::size_t depth = 0;
  for (NodeIndex at = tree.root; at != 0;) {
    path[depth++] = at;
    const TreeNode& node = nodes_[at];
    at = name < name_of(node) ? node.left : node.right;
  }

  const auto fresh = static_cast<NodeIndex>(nodes_.size());
  TreeNode node;
  node.name = static_cast<std::uint32_t>(names_.size());
  node.name_size = static_cast<std::uint8_t>(name.size());
  const bool is_left = depth > 0 && name < name_of(nodes_[path[depth - 1]]);
  names_.append(name);
  nodes_.push_back(node);
  (tree.last == 0 ? tree.first : nodes_[tree.last].next) = fresh;
  tree.last = fresh;
  if (depth == 0) {
    tree.root = fresh;
    return fresh;
  }

  TreeNode& parent = nodes_[path[depth - 1]];
  (is_left ? parent.left : parent.right) = fresh;
  for (; depth > 0; --depth) {
    const NodeIndex old = path[depth - 1];
    const NodeIndex now = rebalance(old);
    if (now == old) continue;
    if (depth == 1) {
      tree.root = now;
      break;
    }
    TreeNode& above = nodes_[path[depth - 2]];
    (above.left == old ? above.left : above.right) = now;
  }
  return fresh;
}

Result<std::vector<std::byte>> TreePool::encode(const DirTree& tree,
                                                std::uint32_t& subdirs,
                                                bool symlinks_as_files) {
  subdirs = 0;
  std::uint64_t at = kDirHeader;
  for (NodeIndex i = tree.first; i != 0; i = nodes_[i].next) {
    TreeNode& node = nodes_[i];
    node.position = static_cast<std::uint32_t>(at);
    at += dir_item_size(node.name_size, node.whiteout);
    if (!node.whiteout && node.kind == Kind::kDirectory) ++subdirs;
    if (at > kMostTableBytes) return Error(EFBIG, "write");
  }
  BeWriter out;
  out.reserve(static_cast<std::size_t>(at));
  const auto position = [&](NodeIndex index) -> std::uint64_t {
    return index == 0 ? 0 : nodes_[index].position;
  };
  write_dir_header(out, position(tree.root));
  for (NodeIndex i = tree.first; i != 0; i = nodes_[i].next) {
    const TreeNode& node = nodes_[i];
    const bool disguised = symlinks_as_files && node.kind == Kind::kSymlink;
    write_dir_item(out,
                   {.name = name_of(node),
                    .target = {.whiteout = node.whiteout,
                               .id = node.id,
                               .kind = disguised ? Kind::kRegular : node.kind,
                               .opaque = node.opaque},
                    .height = node.height,
                    .left = position(node.left),
                    .right = position(node.right)});
  }
  return std::move(out).take();
}

}  // namespace veneer::layerfs
