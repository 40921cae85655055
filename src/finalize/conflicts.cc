// SPDX-License-Identifier: MIT

#include "finalize/conflicts.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "finalize/tree_path.h"
#include "layer/host/overlay_xattrs.h"

namespace veneer::finalize {

namespace {

bool is_after(const timespec& time, std::int64_t began) {
  return time.tv_sec > began;
}

// Modified, or put there, since the session began.
bool is_new(const Attr& attr, std::int64_t began) {
  return is_after(attr.mtime, began) ||
         (attr.has_btime && is_after(attr.btime, began));
}

// The first object in `dir` modified after `began`, as a path; or "".
// NOLINTNEXTLINE(misc-no-recursion): as deep as the base is.
Result<std::string> modified_below(Trees& trees, const BaseTree::Object& dir,
                                   const std::string& path) {
  TRY_ASSIGN(const auto entries, trees.base->list(dir));
  for (const BaseTree::Entry& entry : entries) {
    TRY_ASSIGN(const BaseTree::Object child,
               trees.base->lookup(dir, entry.name));
    if (!child) continue;
    std::string where = joined(path, entry.name);
    if (is_new(child.attr(), trees.directories.began)) return where;
    if (!S_ISDIR(child.attr().mode)) continue;
    TRY_ASSIGN(std::string found, modified_below(trees, child, where));
    if (!found.empty()) return found;
  }
  return std::string();
}

}  // namespace

Result<std::string> find_conflict(Trees& trees, const Change& change,
                                  const Marks* marks,
                                  const BaseTree::Object& same) {
  if (marks != nullptr && marks->base_state) {
    const auto origin = origin_of(trees, marks->origin.value_or(""));
    if (origin && layer::encode_state(*origin) != *marks->base_state) {
      return std::string("was changed in the base since it was changed here");
    }
    const bool is_known = origin && origin->nlink > 0;
    if (!same && !is_known && marks->origin && !marks->origin->empty()) {
      return std::string("was removed from the base since it was changed here");
    }
    if (!same || *marks->base_state == layer::encode_state(same.attr())) {
      return std::string();
    }
    // A copy of something else has taken this name.
  }
  if (!same) return std::string();
  const std::int64_t began = trees.directories.began;
  if (began == 0) return std::string();
  if (is_new(same.attr(), began)) {
    return std::string("was changed in the base since the session began");
  }
  if (!S_ISDIR(same.attr().mode)) return std::string();
  TRY_ASSIGN(const std::string inside,
             modified_below(trees, same, change.covered_path));
  if (inside.empty()) return std::string();
  return fmt::format("{} in it was changed in the base since the session began",
                     inside);
}

}  // namespace veneer::finalize
