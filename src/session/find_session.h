// SPDX-License-Identifier: MIT
//
// From what a user calls a session to its directories.
//
// A session is called by its mount point while it is mounted, and by its upper
// or its work directory at any time. The manifest in the work directory knows
// the rest. It is found from an upper U as U.work or, if U ends with ".upper",
// beside it with ".work" instead; where the work directory is elsewhere, a mark
// on the upper's root says so (the overlay's own attribute `veneer.work`, which
// users of the mount do not see).
//
// Names lead to a session only if both sides agree: the manifest must name the
// very upper that led to it. Nothing is changed by looking.

#pragma once

#include <optional>
#include <string>

#include "finalize/trees.h"
#include "session/manifest.h"
#include "veneer/result.h"

namespace veneer::session {

enum class SessionState {
  kUnmounted,
  kMounted,
  kKilled,  ///< its server ended without unmounting; maybe the mount is there
};

struct FoundSession {
  /// With the paths by which it was found, all absolute.
  Manifest manifest;
  SessionState state = SessionState::kUnmounted;
};

/// Fails  ENOENT   there is nothing of that name
///        EINVAL   a directory of nobody's, or an overlay without an upper
///        EUCLEAN  the manifest is damaged
///        others   as fetch_status()
Result<FoundSession> find_session(const std::string& name);

/// The path of the overlay of ours that is mounted at `name`, if there is one;
/// its server may be gone.
std::optional<std::string> find_mount_point(const std::string& name);

/// The session of these very directories; none if they were never mounted.
Result<std::optional<FoundSession>> session_at(const std::string& upper,
                                               const std::string& work);

finalize::Directories directories_of(const FoundSession& session);

/// Leaves the mark on the upper's root, if there must be one. Best effort:
/// where it cannot be left, the session is called by its work directory.
void mark_work(const std::string& upper, const std::string& work);

/// The attribute, of the namespace that this process' layers are marked in.
std::string work_mark_name();

}  // namespace veneer::session
