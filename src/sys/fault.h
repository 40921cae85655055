// SPDX-License-Identifier: MIT
//
// Dying, or running out of disk, at exactly the n-th change.
//
// Every wrapper in this folder that changes a disk asks before_mutation()
// first. In service that is one relaxed load. A crash test counts the changes
// of a scenario once (arm_count), then runs it again for each n with
// arm_crash(n): the process is killed in front of its n-th change. arm_error
// does the same with an error in place of death. The numbers start at 1.
//
// pretend_old_kernel makes the wrappers behave as if the kernel had none of the
// newer system calls, so that what they do then is tested too.
//
// Threads: thread-safe; arming counts anew.

#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "veneer/result.h"

namespace veneer::sys::fault {

namespace internal {
extern constinit std::atomic<bool> is_armed;
extern constinit std::atomic<bool> is_old_kernel;
Result<void> count_mutation(const char* operation);
}  // namespace internal

/// Fails with what arm_error() asked for; `operation` is put into the error.
inline Result<void> before_mutation(const char* operation = "fault") {
  if (internal::is_armed.load(std::memory_order_relaxed)) [[unlikely]] {
    return internal::count_mutation(operation);
  }
  return {};
}

/// Counts and lets everything pass.
void arm_count();
/// The n-th change kills the process with SIGKILL.
void arm_crash(std::uint64_t n);
/// Changes n, n+1, ... (`times` of them) fail with `code`. kForever is a disk
/// that stays full.
inline constexpr std::uint64_t kForever =
    std::numeric_limits<std::uint64_t>::max();
void arm_error(std::uint64_t n, int code, std::uint64_t times = 1);
void disarm();

/// How many changes there were since arming.
std::uint64_t count();

void pretend_old_kernel(bool pretend);
inline bool is_old_kernel() {
  return internal::is_old_kernel.load(std::memory_order_relaxed);
}

}  // namespace veneer::sys::fault
