// SPDX-License-Identifier: MIT

#include "sys/call.h"

#include <charconv>
#include <cstring>

namespace veneer::sys {

ProcFdPath::ProcFdPath(int fd) {
  constexpr char kDir[] = "/proc/self/fd/";
  std::memcpy(path_, kDir, sizeof(kDir) - 1);
  char* const end = path_ + sizeof(path_) - 1;
  *std::to_chars(path_ + sizeof(kDir) - 1, end, fd).ptr = '\0';
}

}  // namespace veneer::sys
