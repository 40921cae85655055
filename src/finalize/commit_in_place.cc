// SPDX-License-Identifier: MIT

#include "finalize/commit_in_place.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "finalize/prune.h"
#include "finalize/tree_path.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"

namespace veneer::finalize {

namespace {

// The staging directory in the base, made if it is not there.
Result<sys::UniqueFd> open_staging(const Ground& ground,
                                   const Journal& journal) {
  const std::string name = last_name(journal.staging);
  const auto made = sys::make_dir_at(ground.base.get(), name.c_str(), 0700);
  if (!made && made.error().code() != EEXIST) {
    return made.error().about(journal.staging);
  }
  return sys::open_at(ground.base.get(), name.c_str(),
                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

Result<void> run(const Site& site, const std::vector<Step>& steps, Which which,
                 const OnProgress& progress) {
  const std::string_view stage =
      which == Which::kStageSteps ? "copying" : "applying";
  return apply(site, steps, which, [&](const ApplyProgress& at) {
    return !progress ||
           progress({.stage = stage, .done = at.steps_done, .total = at.steps});
  });
}

// From "all is staged" to the end; each part may find itself done.
Result<void> apply_and_clean(const Ground& ground, Journal journal,
                             const std::vector<Step>& steps,
                             const OnProgress& progress) {
  if (journal.phase != Journal::Phase::kApplied) {
    TRY_ASSIGN(const sys::UniqueFd staging, open_staging(ground, journal));
    const Site site = ground.site(ground.base.get(), staging.get());
    TRY(run(site, steps, Which::kOtherSteps, progress));
    TRY(tell(progress, "syncing"));
    TRY(sys::sync_fs(ground.base.get()));
    journal.phase = Journal::Phase::kApplied;
    TRY(write_journal(ground.work.get(), journal));
  }
  TRY(tell(progress, "cleaning"));
  TRY(remove_staging(journal.staging));
  TRY(apply_root_attrs(ground.site(ground.base.get(), -1), steps));
  TRY(sys::sync_fs(ground.base.get()));
  return finish_upper(ground, journal.partial, steps);
}

// The first step says what the root was like before; see with_root_before().
Result<void> take_back(const Ground& ground, const Journal& journal,
                       const std::vector<Step>& steps) {
  TRY(remove_staging(journal.staging));
  TRY(apply_root_attrs(ground.site(ground.base.get(), -1),
                       {steps.begin(), steps.begin() + 1}));
  return remove_journal(ground.work.get());
}

// Making and removing the staging directory alters the root's times.
Result<std::vector<Step>> with_root_before(const Ground& ground,
                                           const std::vector<Step>& planned) {
  TRY_ASSIGN(const Attr attr, sys::stat_fd(ground.base.get()));
  std::vector<Step> steps;
  steps.reserve(planned.size() + 1);
  steps.push_back({.kind = StepKind::kAttrs, .metadata = metadata_of(attr)});
  steps.insert(steps.end(), planned.begin(), planned.end());
  return steps;
}

}  // namespace

Result<void> commit_in_place(const Ground& ground, const Plan& plan,
                             bool partial, const OnProgress& progress) {
  Journal journal{
      .action = Journal::Action::kCommit,
      .phase = Journal::Phase::kPrepared,
      .directories = ground.directories,
      .staging = fmt::format("{}/{}", ground.base_path(), fresh_staging_name()),
      .partial = partial,
  };
  TRY_ASSIGN(const std::vector<Step> steps,
             with_root_before(ground, plan.steps));
  TRY(tell(progress, "copying", 0, steps.size()));
  TRY(remove_journal(ground.work.get()));
  TRY(write_steps(ground.work.get(), steps));
  TRY(write_journal(ground.work.get(), journal));
  const auto staged = [&]() -> Result<void> {
    TRY_ASSIGN(const sys::UniqueFd staging, open_staging(ground, journal));
    const Site site = ground.site(ground.base.get(), staging.get());
    TRY(run(site, steps, Which::kStageSteps, progress));
    TRY(sys::sync_fs(ground.base.get()));
    journal.phase = Journal::Phase::kStaged;
    return write_journal(ground.work.get(), journal);
  }();
  if (!staged) {
    // Nothing in the base has been touched yet.
    if (take_back(ground, journal, steps)) return staged.error();
    return interrupted(staged.error(), ground.directories);
  }
  const auto applied = apply_and_clean(ground, journal, steps, progress);
  if (!applied) return interrupted(applied.error(), ground.directories);
  return {};
}

Result<Recovered> resume_in_place(const Ground& ground, const Journal& journal,
                                  const OnProgress& progress) {
  TRY_ASSIGN(const std::vector<Step> steps, read_steps(ground.work.get()));
  if (steps.empty()) return Error(EUCLEAN, "", "veneer.steps has no steps");
  if (journal.phase == Journal::Phase::kPrepared) {
    TRY(take_back(ground, journal, steps));
    return Recovered::kTakenBack;
  }
  TRY(apply_and_clean(ground, journal, steps, progress));
  return Recovered::kFinished;
}

}  // namespace veneer::finalize
