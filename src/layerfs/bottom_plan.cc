// SPDX-License-Identifier: MIT

#include "layerfs/bottom_plan.h"

#include <algorithm>

namespace veneer::layerfs {

TreeNode* BottomPlan::find(DirIndex dir, std::string_view name) {
  const NodeIndex found = pool_.find(dirs_[dir].tree, name);
  return found == 0 ? nullptr : &pool_.node(found);
}

Result<TreeNode*> BottomPlan::ensure(DirIndex dir, std::string_view name,
                                     bool& fresh) {
  TreeNode* const known = find(dir, name);
  fresh = known == nullptr;
  if (known != nullptr) return known;
  TRY_ASSIGN(const NodeIndex made, pool_.insert(dirs_[dir].tree, name));
  return &pool_.node(made);
}

// Only inodes with several names, or none, are kept count of.
void BottomPlan::count(std::uint32_t offset, int change) {
  const auto [entry, fresh] = names_.try_emplace(offset, 1);
  entry->second += static_cast<std::uint32_t>(change);
  if (entry->second == 1) names_.erase(entry);
}

// What the name stood for has a name less.
void BottomPlan::forget(const TreeNode& node) {
  if (node.whiteout) return;
  if (node.kind == Kind::kDirectory) return drop(node.dir);
  count(node.id.offset, -1);
}

void BottomPlan::drop(DirIndex dir) {
  std::vector<DirIndex> waiting = {dir};
  while (!waiting.empty()) {
    PlannedDir& gone = dirs_[waiting.back()];
    waiting.pop_back();
    gone.dropped = true;
    for (NodeIndex i = gone.tree.first; i != 0; i = pool_.node(i).next) {
      const TreeNode& node = pool_.node(i);
      if (node.whiteout) continue;
      if (node.kind == Kind::kDirectory) {
        waiting.push_back(node.dir);
      } else {
        count(node.id.offset, -1);
      }
    }
  }
}

Result<void> BottomPlan::put_inode(DirIndex dir, std::string_view name,
                                   std::uint32_t offset, Kind kind) {
  bool fresh = false;
  TRY_ASSIGN(TreeNode* const node, ensure(dir, name, fresh));
  if (!fresh) forget(*node);
  node->id.offset = offset;
  node->kind = kind;
  node->whiteout = false;
  node->opaque = false;
  return {};
}

Result<void> BottomPlan::put_link(DirIndex dir, std::string_view name,
                                  std::uint32_t offset, Kind kind) {
  const TreeNode* const known = find(dir, name);
  if (known != nullptr && !known->whiteout && known->id.offset == offset) {
    return {};
  }
  TRY(put_inode(dir, name, offset, kind));
  count(offset, 1);
  return {};
}

Result<DirIndex> BottomPlan::put_dir(DirIndex dir, std::string_view name,
                                     std::uint32_t offset, bool implicit) {
  bool fresh = false;
  TRY_ASSIGN(TreeNode* const node, ensure(dir, name, fresh));
  const bool hidden = !fresh && node->whiteout;
  if (!fresh) forget(*node);
  const auto index = static_cast<DirIndex>(dirs_.size());
  // The whiteout stands between it and what is below.
  dirs_.push_back(
      {.offset = offset, .parent = dir, .implicit = implicit && !hidden});
  node->id.offset = offset;
  node->kind = Kind::kDirectory;
  node->dir = index;
  node->whiteout = false;
  node->opaque = hidden;
  return index;
}

Result<void> BottomPlan::put_whiteout(DirIndex dir, std::string_view name) {
  bool fresh = false;
  TRY_ASSIGN(TreeNode* const node, ensure(dir, name, fresh));
  if (fresh) {
    node->whiteout = true;
  } else if (!node->whiteout && node->kind == Kind::kDirectory) {
    node->opaque = true;
    dirs_[node->dir].implicit = false;
  }
  return {};
}

std::vector<LinkRecord> BottomPlan::links() const {
  std::vector<LinkRecord> links;
  links.reserve(names_.size());
  for (const auto& [offset, count] : names_) links.push_back({offset, count});
  std::ranges::sort(links, {}, &LinkRecord::offset);
  return links;
}

}  // namespace veneer::layerfs
