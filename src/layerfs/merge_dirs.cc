// SPDX-License-Identifier: MIT

#include "layerfs/merge_dirs.h"

namespace veneer::layerfs {
namespace {

bool is_directory(const Target& target) {
  return !target.whiteout && target.kind == Kind::kDirectory;
}

Result<void> put(TreePool& pool, DirTree& tree, std::string_view name,
                 const Target& target) {
  if (name.empty() || name.size() > kLongestName) {
    return Error(EIO, "merge", "a name that no directory can hold");
  }
  TRY_ASSIGN(const NodeIndex index, pool.insert(tree, name));
  TreeNode& node = pool.node(index);
  node.id = target.id;
  node.kind = target.kind;
  node.whiteout = target.whiteout;
  node.opaque = target.opaque;
  return {};
}

}  // namespace

Result<void> merge_dirs(const DirFile* below, const DirFile& top,
                        std::uint32_t layer, TreePool& pool, DirTree& tree,
                        const std::function<void(const MergedDir&)>& met) {
  std::optional<DirFile::Cursor> left;
  if (below != nullptr) left.emplace(*below);
  DirFile::Cursor right(top);
  for (;;) {
    // What is below, as long as it comes first.
    bool both = false;
    DirItem from_below;
    while (left && !left->at_end() && !both) {
      from_below = left->item();
      if (!right.at_end() && from_below.name > right.item().name) break;
      left->next();
      both = !right.at_end() && from_below.name == right.item().name;
      if (!both) TRY(put(pool, tree, from_below.name, from_below.target));
    }
    if (right.at_end()) return {};
    const DirItem item = right.item();
    right.next();
    if (item.target.whiteout) continue;
    Target target = item.target;
    target.id.layer = layer;
    TRY(put(pool, tree, item.name, target));
    if (!is_directory(target)) continue;
    MergedDir dir{.offset = target.id.offset};
    if (both && is_directory(from_below.target)) {
      dir.over = from_below.target.id;
      if (!target.opaque) dir.below = dir.over;
    }
    met(dir);
  }
}

}  // namespace veneer::layerfs
