// SPDX-License-Identifier: MIT
//
// Other processes: running a program and keeping what it said, doing one thing
// as another user, and dropping the kernel's caches.

#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "test/support/outcome.h"

namespace veneer::testing {

/// What a finished program left. `status` is its exit code, or 128 + signal.
struct Finished {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs `argv` (found on PATH) and waits for it, killing it after `seconds`.
/// Waits for the program only, not for daemons that keep its output open.
Finished run(const std::vector<std::string>& argv, int seconds = 60);

/// Whom to be.
struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  mode_t umask = 0;
};

/// An ordinary user, who owns nothing unless a test says so.
inline const User kNobodyInParticular{.uid = 4711, .gid = 4711, .groups = {}};

/// Does `action` in a child that has become `user`, without any capability.
Outcome as_user(const User& user, const std::function<Outcome()>& action);

/// Makes the kernel forget unused dentries and inodes, and clean pages.
void drop_caches();

/// Seconds since an arbitrary point, for measuring how long something took.
double monotonic_seconds();

/// Processor time this thread has had: what others do meanwhile is not in it.
double thread_seconds();

}  // namespace veneer::testing
