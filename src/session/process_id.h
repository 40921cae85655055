// SPDX-License-Identifier: MIT
//
// Which process: a number that is used again, and a start time that is not.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace veneer::session {

struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< in clock ticks since boot

  bool operator==(const ProcessId&) const = default;
};

/// This process.
ProcessId current_process();

/// The process that has number `pid` now, as far as this one can see.
std::optional<ProcessId> find_process(pid_t pid);

}  // namespace veneer::session
