// SPDX-License-Identifier: MIT
//
// The few lines that every wrapper of a system call needs.

#pragma once

#include <cerrno>
#include <string>

#include "veneer/result.h"

namespace veneer::sys {

/// The error that the last system call of this thread left in errno.
inline Error last_error(const char* operation) noexcept {
  return Error(errno, operation);
}

/// Calls again as long as a signal interrupts.
template <typename Call>
auto retry_interrupted(Call&& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

/// What a call that returns nothing but success has said.
inline Result<void> check(long result, const char* operation) {
  if (result < 0) [[unlikely]]
    return last_error(operation);
  return {};
}

/// Whether the kernel has the system call that `probe` makes with arguments it
/// cannot accept. Old container sandboxes answer EPERM to calls newer than they
/// are, which means the same as ENOSYS here.
template <typename Probe>
bool is_implemented(Probe&& probe) {
  return probe() >= 0 || (errno != ENOSYS && errno != EPERM);
}

/// Where /proc shows descriptor `fd` of this thread's process.
class ProcFdPath {
 public:
  explicit ProcFdPath(int fd);
  const char* c_str() const noexcept { return path_; }

 private:
  char path_[32];
};

}  // namespace veneer::sys
