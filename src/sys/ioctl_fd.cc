// SPDX-License-Identifier: MIT

#include "sys/ioctl_fd.h"

#include <sys/ioctl.h>

#include "sys/call.h"

namespace veneer::sys {

Result<void> ioctl_fd(int fd, unsigned long request, void* argument) {
  return check(
      retry_interrupted([&] { return ::ioctl(fd, request, argument); }),
      "ioctl");
}

}  // namespace veneer::sys
