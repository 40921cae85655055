// SPDX-License-Identifier: MIT

#include "finalize/change_index.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"

namespace veneer::finalize {

ChangeIndex::ChangeIndex(const Changes& changes) {
  absl::flat_hash_set<std::uint64_t> changed_files;
  items_.reserve(changes.size());
  for (const Change& change : changes) {
    items_.push_back(&change);
    if (change.kind != ChangeKind::kNone && change.link_group != 0) {
      changed_files.insert(change.link_group);
    }
  }
  std::ranges::sort(items_, walk_less, &Change::path);

  changed_.reserve(items_.size() + 1);
  changed_.push_back(0);
  for (const Change* change : items_) {
    const bool changed = is_gone(*change) ||
                         change->kind != ChangeKind::kNone ||
                         changed_files.contains(change->link_group);
    changed_.push_back(changed_.back() + (changed ? 1 : 0));
  }
}

const Change* ChangeIndex::find(std::string_view path) const {
  const auto at =
      std::ranges::lower_bound(items_, path, walk_less, &Change::path);
  return at != items_.end() && (*at)->path == path ? *at : nullptr;
}

std::string_view ChangeIndex::name_in(std::string_view dir,
                                      std::string_view path) {
  if (!dir.empty()) path.remove_prefix(dir.size() + 1);
  return path.substr(0, path.find('/'));
}

ChangeIndex::Range ChangeIndex::first_name(std::string_view dir,
                                           Range below) const {
  const std::string_view name = name_in(dir, items_[below.begin]->path);
  const auto first = items_.begin() + static_cast<std::ptrdiff_t>(below.begin);
  const auto last = items_.begin() + static_cast<std::ptrdiff_t>(below.end);
  const auto end = std::partition_point(first, last, [&](const Change* change) {
    return name_in(dir, change->path) == name;
  });
  return {below.begin, static_cast<std::size_t>(end - items_.begin())};
}

}  // namespace veneer::finalize
