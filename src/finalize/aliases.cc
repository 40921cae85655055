// SPDX-License-Identifier: MIT

#include "finalize/aliases.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "finalize/compare.h"
#include "finalize/tree_path.h"

namespace veneer::finalize {

namespace {

// Files looked for: st_ino in one lower -> which of the indexed.
using Wanted = absl::flat_hash_map<std::uint64_t, std::size_t>;

struct FoundName {
  std::string path;
  std::size_t indexed;
};

// All names of the wanted files in the base as it is shown.
Result<void> search(BaseTree& base, const Wanted& wanted,
                    std::vector<FoundName>& found) {
  std::vector<std::string> pending{""};
  while (!pending.empty()) {
    const std::string path = std::move(pending.back());
    pending.pop_back();
    TRY_ASSIGN(const BaseTree::Object dir, base.walk(path));
    if (!dir) continue;
    TRY_ASSIGN(const auto entries, base.list(dir));
    for (const BaseTree::Entry& entry : entries) {
      std::string at = joined(path, entry.name);
      if (entry.type == DT_DIR) {
        pending.push_back(std::move(at));
      } else if (const auto hit = wanted.find(entry.ino); hit != wanted.end()) {
        found.push_back({std::move(at), hit->second});
      }
    }
  }
  return {};
}

// From paths of the base to those of the merged tree, as the changes have it.
class Mapping {
 public:
  explicit Mapping(const Changes& changes) {
    dirs_.emplace("", "");
    for (const Change& change : changes) {
      if (!change.covered_path.empty()) taken_.insert(change.covered_path);
      const bool shows = change.on_upper && S_ISDIR(change.attr.mode) &&
                         change.in_base && !change.opaque;
      if (shows) dirs_.emplace(change.base_path, change.path);
    }
  }

  /// Nothing: the user does not see that name as the base's.
  std::optional<std::string> merged(const std::string& path) const {
    if (taken_.contains(path)) return std::nullopt;
    std::string above = path;
    for (;;) {
      above = parent_of(above);
      if (const auto dir = dirs_.find(above); dir != dirs_.end()) {
        const std::string_view rest =
            std::string_view(path).substr(above.empty() ? 0 : above.size() + 1);
        return joined(dir->second, rest);
      }
      if (taken_.contains(above)) return std::nullopt;
    }
  }

 private:
  absl::flat_hash_map<std::string, std::string> dirs_;
  absl::flat_hash_set<std::string> taken_;
};

Result<std::optional<Change>> alias_of(Trees& trees, const IndexedFile& file,
                                       const std::string& base_path,
                                       const std::string& path) {
  const Change& known = file.known;
  TRY_ASSIGN(const BaseTree::Object old_object, trees.base->walk(base_path));
  if (!old_object ||
      !S_ISREG(old_object.attr().mode) != !S_ISREG(known.attr.mode)) {
    return std::optional<Change>();
  }
  Change alias = known;
  alias.path = path;
  alias.base_path = base_path;
  alias.covered_path = base_path;
  alias.in_base = true;
  alias.conflict.clear();
  alias.link_group = file.child.attr.ino;
  if (alias.data_in_base && alias.data_path.empty()) {
    alias.data_path = base_path;
  }
  const bool in_index = known.upper_path.starts_with(kIndexPrefix);
  Layer& layer = in_index ? *trees.index : *trees.upper;
  TRY(compare_file(*trees.base, old_object, upper_object(layer, file.child),
                   alias));
  alias.kind = kind_by_difference(alias);
  return alias;
}

// Copies in the index that the walk of the upper has not met.
Result<void> add_nameless(Trees& trees, const Changes& changes,
                          std::vector<IndexedFile>& indexed) {
  if (!trees.index) return {};
  absl::flat_hash_set<std::uint64_t> met;
  for (const Change& change : changes) {
    if (change.on_upper && !S_ISDIR(change.attr.mode)) {
      met.insert(change.attr.ino);
    }
  }
  const LayerNode& root = *trees.index->root().node;
  std::vector<std::string> names;
  TRY(trees.index->read_dir(root, [&](const DirEntry& entry) {
    if (!entry.whiteout && !met.contains(entry.ino)) {
      names.emplace_back(entry.name);
    }
  }));
  std::ranges::sort(names);
  for (const std::string& name : names) {
    TRY_ASSIGN(const auto child, trees.index->lookup(root, name));
    const bool is_copy = child && !child->marks.whiteout &&
                         !S_ISDIR(child->attr.mode) && child->marks.origin;
    if (!is_copy) continue;
    Change known{.upper_path = std::string(kIndexPrefix) + name,
                 .on_upper = true,
                 .attr = child->attr};
    known.data_in_base = child->marks.metacopy && S_ISREG(child->attr.mode);
    indexed.push_back({.known = std::move(known), .child = *child});
  }
  return {};
}

}  // namespace

Result<void> add_aliases(Trees& trees, std::vector<IndexedFile> indexed,
                         Changes& changes) {
  TRY(add_nameless(trees, changes, indexed));
  if (indexed.empty()) return {};
  const Mapping mapping(changes);
  Changes aliases;
  absl::flat_hash_set<std::string> seen;
  // With all lowers on one file system, which is how they are nearly always,
  // the base shows their own inode numbers.
  Wanted wanted;
  for (const auto& layer : trees.lowers) {
    for (std::size_t i = 0; i < indexed.size(); ++i) {
      const auto attr = layer->resolve_origin(*indexed[i].child.marks.origin);
      if (attr && attr->nlink > 1) wanted.emplace(attr->ino, i);
    }
  }
  if (wanted.empty()) return {};
  std::vector<FoundName> names;
  TRY(search(*trees.base, wanted, names));
  for (const FoundName& name : names) {
    const auto path = mapping.merged(name.path);
    if (!path || !seen.insert(*path).second) continue;
    const IndexedFile& file = indexed[name.indexed];
    TRY_ASSIGN(auto alias, alias_of(trees, file, name.path, *path));
    if (alias) aliases.push_back(*std::move(alias));
  }
  if (aliases.empty()) return {};
  changes.insert(changes.end(), std::make_move_iterator(aliases.begin()),
                 std::make_move_iterator(aliases.end()));
  return {};
}

}  // namespace veneer::finalize
