// SPDX-License-Identifier: MIT

#include "finalize/scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "finalize/aliases.h"
#include "finalize/compare.h"
#include "finalize/conflicts.h"
#include "finalize/renames.h"
#include "finalize/tree_path.h"
#include "overlay/merge.h"

namespace veneer::finalize {

namespace {

using overlay::Merge;
using overlay::Trail;

// A directory of the upper, and what the base has behind it.
struct Dir {
  std::string path = {};
  std::string upper_path = {};
  LayerNodeRef node = {};
  std::shared_ptr<const BaseTree::Object> base =
      {};  // null: nothing shows through
  std::string base_path = {};
  std::size_t change = 0;  // its own, in the list
  std::size_t begin = 0;   // of what is in it, in the list
  std::vector<std::string> names = {};
  std::size_t next = 0;
};

class Scanner {
 public:
  Scanner(Trees& trees, const ScanOptions& options)
      : trees_(trees), options_(options) {}

  Result<Changes> run();

 private:
  Result<void> enter(Dir dir);
  void leave();
  Result<void> see(const Dir& dir, const std::string& name);
  Result<void> see_deleted(const Dir& dir, const std::string& name);
  Result<void> see_dir(Change change, const Child& child, BaseTree::Object same,
                       BaseTree::Object source, const std::string& source_path);
  Result<void> see_file(Change change, const Child& child,
                        const BaseTree::Object& same,
                        const std::string& source_path);
  Result<void> tick();
  Result<void> note_conflict(Change& change, const Marks* marks,
                             const BaseTree::Object& same);

  Trees& trees_;
  const ScanOptions& options_;
  std::vector<Dir> stack_;
  Changes changes_;
  std::vector<IndexedFile> indexed_;
  std::vector<CopiedFile> copied_;
  std::uint64_t seen_ = 0;
};

Result<void> Scanner::tick() {
  constexpr std::uint64_t kEvery = 256;
  if (++seen_ % kEvery != 0 || !options_.progress) return {};
  if (!options_.progress(seen_)) return Error(ECANCELED, "scan");
  return {};
}

Result<void> Scanner::enter(Dir dir) {
  TRY(trees_.upper->read_dir(*dir.node, [&](const DirEntry& entry) {
    dir.names.emplace_back(entry.name);
  }));
  std::ranges::sort(dir.names);
  const auto [first, last] = std::ranges::unique(dir.names);
  dir.names.erase(first, last);
  dir.begin = changes_.size();
  stack_.push_back(std::move(dir));
  return {};
}

// The time of a directory in which something changed tells nothing by itself.
void Scanner::leave() {
  const Dir& dir = stack_.back();
  Change& own = changes_[dir.change];
  if (own.kind == ChangeKind::kNone && own.differs != 0) {
    const bool quiet = std::all_of(
        changes_.begin() + static_cast<std::ptrdiff_t>(dir.begin),
        changes_.end(),
        [](const Change& c) { return c.kind == ChangeKind::kNone; });
    // The root's is mostly that of making the upper: by itself it is not told,
    // though a commit sets it.
    const bool tells = quiet && !own.path.empty();
    if (own.differs != kTimeDiffers || tells) own.kind = ChangeKind::kMetadata;
  }
  stack_.pop_back();
}

Result<void> Scanner::note_conflict(Change& change, const Marks* marks,
                                    const BaseTree::Object& same) {
  if (!options_.conflicts) return {};
  TRY_ASSIGN(change.conflict, find_conflict(trees_, change, marks, same));
  return {};
}

Result<void> Scanner::see_deleted(const Dir& dir, const std::string& name) {
  if (!dir.base) return {};
  TRY_ASSIGN(const BaseTree::Object same, trees_.base->lookup(*dir.base, name));
  if (!same) return {};
  Change change{.kind = ChangeKind::kDeleted,
                .path = joined(dir.path, name),
                .base_path = joined(dir.base_path, name),
                .covered_path = joined(dir.base_path, name),
                .in_base = true,
                .attr = same.attr(),
                .base_attr = same.attr()};
  TRY(note_conflict(change, nullptr, same));
  changes_.push_back(std::move(change));
  return {};
}

Result<void> Scanner::see(const Dir& dir, const std::string& name) {
  TRY(tick());
  TRY_ASSIGN(auto child, trees_.upper->lookup(*dir.node, name));
  if (!child || child->marks.whiteout) return see_deleted(dir, name);

  Change change{.path = joined(dir.path, name),
                .upper_path = joined(dir.upper_path, name),
                .on_upper = true,
                .attr = child->attr};
  BaseTree::Object same;
  if (dir.base) {
    TRY_ASSIGN(same, trees_.base->lookup(*dir.base, name));
    if (same) change.covered_path = joined(dir.base_path, name);
  }

  // What of the base the object goes on with, if anything: the same rules as
  // for a lookup through the mount.
  Merge merge;
  BaseTree::Object source;
  std::string source_path;
  Trail trail{.path = name};
  trail.follow(child->marks.redirect);
  if (merge.add(overlay::kUpperLayer, *child)) {
    if (trail.from_root) {
      source_path = trail.path;
      TRY_ASSIGN(source, trees_.base->walk(trail.path));
    } else if (dir.base) {
      source_path = joined(dir.base_path, trail.path);
      TRY_ASSIGN(source, trees_.base->lookup(*dir.base, trail.path));
    }
    if (source) {
      Child below;
      below.attr = source.attr();
      merge.add(1, std::move(below));
      if (merge.parts().size() < 2) source = {};
    }
  }
  if (S_ISDIR(child->attr.mode)) {
    return see_dir(std::move(change), *child, std::move(same),
                   std::move(source), source_path);
  }
  change.base_path = change.covered_path;
  if (!source) source_path.clear();
  return see_file(std::move(change), *child, same, source_path);
}

Result<void> Scanner::see_dir(Change change, const Child& child,
                              BaseTree::Object same, BaseTree::Object source,
                              const std::string& source_path) {
  Dir dir{
      .path = change.path, .upper_path = change.upper_path, .node = child.node};
  if (source) {
    change.base_path = source_path;
    change.in_base = true;
    change.redirect = child.marks.redirect.value_or("");
    TRY(compare_metadata(*trees_.base, source,
                         upper_object(*trees_.upper, child), change));
    const bool moved = source_path != change.covered_path;
    if (moved) change.kind = ChangeKind::kRenamed;
    dir.base = std::make_shared<BaseTree::Object>(std::move(source));
    dir.base_path = source_path;
  } else {
    change.opaque = true;
    change.kind = ChangeKind::kAdded;
    if (same) {
      change.base_path = change.covered_path;
      change.in_base = true;
      change.base_attr = same.attr();
      change.kind =
          S_ISDIR(same.attr().mode) ? ChangeKind::kReplaced : ChangeKind::kType;
    }
    TRY(note_conflict(change, &child.marks, same));
  }
  dir.change = changes_.size();
  changes_.push_back(std::move(change));
  return enter(std::move(dir));
}

Result<void> Scanner::see_file(Change change, const Child& child,
                               const BaseTree::Object& same,
                               const std::string& source_path) {
  if (child.marks.metacopy && S_ISREG(child.attr.mode)) {
    if (source_path.empty()) {
      return Error(EIO, "find the data of", change.path);
    }
    change.data_in_base = true;
    change.data_path = source_path;
  }
  const bool same_type =
      same && ((same.attr().mode ^ child.attr.mode) & S_IFMT) == 0;
  if (!same) {
    change.kind = ChangeKind::kAdded;
  } else if (!same_type) {
    change.in_base = true;
    change.base_attr = same.attr();
    change.kind = ChangeKind::kType;
  } else {
    change.in_base = true;
    TRY(compare_file(*trees_.base, same, upper_object(*trees_.upper, child),
                     change));
    // Its bytes are in the base, at another file's name.
    if (change.data_in_base && change.data_path != change.base_path) {
      change.content_differs = true;
    }
    change.kind = kind_by_difference(change);
  }
  TRY(note_conflict(change, &child.marks, same));
  if (child.attr.nlink > 1) change.link_group = child.attr.ino;
  if (child.marks.nlink && child.marks.origin) {
    indexed_.push_back({.known = change, .child = child});
  } else if (change.kind == ChangeKind::kAdded && child.marks.origin) {
    copied_.push_back({changes_.size(), *child.marks.origin});
  }
  changes_.push_back(std::move(change));
  return {};
}

Result<Changes> Scanner::run() {
  const Child& root = trees_.upper->root();
  TRY_ASSIGN(BaseTree::Object base, trees_.base->root());
  Change change{.on_upper = true, .in_base = true, .attr = root.attr};
  TRY_ASSIGN(change.attr, trees_.upper->get_attr(*root.node));
  Child now = root;
  now.attr = change.attr;
  TRY(compare_metadata(*trees_.base, base, upper_object(*trees_.upper, now),
                       change));
  changes_.push_back(std::move(change));
  TRY(enter({.node = root.node,
             .base = std::make_shared<BaseTree::Object>(std::move(base))}));
  while (!stack_.empty()) {
    Dir& dir = stack_.back();
    if (dir.next == dir.names.size()) {
      leave();
      continue;
    }
    // see() may enter a directory, which moves the stack.
    const std::string name = dir.names[dir.next++];
    const Dir here = {.path = dir.path,
                      .upper_path = dir.upper_path,
                      .node = dir.node,
                      .base = dir.base,
                      .base_path = dir.base_path};
    if (auto saw = see(here, name); !saw) {
      return saw.error().about(joined(here.path, name));
    }
  }
  const std::size_t walked = changes_.size();
  TRY(add_aliases(trees_, std::move(indexed_), changes_));
  TRY(fold_renames(trees_, copied_, changes_));
  if (changes_.size() != walked) {
    std::ranges::sort(changes_, walk_less, &Change::path);
  }
  settle_link_groups(changes_);
  if (!options_.unchanged) {
    std::erase_if(changes_,
                  [](const Change& c) { return c.kind == ChangeKind::kNone; });
  }
  return std::move(changes_);
}

}  // namespace

Result<Changes> scan(Trees& trees, const ScanOptions& options) {
  return Scanner(trees, options).run();
}

}  // namespace veneer::finalize
