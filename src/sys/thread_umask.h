// SPDX-License-Identifier: MIT
//
// A file-mode mask of this thread's own.
//
// The mask belongs to the process (to all threads that share their file system
// context), but a server applies each caller's mask itself and wants none of
// its own, also when it runs in the threads of somebody else's program.

#pragma once

#include "veneer/result.h"

namespace veneer::sys {

/// From now on this thread creates with exactly the mode it says. The first
/// call of a thread costs two system calls, later ones nothing.
Result<void> clear_thread_umask();

}  // namespace veneer::sys
