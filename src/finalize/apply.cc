// SPDX-License-Identifier: MIT
//
// The pass, and the steps that rearrange the base. Those that bring something:
// install.cc; those that make and hide: base_layer.cc.

#include "finalize/apply.h"

#include <linux/fs.h>

#include <algorithm>
#include <optional>

#include "finalize/applier.h"
#include "finalize/metadata_copy.h"
#include "finalize/protection.h"
#include "sys/file.h"
#include "sys/link.h"

namespace veneer::finalize {
namespace {

std::string printable(const std::string& path) {
  return path.empty() ? "." : path;
}

}  // namespace

bool is_without_upper(const Step& step) {
  return step.from.empty() &&
         (!step.path.empty() || step.reason == ChangeKind::kNone);
}

Result<void> apply(const Site& site, const std::vector<Step>& steps,
                   Which which,
                   const std::function<bool(const ApplyProgress&)>& progress) {
  return Applier(site, steps).run(which, progress);
}

Result<void> Applier::run(
    Which which, const std::function<bool(const ApplyProgress&)>& progress) {
  const auto is_wanted = [&](const Step& step) {
    if (step.kind == StepKind::kSettle) return false;
    const bool is_stage = step.kind == StepKind::kStage;
    return is_stage == (which == Which::kStageSteps);
  };
  progress_.steps =
      static_cast<std::uint64_t>(std::ranges::count_if(steps_, is_wanted));
  if (which == Which::kOtherSteps) {
    for (const Step& step : steps_) {
      if (step.kind == StepKind::kStage) staged_[step.slot] = &step;
    }
    TRY(read_protections());
    TRY(keep_protections());
  }
  for (number_ = 0; number_ < steps_.size(); ++number_) {
    const Step& step = steps_[number_];
    if (!is_wanted(step)) continue;
    if (auto done = do_step(step); !done) {
      const bool has_path = step.kind != StepKind::kStage;
      return done.error().about(printable(has_path ? step.path : step.from));
    }
    ++progress_.steps_done;
    if (progress && !progress(progress_)) return Error(ECANCELED, "commit");
  }
  for (const auto& [path, flags] : protected_) {
    if (auto done = protect(site_.base, path, flags); !done) {
      return done.error().about(printable(path));
    }
  }
  return {};
}

Result<void> Applier::do_step(const Step& step) {
  switch (step.kind) {
    case StepKind::kStage:
      return stage(step);
    case StepKind::kStash:
      return stash(step);
    case StepKind::kPlace:
      return place(step);
    case StepKind::kMakeDir:
      return make_dir(step);
    case StepKind::kInstall:
      return install(step);
    case StepKind::kLink:
      return link(step);
    case StepKind::kAttrs:
      return set_attributes(step);
    case StepKind::kWhiteout:
      return whiteout(step);
    case StepKind::kSettle:
      return {};
  }
  return Error(EINVAL, "apply");
}

// --- Aside and back ---

Result<void> Applier::stash(const Step& step) {
  const auto at = base_.find(step.path);
  if (!at) {
    // A link in the way is what this plan has put there, or an attack.
    const bool gone =
        is_absence(at.error()) ||
        (at.error().code() == ELOOP && something_came_above(step.path));
    return gone ? Result<void>() : at.error();
  }
  TRY_ASSIGN(const auto there, sys::find_at(at->dir, at->name));
  if (!there || there->ino != step.ino) return {};
  forget(step.path);
  const std::string slot = std::to_string(step.slot);
  const Spot to{.dir = site_.staging, .name = slot.c_str()};
  // Where the slot is another name of the same inode, rename(2) does nothing,
  // which is right: that name has been here and `path` was given back.
  return rename_over(*at, to, 0);
}

Result<void> Applier::place(const Step& step) {
  const std::string slot = std::to_string(step.slot);
  TRY_ASSIGN(const auto there, sys::find_at(site_.staging, slot.c_str()));
  if (there) TRY(publish(slot, step));
  if (const auto staged = staged_.find(step.slot); staged != staged_.end()) {
    TRY_ASSIGN(const UpperObject from, get_upper(staged->second->from));
    TRY_ASSIGN(const unsigned flags,
               protection_of(site_.own, from.spot, from.attr));
    protect_later(step.path, flags);
  }
  return {};
}

Result<void> Applier::set_attributes(const Step& step) {
  if (is_without_upper(step)) {
    TRY_ASSIGN(const Spot at, base_.find(step.path));
    TRY_ASSIGN(const Attr attr, sys::stat_at(at.dir, at.name));
    TRY(set_metadata(at, step.metadata));
    protect_later(step.path, set_protection_of(attr) | written_protection());
    return {};
  }
  TRY_ASSIGN(const UpperObject from, get_upper(step.from));
  TRY_ASSIGN(const Spot at, base_.find(step.path));
  TRY(set_marks(at, step));
  TRY(copy_metadata({.object = from.spot,
                     .attr = from.attr,
                     .metadata = step.metadata,
                     .own = site_.own},
                    at));
  TRY_ASSIGN(const unsigned flags,
             protection_of(site_.own, from.spot, from.attr));
  protect_later(step.path, flags);
  return {};
}

// --- Names ---

Result<void> Applier::link(const Step& step) {
  TRY_ASSIGN(const Spot from, linked_.find(step.from));
  TRY_ASSIGN(const Attr wanted, sys::stat_at(from.dir, from.name));
  TRY_ASSIGN(const Spot to, base_.find(step.path));
  TRY(uncover(to));
  TRY_ASSIGN(const auto there, sys::find_at(to.dir, to.name));
  if (there && there->ino == wanted.ino && there->dev == wanted.dev) return {};
  const auto link_to = [&](const Spot& name) {
    return lifting(
        [&] { return sys::link_at(from.dir, from.name, name.dir, name.name); },
        from, Spot{name.dir, ""});
  };
  if (!there) return link_to(to);
  const std::string aside = temporary('l');
  const Spot made{.dir = site_.staging, .name = aside.c_str()};
  auto linked = link_to(made);
  if (!linked && linked.error().code() == EEXIST) {
    TRY(sys::unlink_at(made.dir, made.name));
    linked = link_to(made);
  }
  TRY(std::move(linked));
  return rename_over(made, to, 0);
}

// --- What they share ---

std::string Applier::temporary(char letter) const {
  return letter + std::to_string(number_) + ".new";
}

Result<void> Applier::publish(const std::string& staged, const Step& step) {
  forget(step.path);
  TRY_ASSIGN(const Spot to, base_.find(step.path));
  TRY(uncover(to));
  const Spot from{.dir = site_.staging, .name = staged.c_str()};
  auto moved = rename_over(from, to, 0);
  if (moved || moved.error().code() != ENOTDIR) return moved;
  // A directory does not replace a whiteout.
  TRY_ASSIGN(const auto there, sys::find_at(to.dir, to.name));
  if (!there || !is_whiteout(*there)) return moved;
  TRY(sys::unlink_at(to.dir, to.name));
  return rename_over(from, to, 0);
}

Result<void> Applier::rename_over(const Spot& from, const Spot& to,
                                  unsigned flags) {
  return lifting(
      [&] {
        return sys::rename_at(from.dir, from.name, to.dir, to.name, flags);
      },
      from, Spot{from.dir, ""}, to, Spot{to.dir, ""});
}

bool Applier::something_came_above(const std::string& path) const {
  return std::ranges::any_of(steps_, [&](const Step& step) {
    const bool comes = step.kind == StepKind::kInstall ||
                       step.kind == StepKind::kPlace ||
                       step.kind == StepKind::kLink;
    return comes && path.size() > step.path.size() &&
           path.starts_with(step.path) && path[step.path.size()] == '/';
  });
}

void Applier::forget(const std::string& path) {
  base_.forget(path);
  linked_.forget(path);
}

}  // namespace veneer::finalize
