// SPDX-License-Identifier: MIT
//
// The process itself: its limits, and becoming a daemon that says when it is
// ready.
//
//   TRY_ASSIGN(sys::Forked forked, sys::fork_daemon());
//   if (forked.is_parent()) return forked.wait_ready();
//   ... mount ...
//   TRY(forked.report_ready());  // or report_failure(error)
//   TRY(sys::redirect_to_null());
//
// The parent waits until the daemon has spoken or died, and its answer is the
// daemon's: whoever ran the command finds the mount there, or the reason why
// not.

#pragma once

#include <sys/types.h>

#include <cstdint>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::sys {

/// Raises the number of descriptors this process may have as far as it goes;
/// returns the limit now in force.
Result<std::uint64_t> raise_open_files_limit();

/// Makes room for descriptors up to `count`, or the limit. The kernel's table
/// doubles as it fills, and in a process with threads each time takes an RCU
/// grace period, some 10 ms in which whoever opened a file stands still: so
/// this is for before there are any.
void reserve_descriptors(std::uint64_t count);

/// The two sides of a fork.
class Forked {
 public:
  bool is_parent() const noexcept { return child_ > 0; }
  /// In the parent: the daemon's process id.
  pid_t child() const noexcept { return child_; }

  /// In the parent: waits for the daemon's word.
  /// Fails  with what report_failure() said, or that it died without a word:
  ///        a whole sentence, so code() is 0
  Result<void> wait_ready();

  /// In the daemon, once: lets the parent go.
  Result<void> report_ready();
  void report_failure(const Error& error);

 private:
  friend Result<Forked> fork_daemon();
  Forked(pid_t child, UniqueFd pipe) : child_(child), pipe_(std::move(pipe)) {}

  pid_t child_;
  UniqueFd pipe_;
};

/// Forks; the child leads a session of its own, without a terminal.
/// Requires that no other thread exists yet.
Result<Forked> fork_daemon();

/// Standard input and output, and unless `keep_stderr` standard error, become
/// /dev/null. Until then a daemon keeps its starter's pipes open.
Result<void> redirect_to_null(bool keep_stderr = false);

}  // namespace veneer::sys
