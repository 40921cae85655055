// SPDX-License-Identifier: MIT
//
// A file as a read-only block device, for kernels whose file systems cannot be
// mounted from files.

#pragma once

#include <string>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::sys {

struct LoopDevice {
  /// The device goes when the last descriptor of it is closed and the last
  /// mount of it is gone.
  UniqueFd fd;
  std::string path;  ///< "/dev/loop7"
};

/// Fails  ENOENT, EPERM, EACCES  there are no loop devices for this process
///        EBUSY                  others were faster, time after time
Result<LoopDevice> attach_loop_device(int file);

}  // namespace veneer::sys
