// SPDX-License-Identifier: MIT
//
// Being alone with a session's directories: the locks that a mount holds on
// upper and work directory, taken by whoever finishes the session. So a mounted
// session is never committed while it moves, and two commands never meet.

#pragma once

#include <optional>
#include <string>

#include "session/manifest.h"
#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::session {

/// Held for as long as the object lives. Both descriptors can be listed.
struct SessionLock {
  std::optional<sys::UniqueFd> upper;  ///< none: there is no such directory
  sys::UniqueFd work;
};

/// Waits a few seconds for a server that has been unmounted to end.
/// Fails  EBUSY   the session is mounted, or another command is at it
///        ENOENT  there is no work directory
Result<SessionLock> lock_session(const std::string& upper,
                                 const std::string& work);

/// Whether the overlay that has the work directory is about to let go of it:
/// umount(8) returns before the server has ended.
bool is_ending(const std::string& work);

/// Whether the process that the manifest names as its server lives.
bool is_served(const Manifest& manifest);

}  // namespace veneer::session
