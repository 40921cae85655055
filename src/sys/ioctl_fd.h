// SPDX-License-Identifier: MIT
//
// ioctl(2), for requests that are of one module alone. Those that concern files
// in general have wrappers of their own (sys/file.h).

#pragma once

#include "veneer/result.h"

namespace veneer::sys {

/// `argument` is what `request` says: its size and direction are in the number.
/// Fails  ENOTTY  whoever serves `fd` does not know the request
Result<void> ioctl_fd(int fd, unsigned long request, void* argument);

}  // namespace veneer::sys
