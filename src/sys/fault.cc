// SPDX-License-Identifier: MIT
//
// Counting changes, and what happens at the n-th.

#include "sys/fault.h"

#include <signal.h>
#include <unistd.h>

#include <mutex>

namespace veneer::sys::fault {
namespace {

struct Plan {
  std::uint64_t from = 0;   // the first change it concerns; 0 for none
  std::uint64_t times = 0;  // how many changes
  int code = 0;             // the error; 0 is death
};

// Not base/mutex.h: changes happen under locks of every rank.
std::mutex mutex;
Plan plan;
std::uint64_t mutations = 0;

void arm(const Plan& wanted) {
  const std::lock_guard lock(mutex);
  plan = wanted;
  mutations = 0;
  internal::is_armed.store(true, std::memory_order_relaxed);
}

}  // namespace

namespace internal {

constinit std::atomic<bool> is_armed = false;
constinit std::atomic<bool> is_old_kernel = false;

Result<void> count_mutation(const char* operation) {
  const std::lock_guard lock(mutex);
  ++mutations;
  if (plan.from == 0 || mutations < plan.from) return {};
  if (mutations - plan.from >= plan.times) return {};
  if (plan.code != 0) return Error(plan.code, operation);
  // With the mutex held, so that no other thread changes anything any more.
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

}  // namespace internal

void arm_count() { arm({}); }
void arm_crash(std::uint64_t n) { arm({.from = n, .times = 1, .code = 0}); }
void arm_error(std::uint64_t n, int code, std::uint64_t times) {
  arm({.from = n, .times = times, .code = code});
}

void disarm() { internal::is_armed.store(false, std::memory_order_relaxed); }

std::uint64_t count() {
  const std::lock_guard lock(mutex);
  return mutations;
}

void pretend_old_kernel(bool pretend) {
  internal::is_old_kernel.store(pretend, std::memory_order_relaxed);
}

}  // namespace veneer::sys::fault
