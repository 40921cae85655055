// SPDX-License-Identifier: MIT

#include "session/finish.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "finalize/journal.h"
#include "session/config.h"
#include "session/directories.h"
#include "session/plan.h"
#include "session/session_lock.h"
#include "session/unmount.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/mount.h"
#include "sys/open.h"
#include "sys/remove_tree.h"
#include "sys/xattr.h"

namespace veneer::session {
namespace {

using finalize::Recovered;

// Keeps the form of an upper without xattrs; hidden wherever `.wh.` is.
constexpr const char* kFormMarker = ".wh..wh.veneer";

// --- Whether it can be done ---

Result<void> check_directories(const FoundSession& session) {
  for (const std::string& lower : session.manifest.lowers) {
    const stack::LowerName name = stack::parse_lower(lower);
    const bool is_file = name.kind == stack::LowerKind::kComposefs;
    const auto base =
        is_file ? sys::open_file(name.path) : sys::open_dir(name.path);
    if (base) continue;
    if (base.error().code() != ENOENT) return base.error();
    return sentence(ENOENT,
                    fmt::format("the base {} of this session is gone (put it "
                                "back; the changes are in {})",
                                name.path, session.manifest.upper));
  }
  if (const auto upper = sys::open_dir(session.manifest.upper); !upper) {
    if (upper.error().code() != ENOENT) return upper.error();
    return sentence(ENOENT,
                    fmt::format("the upper {} is gone, and the changes "
                                "with it (clear the rest: veneer "
                                "discard {})",
                                session.manifest.upper, session.manifest.work));
  }
  return {};
}

// Writing to a base under an overlay would write to that overlay.
Result<void> refuse_covered_base(const FoundSession& session) {
  for (const std::string& lower : session.manifest.lowers) {
    const stack::LowerName name = stack::parse_lower(lower);
    const auto resolved = resolve_mount_point(name.path);
    if (!resolved || name.kind != stack::LowerKind::kDirectory) continue;
    TRY_ASSIGN(const auto mounted, sys::find_mount(*resolved));
    if (mounted && mounted->fs_type == "fuse.veneer") {
      return sentence(EBUSY, fmt::format("an overlay covers the base {0} "
                                         "(unmount it first: veneer umount "
                                         "{0})",
                                         name.path));
    }
  }
  return {};
}

Result<void> refuse_interrupted(const FoundSession& session) {
  const std::string action = interrupted_action(session);
  if (action.empty()) return {};
  return sentence(
      EINPROGRESS,
      fmt::format("a {} of {} was interrupted (end it first: "
                  "veneer recover {})",
                  action, session.manifest.upper, session.manifest.upper));
}

// --- Clearing away ---

Result<std::vector<std::string>> entries_of(int dir) {
  std::vector<std::string> names;
  TRY(sys::read_dir(dir, [&](std::string_view name, std::uint64_t,
                             std::uint8_t) { names.emplace_back(name); }));
  return names;
}

// Whether the upper has no changes in it.
Result<bool> is_spent(const SessionLock& lock) {
  if (!lock.upper) return true;
  TRY_ASSIGN(const auto names, entries_of(lock.upper->get()));
  return std::ranges::all_of(
      names, [](const std::string& name) { return name == kFormMarker; });
}

// The marks an overlay leaves on the upper's root itself.
Result<void> remove_root_marks(int upper) {
  const auto names = sys::list_xattrs_fd(upper);
  if (!names) return {};  // no attributes, no marks
  for (std::size_t at = 0; at < names->size();) {
    const std::string name = names->c_str() + at;
    at += name.size() + 1;
    if (name.starts_with("trusted.overlay.") ||
        name.starts_with("user.overlay.")) {
      TRY(sys::remove_xattr_fd(upper, name.c_str()));
    }
  }
  return {};
}

// Requires a spent upper.
Result<void> clear_upper(const Manifest& manifest, const SessionLock& lock) {
  if (!lock.upper) return {};
  const auto gone = sys::unlink_at(lock.upper->get(), kFormMarker);
  if (!gone && gone.error().code() != ENOENT) return gone.error();
  if (!manifest.made_upper) return {};
  const auto removed = sys::remove_dir_at(AT_FDCWD, manifest.upper.c_str());
  if (!removed) return removed.error().about(manifest.upper);
  return {};
}

Result<void> clear_work(const Manifest& manifest, const SessionLock& lock) {
  TRY_ASSIGN(const auto names, entries_of(lock.work.get()));
  for (const std::string& name : names) {
    if (!is_work_entry(name) || is_manifest(name)) continue;
    TRY(sys::remove_tree_at(lock.work.get(), name.c_str()));
  }
  TRY(remove_manifest(lock.work.get()));
  if (manifest.made_work) remove_if_empty(manifest.work);
  return {};
}

// Requires a spent upper. Can be cut short at any point and done again.
Result<void> clear_away(const Manifest& manifest, const SessionLock& lock) {
  Manifest over = manifest;
  over.mounted = false;
  over.over = true;
  TRY(write_manifest(lock.work.get(), over));
  TRY(clear_upper(manifest, lock));
  TRY(clear_work(manifest, lock));
  // Without it the work directory could not be found from here.
  if (lock.upper && !manifest.made_upper) {
    TRY(remove_root_marks(lock.upper->get()));
  }
  if (manifest.made_mount_point) remove_if_empty(manifest.mount_point);
  return {};
}

// After an action: ends a session that is over, or lets it go on.
Result<void> conclude(const Manifest& manifest, const SessionLock& lock,
                      bool begin_anew) {
  TRY_ASSIGN(const bool spent, is_spent(lock));
  if (spent) return clear_away(manifest, lock);
  Manifest next = manifest;
  next.mounted = false;
  // The base was changed since, but by us.
  if (begin_anew) next.began = std::time(nullptr);
  return write_manifest(lock.work.get(), next);
}

// --- What was interrupted ---

Result<Recovered> finish_interrupted(const FoundSession& session,
                                     const SessionLock& lock,
                                     const finalize::OnProgress& progress) {
  if (!finalize::has_journal(lock.work.get())) return Recovered::kNothing;
  return finalize::recover(session.manifest.work, progress);
}

finalize::ScanOptions scan_options(const finalize::OnProgress& progress) {
  finalize::ScanOptions options;
  options.conflicts = true;
  if (progress) {
    options.progress = [&progress](std::uint64_t seen) {
      return progress({.stage = "scanning", .done = seen, .total = 0});
    };
  }
  return options;
}

Result<SessionLock> lock_found(const FoundSession& session) {
  return lock_session(session.manifest.upper, session.manifest.work);
}

}  // namespace

std::string interrupted_action(const FoundSession& session) {
  const auto work = sys::open_dir(session.manifest.work);
  if (!work || !finalize::has_journal(work->get())) return "";
  const auto journal = finalize::read_journal(work->get());
  if (!journal) return "commit";  // which one, nobody can say
  switch (journal->action) {
    case finalize::Journal::Action::kCommit:
      return "commit";
    case finalize::Journal::Action::kCommitAtomic:
      return "commit-atomic";
    case finalize::Journal::Action::kDiscard:
      return "discard";
  }
  return "";
}

Result<finalize::Trees> open_session(const FoundSession& session) {
  TRY(refuse_interrupted(session));
  TRY(check_directories(session));
  TRY(refuse_covered_base(session));
  return finalize::open_trees(directories_of(session));
}

Result<finalize::Changes> list_changes(const FoundSession& session,
                                       const finalize::OnProgress& progress) {
  if (session.manifest.over) return finalize::Changes();
  TRY_ASSIGN(finalize::Trees trees, open_session(session));
  return finalize::scan(trees, scan_options(progress));
}

Result<finalize::ExportReport> export_oci(
    const FoundSession& session, int fd, const finalize::OnProgress& progress) {
  TRY_ASSIGN(const SessionLock lock, lock_found(session));
  TRY_ASSIGN(finalize::Trees trees, open_session(session));
  finalize::ScanOptions options = scan_options(progress);
  options.unchanged = true;
  TRY_ASSIGN(const finalize::Changes changes, finalize::scan(trees, options));
  return finalize::export_oci(trees, changes, fd, [&](std::uint64_t written) {
    return !progress ||
           progress({.stage = "copying", .done = written, .total = 0});
  });
}

Result<Committed> commit(const FoundSession& session,
                         const finalize::CommitOptions& options) {
  TRY_ASSIGN(const SessionLock lock, lock_found(session));
  TRY(refuse_covered_base(session));
  const Manifest& manifest = session.manifest;
  Committed result;
  if (manifest.over) {
    if (!options.dry_run) TRY(clear_away(manifest, lock));
    result.report.base = manifest.lowers.front();
    return result;
  }
  if (options.dry_run) {
    TRY(refuse_interrupted(session));
  } else {
    TRY_ASSIGN(result.before,
               finish_interrupted(session, lock, options.progress));
  }
  if (result.before == Recovered::kFinished) {
    TRY_ASSIGN(const bool spent, is_spent(lock));
    TRY(conclude(manifest, lock, true));
    result.report.base = manifest.lowers.front();
    if (spent) return result;
  }
  TRY(check_directories(session));
  TRY_ASSIGN(result.report, finalize::commit(directories_of(session), options));
  if (options.dry_run) return result;
  const bool conflicts_left = std::ranges::any_of(
      result.report.left,
      [](const finalize::Change& left) { return !left.conflict.empty(); });
  TRY(conclude(manifest, lock, !conflicts_left));
  return result;
}

Result<Recovered> discard(const FoundSession& session,
                          const finalize::OnProgress& progress) {
  TRY_ASSIGN(const SessionLock lock, lock_found(session));
  const Manifest& manifest = session.manifest;
  TRY_ASSIGN(const Recovered before,
             finish_interrupted(session, lock, progress));
  TRY_ASSIGN(const bool spent, is_spent(lock));
  if (!spent && !manifest.made_upper && !manifest.upper_was_empty) {
    return sentence(ENOTEMPTY,
                    fmt::format("{} was not empty before its first mount, so "
                                "not all in it are changes (remove by hand "
                                "what you do not need)",
                                manifest.upper));
  }
  // A base that is gone is no reason to keep the changes.
  if (lock.upper) TRY(finalize::discard(directories_of(session), progress));
  TRY(clear_away(manifest, lock));
  return before;
}

Result<Recovered> recover(const FoundSession& session,
                          const finalize::OnProgress& progress) {
  TRY_ASSIGN(const SessionLock lock, lock_found(session));
  TRY_ASSIGN(const Recovered done, finish_interrupted(session, lock, progress));
  if (session.manifest.over) {
    TRY(clear_away(session.manifest, lock));
    return Recovered::kFinished;
  }
  if (done == Recovered::kFinished) {
    TRY(conclude(session.manifest, lock, true));
  }
  return done;
}

Result<void> preserve(const FoundSession& session) {
  const std::string& mount_point = session.manifest.mount_point;
  TRY_ASSIGN(const auto mounted, sys::find_mount(mount_point));
  if (mounted && mounted->fs_type == "fuse.veneer") {
    return unmount(mount_point);
  }
  if (session.state == SessionState::kMounted) {
    return sentence(
        EBUSY,
        fmt::format("{} is mounted where this process cannot see "
                    "it, by process {} (unmount it there)",
                    session.manifest.upper, session.manifest.server.pid));
  }
  if (session.manifest.made_mount_point) remove_if_empty(mount_point);
  return {};
}

Result<Recovered> recover_before_mount(const std::string& upper,
                                       const std::string& work) {
  const auto dir = sys::open_dir(work);
  if (!dir || !finalize::has_journal(dir->get())) return Recovered::kNothing;
  TRY_ASSIGN(const SessionLock lock, lock_session(upper, work));
  return finalize::recover(work, {});
}

}  // namespace veneer::session
