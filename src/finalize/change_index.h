// SPDX-License-Identifier: MIT
//
// A change list by path: what was changed at a name and below it.
//
// The list is not copied; it outlives the index.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "finalize/change.h"

namespace veneer::finalize {

/// The merged tree has nothing there that the base has.
inline bool is_gone(const Change& change) {
  return change.kind == ChangeKind::kDeleted || change.moved_away;
}

class ChangeIndex {
 public:
  /// Changes by number, in the order of a walk.
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool empty() const { return begin == end; }
  };

  explicit ChangeIndex(const Changes& changes);

  Range all() const { return {0, items_.size()}; }
  const Change& operator[](std::size_t number) const { return *items_[number]; }
  /// The change at `path`, if `range`, whose first it would be, has it.
  const Change* change_at(std::string_view path, Range range) const {
    if (range.empty() || items_[range.begin]->path != path) return nullptr;
    return items_[range.begin];
  }

  /// The change at `path`, or null.
  const Change* find(std::string_view path) const;

  /// The part of `below`, all of it below `dir`, that is at or below the name
  /// of its first in `dir`.
  Range first_name(std::string_view dir, Range below) const;
  /// The name in `dir` that `path`, which is below it, goes by.
  static std::string_view name_in(std::string_view dir, std::string_view path);

  /// Whether anything in `range` makes the merged tree differ from the base.
  bool has_change(Range range) const {
    return changed_[range.end] != changed_[range.begin];
  }
  /// A change, or a name of a file of which another name changed.
  bool is_changed(std::size_t number) const {
    return has_change({number, number + 1});
  }

 private:
  std::vector<const Change*> items_;
  std::vector<std::size_t> changed_;  ///< how many of the first n are changed
};

}  // namespace veneer::finalize
