// SPDX-License-Identifier: MIT

#include "finalize/commit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "absl/container/flat_hash_map.h"
#include "finalize/commit_atomic.h"
#include "finalize/commit_in_place.h"
#include "finalize/ground.h"
#include "finalize/protection.h"
#include "finalize/scan.h"
#include "finalize/selection.h"
#include "sys/file.h"
#include "sys/open.h"

namespace veneer::finalize {

namespace {

Result<void> refuse_conflicts(const Changes& changes) {
  const auto is_one = [](const Change& c) { return !c.conflict.empty(); };
  const auto first = std::ranges::find_if(changes, is_one);
  if (first == changes.end()) return {};
  const auto others = std::ranges::count_if(changes, is_one) - 1;
  return Error(
      ESTALE, "",
      fmt::format("{} {}{} (see them: veneer commit --dry-run; let this "
                  "session win: --force-conflicts)",
                  first->path, first->conflict,
                  others == 0 ? "" : fmt::format(", and {} more", others)));
}

Result<void> check_base(const Ground& ground, const Plan& plan) {
  TRY_ASSIGN(const struct statvfs disk, sys::stat_fs(ground.base.get()));
  if ((disk.f_flag & ST_RDONLY) != 0) {
    return Error(EROFS, "",
                 fmt::format("{} is on a file system that is mounted "
                             "read-only (mount -o remount,rw)",
                             ground.base_path()));
  }
  TRY_ASSIGN(const Attr root, sys::stat_fd(ground.base.get()));
  if (set_protection_of(root) != 0) {
    return Error(EPERM, "",
                 fmt::format("{0} is immutable or append-only (chattr -ia {0})",
                             ground.base_path()));
  }
  const std::uint64_t room = disk.f_bavail * disk.f_frsize;
  if (plan.copied_bytes <= room) return {};
  return Error(ENOSPC, "",
               fmt::format("{} bytes are to be copied to {}, where {} are free",
                           plan.copied_bytes, ground.base_path(), room));
}

Result<bool> can_move(const Ground& ground) {
  TRY_ASSIGN(const Attr base, sys::stat_fd(ground.base.get()));
  TRY_ASSIGN(const Attr upper, sys::stat_fd(ground.upper.get()));
  return base.dev == upper.dev && base.mnt_id == upper.mnt_id;
}

Result<Plan> plan_for(const Ground& ground, Trees& trees,
                      const Selection& selection, bool atomic) {
  // A tree that may still be taken back must not have the only copy.
  bool moves = false;
  if (!atomic) {
    TRY_ASSIGN(moves, can_move(ground));
  }
  absl::flat_hash_map<std::string, std::optional<Attr>> known;
  const auto stat_of = [&](const std::string& path) -> std::optional<Attr> {
    const auto [entry, is_new] = known.try_emplace(path);
    if (!is_new) return entry->second;
    const auto object = sys::open_beneath(ground.base.get(), path,
                                          O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (object) {
      if (const auto attr = sys::stat_fd(object->get())) entry->second = *attr;
    }
    return entry->second;
  };
  return make_plan({.changes = selection.taken,
                    .layers_below = !ground.below.empty(),
                    .below_path_of = below_paths(trees),
                    .can_move = moves,
                    .left = selection.is_partial ? &selection.left : nullptr,
                    .stat_of = stat_of});
}

Result<void> refuse_unfinished(const Ground& ground) {
  if (!has_journal(ground.work.get())) return {};
  return Error(
      EINPROGRESS, "",
      fmt::format("an earlier action on {} was interrupted (go on with "
                  "it first: veneer recover {})",
                  ground.directories.upper, ground.directories.upper));
}

}  // namespace

Result<CommitReport> commit(const Directories& directories,
                            const CommitOptions& options) {
  TRY_ASSIGN(Ground ground, open_ground(directories));
  TRY(refuse_unfinished(ground));
  TRY(tell(options.progress, "scanning"));
  TRY_ASSIGN(Trees trees, open_trees(directories));
  ground.open_data = [&](const std::string& path) -> Result<FileData> {
    TRY_ASSIGN(const BaseTree::Object file, trees.base->walk(path));
    if (!file) return Error(ENOENT, "find the data of", path);
    return trees.base->data(file);
  };
  TRY_ASSIGN(Changes all,
             scan(trees, {.unchanged = true,
                          .conflicts = true,
                          .progress = [&](std::uint64_t seen) {
                            return !options.progress ||
                                   options.progress(
                                       {.stage = "scanning", .done = seen});
                          }}));
  CommitReport report{.base = ground.base_path()};
  Selection selection =
      select(std::move(all), options.include, options.exclude);
  if (!options.force_conflicts && !options.dry_run) {
    TRY(refuse_conflicts(selection.taken));
  }
  TRY_ASSIGN(report.plan, plan_for(ground, trees, selection, options.atomic));
  if (options.atomic) TRY(check_exchange(ground.base_path()));
  TRY(check_base(ground, report.plan));
  if (!options.dry_run) {
    if (options.atomic) {
      TRY(commit_atomic(ground, trees, selection, options.progress, report.plan,
                        report.method));
    } else {
      TRY(commit_in_place(ground, report.plan, selection.is_partial,
                          options.progress));
    }
  }
  const auto is_none = [](const Change& change) {
    return change.kind == ChangeKind::kNone;
  };
  report.changes = std::move(selection.taken);
  report.left = std::move(selection.left);
  std::erase_if(report.changes, is_none);
  std::erase_if(report.left, is_none);
  report.summary = summarize(report.changes);
  return report;
}

Result<void> discard(const Directories& directories,
                     const OnProgress& progress) {
  TRY_ASSIGN(const Ground ground, open_upper_ground(directories));
  TRY(refuse_unfinished(ground));
  TRY(tell(progress, "cleaning"));
  TRY(write_steps(ground.work.get(), {}));
  TRY(write_journal(ground.work.get(), {.action = Journal::Action::kDiscard,
                                        .phase = Journal::Phase::kApplied,
                                        .directories = directories}));
  if (auto gone = empty_upper(ground); !gone) {
    return interrupted(gone.error(), directories);
  }
  return {};
}

Result<Recovered> recover(const std::string& work, const OnProgress& progress) {
  TRY_ASSIGN(const sys::UniqueFd work_dir, sys::open_dir(work));
  if (!has_journal(work_dir.get())) return Recovered::kNothing;
  TRY_ASSIGN(Journal journal, read_journal(work_dir.get()));
  const bool is_discard = journal.action == Journal::Action::kDiscard;
  TRY_ASSIGN(const Ground ground, is_discard
                                      ? open_upper_ground(journal.directories)
                                      : open_ground(journal.directories));
  switch (journal.action) {
    case Journal::Action::kCommit:
      return resume_in_place(ground, journal, progress);
    case Journal::Action::kCommitAtomic:
      return resume_atomic(ground, std::move(journal), progress);
    case Journal::Action::kDiscard:
      TRY(tell(progress, "cleaning"));
      TRY(empty_upper(ground));
      return Recovered::kFinished;
  }
  return Error(EUCLEAN, "recover", work);
}

}  // namespace veneer::finalize
