// SPDX-License-Identifier: MIT
//
// The kernel's own EROFS over an image, attached nowhere: a lower for the
// kernel's overlay. For root only, since EROFS cannot be mounted in a user
// namespace.

#pragma once

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::kernel {

/// `image` is open for reading. Where the kernel mounts no EROFS from a file,
/// or none from the file system that the image is on, a loop device stands
/// between; it goes with the mount.
/// `has_acl`: the image has POSIX ACLs.
/// Fails  ENODEV  the kernel has no EROFS
///        EPERM   without CAP_SYS_ADMIN in the first user namespace
///        EINVAL, EUCLEAN  it is no such image
Result<sys::UniqueFd> mount_erofs(int image, bool has_acl);

}  // namespace veneer::kernel
