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
    const bool has_left = left && !left->at_end();
    if (!has_left && right.at_end()) return {};
    std::optional<DirItem> from_below;
    if (has_left) from_below = left->item();
    if (right.at_end() || (has_left && from_below->name < right.item().name)) {
      TRY(put(pool, tree, from_below->name, from_below->target));
      left->next();
      continue;
    }
    const DirItem item = right.item();
    right.next();
    const bool both = has_left && from_below->name == item.name;
    if (both) left->next();
    if (item.target.whiteout) continue;
    Target target = item.target;
    target.id.layer = layer;
    TRY(put(pool, tree, item.name, target));
    if (!is_directory(target)) continue;
    MergedDir dir{.offset = target.id.offset};
    if (both && is_directory(from_below->target)) {
      dir.over = from_below->target.id;
      if (!target.opaque) dir.below = dir.over;
    }
    met(dir);
  }
}

}  // namespace veneer::layerfs
