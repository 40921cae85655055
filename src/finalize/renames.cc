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

class RenameFolder {
 public:
  RenameFolder(Trees& trees, Changes& changes)
      : trees_(trees), changes_(changes) {
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      if (changes_[i].kind == ChangeKind::kDeleted) {
        deleted_.emplace(changes_[i].base_path, i);
      }
    }
  }

  Result<void> fold_files(const std::vector<CopiedFile>& copied);
  void fold_dirs();

 private:
  Result<absl::flat_hash_map<FileKey, std::size_t>> deleted_by_key();
  Result<void> fold(Change& change, Change& old);

  Trees& trees_;
  Changes& changes_;
  // By name in the base.
  absl::flat_hash_map<std::string, std::size_t> deleted_;
};

// Deleted files by identity.
Result<absl::flat_hash_map<FileKey, std::size_t>>
RenameFolder::deleted_by_key() {
  absl::flat_hash_map<FileKey, std::size_t> by_key;
  for (const auto& [path, index] : deleted_) {
    if (S_ISDIR(changes_[index].attr.mode)) continue;
    TRY_ASSIGN(const auto stored, stored_at(trees_, path));
    if (!stored) continue;
    by_key.emplace(FileKey(stored->attr.dev, stored->attr.ino), index);
  }
  return by_key;
}

// `change` is what became of `old`, unless something else did.
Result<void> RenameFolder::fold(Change& change, Change& old) {
  if (((old.attr.mode ^ change.attr.mode) & S_IFMT) != 0) return {};
  if (old.moved_away) return {};
  change.kind = ChangeKind::kRenamed;
  change.base_path = old.base_path;
  change.in_base = true;
  if (change.conflict.empty()) change.conflict = old.conflict;
  old.kind = ChangeKind::kNone;
  old.moved_away = true;
  return compare_with(trees_, old.base_path, change);
}

Result<void> RenameFolder::fold_files(const std::vector<CopiedFile>& copied) {
  if (deleted_.empty() || copied.empty()) return {};
  TRY_ASSIGN(const auto by_key, deleted_by_key());
  for (const CopiedFile& file : copied) {
    Change& change = changes_[file.change];
    if (change.kind != ChangeKind::kAdded) continue;
    const auto source = origin_of(trees_, file.origin);
    if (!source) continue;
    const auto found = by_key.find(FileKey(source->dev, source->ino));
    if (found != by_key.end()) TRY(fold(change, changes_[found->second]));
  }
  return {};
}

// These say themselves where they came from.
void RenameFolder::fold_dirs() {
  for (const Change& change : changes_) {
    if (change.kind != ChangeKind::kRenamed || !S_ISDIR(change.attr.mode)) {
      continue;
    }
    const auto found = deleted_.find(change.base_path);
    if (found == deleted_.end()) continue;
    changes_[found->second].kind = ChangeKind::kNone;
    changes_[found->second].moved_away = true;
  }
}

}  // namespace

Result<void> fold_renames(Trees& trees, const std::vector<CopiedFile>& copied,
                          Changes& changes) {
  RenameFolder folder(trees, changes);
  TRY(folder.fold_files(copied));
  folder.fold_dirs();
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
