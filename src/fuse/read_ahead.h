// SPDX-License-Identifier: MIT
//
// How far ahead the kernel reads in a mount.
//
// It takes 128 KiB for every file system, whatever the server offers, and only
// root can change that, in sysfs, once the mount answers. Of a file read from
// start to end 512 KiB saves three messages in four, and was up to three times
// as fast; more gained nothing (docs/performance.md).

#pragma once

#include <string>

#include "veneer/result.h"

namespace veneer::fuse {

/// Waits until the mount answers and widens its read-ahead, unless it is wide
/// already. Not for a thread that answers requests.
/// Fails  EACCES  not root, or sysfs is read-only
///        ENOENT  sysfs is not mounted here
///        others  the mount is gone, or not a file system of its own
Result<void> widen_read_ahead(const std::string& mount_point);

}  // namespace veneer::fuse
