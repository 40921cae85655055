// SPDX-License-Identifier: MIT

#include "finalize/plan.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "finalize/file_plan.h"
#include "finalize/tree_path.h"

namespace veneer::finalize {

Metadata metadata_of(const Attr& attr) {
  return {.mode = attr.mode & 07777,
          .uid = attr.uid,
          .gid = attr.gid,
          .atime = attr.atime,
          .mtime = attr.mtime};
}

namespace {

bool is_dir(const Change& change) { return S_ISDIR(change.attr.mode); }

// The base's object at the name does not go on in the merged one.
bool hides(const Change& change) {
  if (change.covered_path.empty()) return false;
  return !change.on_upper || !is_dir(change) || change.opaque ||
         change.base_path != change.covered_path;
}

class Planner {
 public:
  explicit Planner(const PlanInput& input)
      : input_(input),
        files_(plan_files(input)),
        next_slot_(files_.stages.size() + 1) {}

  Result<Plan> make();

 private:
  Result<void> check_sources();
  Result<void> check_aliases();
  void stash_sources();
  void walk();
  void walk_deleted(const Change& change);
  void walk_dir(const Change& change);
  void walk_file(const Change& change);
  void finish_dirs();
  void settle_upper(const Changes& left);

  std::uint64_t ino_of(const std::string& base_path) const {
    const auto attr = input_.stat_of(base_path);
    return attr ? attr->ino : 0;
  }
  /// What stands at the change's name in the base directory when its turn
  /// comes; 0: nothing.
  std::uint64_t occupant(const Change& change) const {
    if (change.covered_path.empty()) return 0;
    if (stashed_.contains(change.covered_path)) return 0;
    return ino_of(change.covered_path);
  }
  /// Moves that away, for good.
  void clear(const Change& change);
  Step& add(Step step) {
    steps_.push_back(std::move(step));
    return steps_.back();
  }
  Step attrs_of(const Change& change) const {
    return {.kind = StepKind::kAttrs,
            .path = change.path,
            .from = change.upper_path,
            .metadata = metadata_of(change.attr),
            .reason = change.kind};
  }

  const PlanInput& input_;
  std::vector<Step> stashes_;
  std::vector<Step> steps_;
  std::vector<Step> links_;
  FilePlans files_;
  std::uint64_t next_slot_;
  // Base paths of what has been moved aside to be placed elsewhere.
  absl::flat_hash_map<std::string, std::uint64_t> stashed_;
};

// A directory can be in one place only. Overlays keep to that; an upper that
// was put together by hand may not.
Result<void> Planner::check_sources() {
  absl::flat_hash_set<std::string> hidden;
  for (const Change& change : input_.changes) {
    if (hides(change)) hidden.insert(change.covered_path);
  }
  absl::flat_hash_set<std::string> sources;
  for (const Change& change : input_.changes) {
    if (change.kind != ChangeKind::kRenamed || !is_dir(change)) continue;
    bool released = false;
    for (std::string at = change.base_path; !released && !at.empty();
         at = parent_of(at)) {
      released = hidden.contains(at);
    }
    if (released && sources.insert(change.base_path).second) continue;
    return Error(
        EOPNOTSUPP, "",
        fmt::format("{} shows the base's {}, which is shown elsewhere, "
                    "too, and a directory has one place (was the "
                    "upper changed by hand?)",
                    change.path, change.base_path));
  }
  return {};
}

// Deepest first: a directory that moves does not take those inside it along
// that move elsewhere.
void Planner::stash_sources() {
  std::vector<const Change*> sources;
  for (const Change& change : input_.changes) {
    if (change.kind != ChangeKind::kRenamed) continue;
    const bool moves =
        is_dir(change) || files_.of(change).step == FileStep::kPlaceRenamed;
    if (moves && ino_of(change.base_path) != 0) sources.push_back(&change);
  }
  std::ranges::sort(sources, [](const Change* a, const Change* b) {
    return walk_less(b->base_path, a->base_path);
  });
  for (const Change* change : sources) {
    const std::uint64_t slot = next_slot_++;
    stashed_.emplace(change->base_path, slot);
    stashes_.push_back({.kind = StepKind::kStash,
                        .path = change->base_path,
                        .slot = slot,
                        .ino = ino_of(change->base_path),
                        .reason = change->kind});
  }
}

void Planner::clear(const Change& change) {
  const std::uint64_t ino = occupant(change);
  if (ino == 0) return;
  add({.kind = StepKind::kStash,
       .path = change.path,
       .slot = next_slot_++,
       .ino = ino,
       .reason = change.kind});
}

void Planner::walk_deleted(const Change& change) {
  clear(change);
  if (input_.layers_below) {
    add({.kind = StepKind::kWhiteout,
         .path = change.path,
         .reason = change.kind});
  }
}

void Planner::walk_dir(const Change& change) {
  if (change.path.empty()) return;  // the root is there
  if (hides(change)) clear(change);
  const auto slot = stashed_.find(change.base_path);
  if (change.kind == ChangeKind::kRenamed && slot != stashed_.end()) {
    add({.kind = StepKind::kPlace,
         .path = change.path,
         .slot = slot->second,
         .reason = change.kind});
    return;
  }
  const bool is_there =
      change.in_base && !hides(change) && ino_of(change.base_path) != 0;
  if (is_there) return;
  add({.kind = StepKind::kMakeDir,
       .path = change.path,
       .opaque =
           input_.layers_below && change.opaque && !change.covered_path.empty(),
       .reason = change.kind});
}

void Planner::walk_file(const Change& change) {
  const FilePlan file = files_.of(change);
  const bool covers_dir =
      !change.covered_path.empty() && change.kind == ChangeKind::kType;
  // A renamed file's old name has a change of its own.
  if (covers_dir) clear(change);
  const std::uint64_t replaced = covers_dir ? 0 : occupant(change);
  switch (file.step) {
    case FileStep::kNothing:
      return;
    case FileStep::kAttrs:
      add(attrs_of(change));
      return;
    case FileStep::kInstall:
      add({.kind = StepKind::kInstall,
           .path = change.path,
           .from = change.upper_path,
           .ino = replaced,
           .from_ino = change.attr.ino,
           .metadata = metadata_of(change.attr),
           .move = input_.can_move,
           .reason = change.kind});
      return;
    case FileStep::kPlaceStaged:
      add({.kind = StepKind::kPlace,
           .path = change.path,
           .slot = file.slot,
           .reason = change.kind});
      return;
    case FileStep::kPlaceRenamed:
      add({.kind = StepKind::kPlace,
           .path = change.path,
           .slot = stashed_.at(change.base_path),
           .reason = change.kind});
      add(attrs_of(change));
      return;
    case FileStep::kLink:
      links_.push_back({.kind = StepKind::kLink,
                        .path = change.path,
                        .from = file.first->path,
                        .ino = replaced,
                        .reason = change.kind});
      return;
  }
}

void Planner::walk() {
  for (const Change& change : input_.changes) {
    if (!change.on_upper) {
      walk_deleted(change);
    } else if (is_dir(change)) {
      walk_dir(change);
    } else {
      walk_file(change);
    }
  }
  std::ranges::move(links_, std::back_inserter(steps_));
}

// Those of the upper get its attributes; one that is not part of the commit,
// but something in it is, keeps its own.
void Planner::finish_dirs() {
  absl::flat_hash_map<std::string, Step> last;
  for (const Change& change : input_.changes) {
    if (!change.on_upper || !is_dir(change)) continue;
    Step step = attrs_of(change);
    step.opaque = input_.layers_below && change.opaque;
    if (input_.layers_below && change.kind == ChangeKind::kRenamed) {
      step.redirect = input_.below_path_of(change.base_path);
      step.opaque = step.redirect.empty();
    }
    last.insert_or_assign(change.path, std::move(step));
  }
  for (const Change& change : input_.changes) {
    const bool is_touched = change.kind != ChangeKind::kNone ||
                            change.moved_away ||
                            files_.of(change).step != FileStep::kNothing;
    if (change.path.empty() || !is_touched) continue;
    const std::string parent = parent_of(change.path);
    if (last.contains(parent)) continue;
    const auto attr = input_.stat_of(
        change.covered_path.empty() ? parent : parent_of(change.covered_path));
    if (!attr) continue;
    last.emplace(parent, Step{.kind = StepKind::kAttrs,
                              .path = parent,
                              .metadata = metadata_of(*attr),
                              .reason = ChangeKind::kNone});
  }
  std::vector<Step> ordered;
  ordered.reserve(last.size());
  for (auto& [path, step] : last) ordered.push_back(std::move(step));
  std::ranges::sort(ordered, [](const Step& a, const Step& b) {
    return walk_less(b.path, a.path);
  });
  std::ranges::move(ordered, std::back_inserter(steps_));
}

void Planner::settle_upper(const Changes& left) {
  std::vector<Step> dirs;
  const auto settle = [&](const Change& change, bool is_taken) {
    if (!change.on_upper || !is_dir(change)) return;
    dirs.push_back(
        {.kind = StepKind::kSettle,
         .from = change.upper_path,
         .metadata = metadata_of(change.attr),
         .opaque = is_taken && (change.opaque || !change.redirect.empty())});
  };
  for (const Change& change : input_.changes) settle(change, true);
  for (const Change& change : left) settle(change, false);
  std::ranges::sort(dirs, [](const Step& a, const Step& b) {
    return walk_less(b.from, a.from);
  });
  std::ranges::move(dirs, std::back_inserter(steps_));
}

// A name that the upper does not have, of a file that it has, in a directory
// that the base directory does not have either.
Result<void> Planner::check_aliases() {
  if (!input_.layers_below) return {};
  absl::flat_hash_set<std::string> dirs{""};
  for (const Change& change : input_.changes) {
    if (change.on_upper && is_dir(change)) dirs.insert(change.path);
  }
  for (const Change& change : input_.changes) {
    if (!change.on_upper || is_dir(change) || change.covered_path.empty()) {
      continue;
    }
    const bool has_place = dirs.contains(parent_of(change.path)) ||
                           input_.stat_of(parent_of(change.covered_path));
    if (has_place) continue;
    return Error(EOPNOTSUPP, "",
                 fmt::format("{} is another name of a changed file and lies in "
                             "a layer below, where a commit does not write "
                             "(change it by this name, too)",
                             change.path));
  }
  return {};
}

Result<Plan> Planner::make() {
  TRY(check_sources());
  TRY(check_aliases());
  stash_sources();
  walk();
  finish_dirs();
  if (input_.left != nullptr) settle_upper(*input_.left);
  Plan plan{.steps = std::move(files_.stages),
            .copied_bytes = files_.copied_bytes,
            .moved_files = files_.moved_files,
            .copied_files = files_.copied_files};
  for (std::vector<Step>* part : {&stashes_, &steps_}) {
    std::ranges::move(*part, std::back_inserter(plan.steps));
  }
  return plan;
}

}  // namespace

Result<Plan> make_plan(const PlanInput& input) { return Planner(input).make(); }

}  // namespace veneer::finalize
