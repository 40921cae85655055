// SPDX-License-Identifier: MIT

#include "session/process_id.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace veneer::session {

std::optional<ProcessId> find_process(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (pid <= 0 || !std::getline(file, line)) return std::nullopt;
  // The name in parentheses may hold anything; the fields after it are numbers.
  // The start time is field 22, and the state, field 3, comes next here.
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  ProcessId result{pid, 0};
  if (!(fields >> result.start_time)) return std::nullopt;
  return result;
}

ProcessId current_process() {
  const pid_t self = getpid();
  return find_process(self).value_or(ProcessId{self, 0});
}

}  // namespace veneer::session
