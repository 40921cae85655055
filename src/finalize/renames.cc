// SPDX-License-Identifier: MIT

#include "finalize/renames.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "finalize/compare.h"

namespace veneer::finalize {

namespace {

using FileKey = std::pair<std::uint64_t, std::uint64_t>;  // device, inode

// The object at `path` in the topmost lower that has that path.
Result<std::optional<Child>> stored_at(Trees& trees, const std::string& path) {
  for (const auto& layer : trees.lowers) {
    TRY_ASSIGN(auto stored, find_stored(*layer, path));
    if (stored) return stored;
  }
  return std::optional<Child>();
}

// Finds the object of the upper again, to set it against another of the base.
Result<void> compare_with(Trees& trees, const std::string& base_path,
                          Change& change) {
  TRY_ASSIGN(const BaseTree::Object old_object, trees.base->walk(base_path));
  if (!old_object) return {};
  TRY_ASSIGN(const auto object, find_stored(*trees.upper, change.upper_path));
  if (!object) return {};
  return compare_file(*trees.base, old_object,
                      upper_object(*trees.upper, *object), change);
}

}  // namespace

Result<void> fold_renames(Trees& trees, const std::vector<CopiedFile>& copied,
                          Changes& changes) {
  // Deleted files by name; by identity only if it is asked for.
  absl::flat_hash_map<std::string, std::size_t> deleted;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].kind == ChangeKind::kDeleted) {
      deleted.emplace(changes[i].base_path, i);
    }
  }
  if (deleted.empty()) return {};
  absl::flat_hash_map<FileKey, std::size_t> by_key;
  if (!copied.empty()) {
    for (const auto& [path, index] : deleted) {
      if (S_ISDIR(changes[index].attr.mode)) continue;
      TRY_ASSIGN(const auto stored, stored_at(trees, path));
      if (stored) {
        by_key.emplace(FileKey(stored->attr.dev, stored->attr.ino), index);
      }
    }
  }
  const auto fold = [&](Change& change, std::size_t source) -> Result<void> {
    Change& old = changes[source];
    if (((old.attr.mode ^ change.attr.mode) & S_IFMT) != 0) return {};
    if (old.moved_away) return {};  // one name, one successor
    change.kind = ChangeKind::kRenamed;
    change.base_path = old.base_path;
    change.in_base = true;
    if (change.conflict.empty()) change.conflict = old.conflict;
    old.kind = ChangeKind::kNone;
    old.moved_away = true;
    return compare_with(trees, old.base_path, change);
  };
  for (const CopiedFile& file : copied) {
    Change& change = changes[file.change];
    if (change.kind != ChangeKind::kAdded) continue;
    const auto source = origin_of(trees, file.origin);
    if (!source) continue;
    const auto found = by_key.find(FileKey(source->dev, source->ino));
    if (found != by_key.end()) TRY(fold(change, found->second));
  }
  for (const Change& change : changes) {
    if (change.kind != ChangeKind::kRenamed || !S_ISDIR(change.attr.mode)) {
      continue;
    }
    const auto found = deleted.find(change.base_path);
    if (found == deleted.end()) continue;
    changes[found->second].kind = ChangeKind::kNone;
    changes[found->second].moved_away = true;
  }
  return {};
}

void settle_link_groups(Changes& changes) {
  std::map<std::uint64_t, std::size_t> names;
  for (const Change& change : changes) {
    if (change.link_group != 0) ++names[change.link_group];
  }
  for (Change& change : changes) {
    if (change.link_group != 0 && names[change.link_group] < 2) {
      change.link_group = 0;
    }
  }
}

}  // namespace veneer::finalize
