// SPDX-License-Identifier: MIT
//
// Runs a piece of test in a process of its own, with its own mounts and its own
// process ids. When it ends, crashes or outlives its time, the kernel removes
// every mount, daemon and temporary file it made: a hung file system server
// cannot hang the test, and a failed run cannot spoil the next one.

#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>

namespace veneer::testing::differential {

/// Memory that the runner writes and the parent reads, even after a crash.
struct Progress {
  std::atomic<int> line{0};
};

struct SandboxReport {
  bool finished = false;  ///< the body returned
  std::string text;       ///< what it returned, or how it ended
  int line = 0;           ///< Progress::line at the end
};

/// Calls `body(base, progress)` in the sandbox. `base` is an empty directory on
/// a tmpfs of its own. Requires root.
SandboxReport run_in_sandbox(
    std::chrono::seconds limit,
    const std::function<std::string(const std::string& base, Progress&)>& body);

/// Empty if this process may make sandboxes, else what it lacks.
std::string missing_for_sandbox();

}  // namespace veneer::testing::differential
