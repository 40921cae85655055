// SPDX-License-Identifier: MIT
//
// A service and its surroundings: where it stands and writes, ending a mount,
// whether another process still lives, and running a helper.

#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::sys {

/// Takes the topmost mount at `path` away; links are not followed. `lazily`: at
/// once for new users, and really when the last one is gone.
/// Fails  EBUSY, EPERM, EINVAL (nothing is mounted there)
Result<void> unmount_at(const std::string& path, bool lazily);

/// Leaves the directory one was started in, so that it can be unmounted.
Result<void> change_to_root();

/// Standard error goes to the end of `path`, which is made if missing.
Result<void> append_stderr_to(const std::string& path);

/// What is written to standard error in its lifetime, by this process and by
/// programs it starts, is kept here instead. For a process that is all ours.
class CapturedStderr {
 public:
  static Result<CapturedStderr> start();
  /// Standard error is as before; what was captured is lost.
  ~CapturedStderr();
  CapturedStderr(CapturedStderr&&) noexcept = default;
  CapturedStderr& operator=(CapturedStderr&&) = delete;

  std::string text() const;

 private:
  CapturedStderr(UniqueFd before, UniqueFd kept)
      : before_(std::move(before)), kept_(std::move(kept)) {}

  UniqueFd before_;
  UniqueFd kept_;
};

/// A process that can be waited for though it is no child.
/// Fails  ESRCH   there is none of that number
///        ENOSYS  before Linux 5.3
Result<UniqueFd> open_process(pid_t pid);
/// Whether it has ended, after waiting for at most `timeout`.
Result<bool> wait_for_end(const UniqueFd& process,
                          std::chrono::milliseconds timeout);

/// What a program said on its standard error, and how it ended.
struct ProgramEnd {
  int status = 0;  ///< exit status, or 128 + signal
  std::string errors;
};

/// Runs `argv`, found on PATH, with nothing to read and nowhere to print.
/// Fails  ENOENT  there is no such program
Result<ProgramEnd> run_program(const std::vector<std::string>& argv);

}  // namespace veneer::sys
