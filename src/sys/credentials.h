// SPDX-License-Identifier: MIT
//
// Acting as somebody else, one thread at a time.
//
// A file belongs to whom the filesystem ids of the creating thread say. They
// are set by raw system calls, because the C library would change all threads.
// The order is forced: with the user id goes the right to change the group id,
// so the group is changed first and restored last. While the user id is not 0
// the kernel hides the thread's filesystem capabilities (CAP_DAC_OVERRIDE, ...)
// and brings them back with it.

#pragma once

#include <sys/types.h>

#include "veneer/result.h"

namespace veneer::sys {

/// Files made in its lifetime belong to `uid` and `gid`. Costs nothing where
/// those are the process's own; else eight short system calls.
///
/// A thread that cannot go back must not serve anyone else: the destructor
/// then aborts. The kernel never refuses to.
class ScopedCredentials {
 public:
  ScopedCredentials(uid_t uid, gid_t gid) noexcept;
  ~ScopedCredentials();
  ScopedCredentials(const ScopedCredentials&) = delete;
  ScopedCredentials& operator=(const ScopedCredentials&) = delete;

  /// Fails  EPERM  without CAP_SETUID or CAP_SETGID; nothing is changed then
  Result<void> status() const;

 private:
  void restore() noexcept;

  uid_t old_uid_ = static_cast<uid_t>(-1);
  gid_t old_gid_ = static_cast<gid_t>(-1);
  bool changed_uid_ = false;
  bool changed_gid_ = false;
  bool failed_ = false;
};

/// Whether this thread has CAP_* `capability` in effect.
bool have_capability(int capability);

/// Whether this process's user ids are those of the machine. What cannot be
/// found out counts as yes.
bool in_first_user_namespace();

/// Takes `capability` out of effect for this thread, or puts it back.
/// Fails  EPERM  raising one that the thread is not permitted
Result<void> drop_thread_capability(int capability);
Result<void> raise_thread_capability(int capability);

}  // namespace veneer::sys
