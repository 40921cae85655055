// SPDX-License-Identifier: MIT

#include "finalize/file_plan.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>

namespace veneer::finalize {

namespace {

class FilePlanner {
 public:
  explicit FilePlanner(const PlanInput& input) : input_(input) {}

  FilePlans make();

 private:
  void plan_group(const std::vector<const Change*>& names);
  bool stays_in_place(const std::vector<const Change*>& names) const;
  bool can_anchor(const Change& change) const;
  bool can_reuse_renamed(const Change& change) const;
  void plan_new_file(const Change& change);

  const PlanInput& input_;
  FilePlans plans_;
};

// The base's file has exactly these names, and its bytes are right.
bool FilePlanner::stays_in_place(
    const std::vector<const Change*>& names) const {
  std::uint64_t ino = 0;
  for (const Change* change : names) {
    if (change->kind != ChangeKind::kNone &&
        change->kind != ChangeKind::kMetadata) {
      return false;
    }
    const auto attr = input_.stat_of(change->covered_path);
    if (!attr || attr->nlink != names.size()) return false;
    if (ino != 0 && attr->ino != ino) return false;
    ino = attr->ino;
  }
  return true;
}

// One of several names that can take the others in: a file of the base by
// itself, with the right bytes.
bool FilePlanner::can_anchor(const Change& change) const {
  // Over layers below it may lack its bytes, which are found by its name.
  if (input_.layers_below) return false;
  if (change.kind != ChangeKind::kNone &&
      change.kind != ChangeKind::kMetadata) {
    return false;
  }
  const auto attr = input_.stat_of(change.covered_path);
  return attr && attr->nlink == 1;
}

// A big file that was renamed and chmod-ed need not be copied.
bool FilePlanner::can_reuse_renamed(const Change& change) const {
  if (input_.layers_below) return false;
  if (change.kind != ChangeKind::kRenamed || !change.data_in_base ||
      change.data_path != change.base_path) {
    return false;
  }
  const auto attr = input_.stat_of(change.base_path);
  return attr && attr->nlink == 1 && S_ISREG(attr->mode);
}

void FilePlanner::plan_new_file(const Change& change) {
  if (!change.data_in_base) {
    plans_.by_change[&change] = {.step = FileStep::kInstall};
    const bool moves = input_.can_move;
    (moves ? plans_.moved_files : plans_.copied_files) += 1;
    if (!moves) plans_.copied_bytes += change.attr.blocks * 512;
    return;
  }
  if (can_reuse_renamed(change)) {
    plans_.by_change[&change] = {.step = FileStep::kPlaceRenamed};
    return;
  }
  const std::uint64_t slot = plans_.stages.size() + 1;
  plans_.by_change[&change] = {.step = FileStep::kPlaceStaged, .slot = slot};
  plans_.stages.push_back({.kind = StepKind::kStage,
                           .from = change.upper_path,
                           .data_path = change.data_path,
                           .slot = slot,
                           .metadata = metadata_of(change.attr),
                           .reason = change.kind});
  plans_.copied_files += 1;
  plans_.copied_bytes += change.attr.size;
}

void FilePlanner::plan_group(const std::vector<const Change*>& names) {
  if (stays_in_place(names)) {
    const Change& first = *names.front();
    if (first.kind == ChangeKind::kMetadata) {
      plans_.by_change[&first] = {.step = FileStep::kAttrs};
    }
    return;
  }
  const Change* first = names.front();
  const auto anchor = std::ranges::find_if(
      names, [&](const Change* change) { return can_anchor(*change); });
  if (anchor != names.end() && names.size() > 1) {
    first = *anchor;
    plans_.by_change[first] = {.step = FileStep::kAttrs};
  } else {
    plan_new_file(*first);
  }
  for (const Change* change : names) {
    if (change == first) continue;
    plans_.by_change[change] = {.step = FileStep::kLink, .first = first};
  }
}

FilePlans FilePlanner::make() {
  std::map<std::uint64_t, std::vector<const Change*>> groups;
  for (const Change& change : input_.changes) {
    if (!change.on_upper || S_ISDIR(change.attr.mode)) continue;
    if (change.link_group != 0) {
      groups[change.link_group].push_back(&change);
    } else {
      plan_group({&change});
    }
  }
  for (const auto& [group, names] : groups) plan_group(names);
  return std::move(plans_);
}

}  // namespace

FilePlan FilePlans::of(const Change& change) const {
  const auto found = by_change.find(&change);
  return found == by_change.end() ? FilePlan{} : found->second;
}

FilePlans plan_files(const PlanInput& input) {
  return FilePlanner(input).make();
}

}  // namespace veneer::finalize
