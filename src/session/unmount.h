// SPDX-License-Identifier: MIT
//
// Ending a mount from outside: whoever serves it, and also when nobody does any
// more.
//
// unmount() returns when the overlay is quiet: the mount point is free, the
// server has written all it had, and nobody touches the upper. A mount whose
// server was killed is cleared away. Mounts of other programs are left alone.

#pragma once

#include <string>

#include "veneer/result.h"

namespace veneer::session {

/// Fails  EINVAL     nothing is mounted there, or not by Veneer
///        EBUSY      files under it are in use
///        EPERM      it is somebody else's
///        ETIMEDOUT  unmounted, but the server does not end
Result<void> unmount(const std::string& mount_point);

/// Takes the topmost mount at `path` (resolved) away: by umount2(2), or by
/// fusermount3 for those who are not root. `lazily`: at once for new users, and
/// really when the last one is gone.
Result<void> detach_mount(const std::string& path, bool lazily);

/// The status text of the overlay mounted at `path`, unless it takes longer
/// than a few seconds. Fails  ETIMEDOUT  the server does not answer
///        ENOTCONN   there is no server
///        EINVAL     nothing is mounted there, or not by Veneer
Result<std::string> fetch_status(const std::string& mount_point);

}  // namespace veneer::session
