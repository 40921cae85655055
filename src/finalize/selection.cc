// SPDX-License-Identifier: MIT

#include "finalize/selection.h"

#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "finalize/tree_path.h"

namespace veneer::finalize {

namespace {

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::string_view part = take_first(path);
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

using Parts = std::span<const std::string>;

bool name_matches(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

// The pattern up to its end; path components may be left over.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the pattern has "**".
bool parts_match(Parts pattern, Parts path) {
  while (!pattern.empty()) {
    if (pattern.front() == "**") {
      if (pattern.size() == 1) return !path.empty();
      for (std::size_t skip = 0; skip <= path.size(); ++skip) {
        if (parts_match(pattern.subspan(1), path.subspan(skip))) return true;
      }
      return false;
    }
    if (path.empty() || !name_matches(pattern.front(), path.front())) {
      return false;
    }
    pattern = pattern.subspan(1);
    path = path.subspan(1);
  }
  return true;
}

bool is_below(std::string_view path, std::string_view dir) {
  return path.size() > dir.size() && path.starts_with(dir) &&
         path[dir.size()] == '/';
}

// Takes what belongs to what is taken, until nothing is added.
class Closure {
 public:
  explicit Closure(const Changes& all) : all_(all), taken_(all.size()) {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const Change& change = all_[i];
      by_path_.emplace(change.path, i);
      if (change.link_group != 0) groups_[change.link_group].push_back(i);
      if (change.kind == ChangeKind::kRenamed || change.moved_away) {
        ends_[change.base_path].push_back(i);
      }
    }
  }

  void take(std::size_t index) {
    if (taken_[index]) return;
    taken_[index] = true;
    queue_.push_back(index);
  }

  const std::vector<bool>& close() {
    do {
      while (!queue_.empty()) {
        const std::size_t index = queue_.back();
        queue_.pop_back();
        take_directories_above(all_[index]);
        take_partners(all_[index]);
      }
      take_the_uprooted();
    } while (!queue_.empty());
    return taken_;
  }

 private:
  void take_directories_above(const Change& change) {
    for (std::string path = parent_of(change.path); !path.empty();
         path = parent_of(path)) {
      const auto above = by_path_.find(path);
      if (above == by_path_.end()) continue;
      const ChangeKind kind = all_[above->second].kind;
      if (kind != ChangeKind::kNone && kind != ChangeKind::kMetadata) {
        take(above->second);
      }
    }
  }

  // The other names of a file, and the other end of a rename.
  void take_partners(const Change& change) {
    if (change.link_group != 0) {
      for (const std::size_t i : groups_[change.link_group]) take(i);
    }
    if (change.kind == ChangeKind::kRenamed || change.moved_away) {
      for (const std::size_t i : ends_[change.base_path]) take(i);
    }
  }

  // A directory or file that shows what a taken change moves or removes.
  void take_the_uprooted() {
    std::vector<std::string_view> moved;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const Change& change = all_[i];
      if (!taken_[i] || change.covered_path.empty()) continue;
      const bool stays = change.on_upper && S_ISDIR(change.attr.mode) &&
                         !change.opaque &&
                         change.base_path == change.covered_path;
      if (!stays) moved.push_back(change.covered_path);
    }
    if (moved.empty()) return;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const Change& change = all_[i];
      const std::string_view needs = change.data_in_base ? change.data_path
                                     : change.kind == ChangeKind::kRenamed
                                         ? change.base_path
                                         : std::string_view();
      if (taken_[i] || needs.empty()) continue;
      const bool uprooted = std::ranges::any_of(moved, [&](auto path) {
        return needs == path || is_below(needs, path);
      });
      if (uprooted) take(i);
    }
  }

  const Changes& all_;
  std::vector<bool> taken_;
  std::vector<std::size_t> queue_;
  absl::flat_hash_map<std::string, std::size_t> by_path_;
  absl::flat_hash_map<std::uint64_t, std::vector<std::size_t>> groups_;
  absl::flat_hash_map<std::string, std::vector<std::size_t>> ends_;
};

}  // namespace

bool matches(std::string_view pattern, std::string_view path) {
  const std::vector<std::string> parts = components(path);
  if (pattern.find('/') == std::string_view::npos) {
    return std::ranges::any_of(parts, [&](const std::string& name) {
      return name_matches(std::string(pattern), name);
    });
  }
  return parts_match(components(pattern), parts);
}

Selection select(Changes all, const std::vector<std::string>& include,
                 const std::vector<std::string>& exclude) {
  Selection selection;
  if (include.empty() && exclude.empty()) {
    selection.taken = std::move(all);
    return selection;
  }
  const auto any = [](const std::vector<std::string>& patterns,
                      const std::string& path) {
    return std::ranges::any_of(
        patterns, [&](const std::string& p) { return matches(p, path); });
  };
  Closure closure(all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string& path = all[i].path;
    if (path.empty()) continue;
    const bool wanted = include.empty() || any(include, path);
    if (wanted && !any(exclude, path)) closure.take(i);
  }
  const std::vector<bool> taken = closure.close();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!taken[i] && all[i].kind != ChangeKind::kNone) {
      selection.is_partial = true;
    }
    (taken[i] ? selection.taken : selection.left).push_back(std::move(all[i]));
  }
  return selection;
}

}  // namespace veneer::finalize
