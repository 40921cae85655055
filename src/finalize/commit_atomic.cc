// SPDX-License-Identifier: MIT

#include "finalize/commit_atomic.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/container/flat_hash_set.h"
#include "finalize/clone.h"
#include "finalize/prune.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/remove_tree.h"

namespace veneer::finalize {

namespace {

constexpr int kDirFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// A path as the directory above and a name in it.
struct Split {
  std::string parent;
  std::string name;
};
Split split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Result<sys::UniqueFd> open_parent(const std::string& parent) {
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(parent));
  return sys::reopen(dir.get(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

Error refusal(int code, const std::string& base, std::string_view why) {
  return {code, "",
          fmt::format("{} cannot be replaced in one step: {} (commit without "
                      "--atomic)",
                      base, why)};
}

// Files that the steps change where they are: those must not be shared with
// the old tree.
Result<absl::flat_hash_set<std::uint64_t>> changed_in_place(
    const Ground& ground, const Changes& changes) {
  absl::flat_hash_set<std::uint64_t> inodes;
  for (const Change& change : changes) {
    if (!change.on_upper || S_ISDIR(change.attr.mode)) continue;
    for (const std::string* const path :
         {&change.covered_path, &change.base_path}) {
      if (path->empty()) continue;
      const auto file = sys::open_beneath(ground.base.get(), *path,
                                          O_PATH | O_NOFOLLOW | O_CLOEXEC);
      if (!file) continue;
      TRY_ASSIGN(const Attr attr, sys::stat_fd(file->get()));
      inodes.insert(attr.ino);
    }
  }
  return inodes;
}

// The new tree has the inode numbers, the old one the true link counts.
std::optional<Attr> stat_twin(const Ground& ground, int twin,
                              const std::string& path) {
  constexpr int kFlags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  const auto old_one = sys::open_beneath(ground.base.get(), path, kFlags);
  const auto new_one = sys::open_beneath(twin, path, kFlags);
  if (!old_one || !new_one) return std::nullopt;
  auto attr = sys::stat_fd(old_one->get());
  const auto twin_attr = sys::stat_fd(new_one->get());
  if (!attr || !twin_attr) return std::nullopt;
  attr->ino = twin_attr->ino;
  return *attr;
}

// Two directories in `twin` change places, and go.
Result<void> try_exchange(const std::string& base, int twin) {
  for (const char* const name : {"a", "b"}) {
    TRY(sys::make_dir_at(twin, name, 0700));
  }
  auto swapped = sys::rename_at(twin, "a", twin, "b", RENAME_EXCHANGE);
  for (const char* const name : {"a", "b"}) {
    TRY(sys::remove_dir_at(twin, name));
  }
  if (swapped) return {};
  const int code = swapped.error().code();
  if (code != EINVAL && code != ENOSYS && code != EOPNOTSUPP) return swapped;
  return refusal(EOPNOTSUPP, base,
                 "its file system cannot exchange two directories");
}

// From an empty directory to the tree as it is to be.
Result<void> build_twin(const Ground& ground, Trees& trees,
                        const Selection& selection, int twin,
                        const OnProgress& progress, Plan& plan,
                        std::string& method) {
  TRY_ASSIGN(const auto inodes, changed_in_place(ground, selection.taken));
  TRY_ASSIGN(
      const CloneReport cloned,
      clone_tree(ground.base.get(), twin, inodes, [&](std::uint64_t done) {
        return !progress || progress({.stage = "copying", .done = done});
      }));
  method = cloned.linked > 0 ? "hard links" : "copies";
  TRY_ASSIGN(
      plan, make_plan({.changes = selection.taken,
                       .layers_below = !ground.below.empty(),
                       .below_path_of = below_paths(trees),
                       .can_move = false,
                       .left = selection.is_partial ? &selection.left : nullptr,
                       .stat_of = [&](const std::string& path) {
                         return stat_twin(ground, twin, path);
                       }}));
  const std::string name = fresh_staging_name();
  TRY(sys::make_dir_at(twin, name.c_str(), 0700));
  {
    TRY_ASSIGN(const sys::UniqueFd staging,
               sys::open_at(twin, name.c_str(), kDirFlags));
    const Site site = ground.site(twin, staging.get());
    for (const Which which : {Which::kStageSteps, Which::kOtherSteps}) {
      TRY(apply(site, plan.steps, which, [&](const ApplyProgress& at) {
        return !progress || progress({.stage = "applying",
                                      .done = at.steps_done,
                                      .total = at.steps});
      }));
    }
  }
  TRY(sys::remove_tree_at(twin, name.c_str()));
  return apply_root_attrs(ground.site(twin, -1), plan.steps);
}

// After the exchange: what was the base lies at the staging path.
Result<void> finish(const Ground& ground, Journal journal,
                    const OnProgress& progress) {
  if (journal.phase != Journal::Phase::kApplied) {
    TRY_ASSIGN(const sys::UniqueFd parent,
               open_parent(split(journal.staging).parent));
    TRY(sys::fsync_fd(parent.get()));
    journal.phase = Journal::Phase::kApplied;
    TRY(write_journal(ground.work.get(), journal));
  }
  TRY(tell(progress, "cleaning"));
  TRY(remove_staging(journal.staging));
  TRY_ASSIGN(const std::vector<Step> steps, read_steps(ground.work.get()));
  return finish_upper(ground, journal.partial, steps);
}

Result<void> take_back(const Ground& ground, const Journal& journal) {
  TRY(remove_staging(journal.staging));
  return remove_journal(ground.work.get());
}

}  // namespace

Result<void> check_exchange(const std::string& base) {
  const auto [above, name] = split(base);
  if (name.empty()) return refusal(EBUSY, base, "it is the root directory");
  const auto parent = open_parent(above);
  if (!parent) return parent.error();
  TRY_ASSIGN(const Attr outer, sys::stat_fd(parent->get()));
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(base));
  TRY_ASSIGN(const Attr inner, sys::stat_fd(dir.get()));
  if (inner.dev != outer.dev || inner.mnt_id != outer.mnt_id) {
    return refusal(EBUSY, base, "something is mounted on it");
  }

  return {};
}

Result<void> commit_atomic(const Ground& ground, Trees& trees,
                           const Selection& selection,
                           const OnProgress& progress, Plan& plan,
                           std::string& method) {
  const auto [above, name] = split(ground.base_path());
  TRY_ASSIGN(const sys::UniqueFd parent, open_parent(above));
  const std::string twin_name = fresh_staging_name();
  Journal journal{
      .action = Journal::Action::kCommitAtomic,
      .phase = Journal::Phase::kPrepared,
      .directories = ground.directories,
      .staging = fmt::format("{}/{}", above == "/" ? "" : above, twin_name),
      .partial = selection.is_partial,
  };
  TRY(remove_journal(ground.work.get()));
  TRY(write_journal(ground.work.get(), journal));
  const auto swapped = [&]() -> Result<void> {
    if (auto made = sys::make_dir_at(parent.get(), twin_name.c_str(), 0700);
        !made) {
      return made.error().about(above);
    }
    TRY_ASSIGN(const sys::UniqueFd twin,
               sys::open_at(parent.get(), twin_name.c_str(), kDirFlags));
    TRY(try_exchange(ground.base_path(), twin.get()));
    TRY(build_twin(ground, trees, selection, twin.get(), progress, plan,
                   method));
    TRY_ASSIGN(const Attr new_root, sys::stat_fd(twin.get()));
    TRY(tell(progress, "syncing"));
    TRY(sys::sync_fs(twin.get()));
    journal.new_ino = new_root.ino;
    TRY(write_steps(ground.work.get(), plan.steps));
    TRY(write_journal(ground.work.get(), journal));
    return sys::rename_at(parent.get(), twin_name.c_str(), parent.get(),
                          name.c_str(), RENAME_EXCHANGE);
  }();
  if (!swapped) {
    if (take_back(ground, journal)) return swapped.error();
    return interrupted(swapped.error(), ground.directories);
  }
  const auto finished = finish(ground, journal, progress);
  if (!finished) return interrupted(finished.error(), ground.directories);
  return {};
}

Result<Recovered> resume_atomic(const Ground& ground, Journal journal,
                                const OnProgress& progress) {
  if (journal.phase != Journal::Phase::kApplied) {
    TRY_ASSIGN(const Attr now, sys::stat_fd(ground.base.get()));
    if (journal.new_ino == 0 || now.ino != journal.new_ino) {
      TRY(take_back(ground, journal));
      return Recovered::kTakenBack;
    }
  }
  TRY(finish(ground, std::move(journal), progress));
  return Recovered::kFinished;
}

}  // namespace veneer::finalize
