// SPDX-License-Identifier: MIT

#include "sys/thread_umask.h"

#include <sched.h>
#include <sys/stat.h>

#include "sys/call.h"

namespace veneer::sys {

Result<void> clear_thread_umask() {
  static thread_local bool done = false;
  if (done) return {};
  TRY(check(::unshare(CLONE_FS), "unshare"));
  ::umask(0);
  done = true;
  return {};
}

}  // namespace veneer::sys
