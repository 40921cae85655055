// SPDX-License-Identifier: MIT
//
// A whole tree as data: every name with what can be learnt about it. Two trees
// that give equal snapshots are the same tree to any program.
//
// Reading must not change what is read: layers are looked at through a mount
// with noatime.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "test/differential/executor.h"

namespace veneer::testing::differential {

/// The problem of an entry that is listed but cannot be found.
inline constexpr const char* kNotThere = "stat: No such file or directory";

struct Entry {
  std::string path;
  StatView stat;
  std::string problem;  ///< "open: Input/output error" and the like
  std::string link;
  std::uint64_t content = 0;
  std::map<std::string, std::string> xattrs;
  std::uint32_t subdirs = 0;
  std::uint32_t twice = 0;  ///< names that the listing of this dir repeated
  bool type_agrees = true;  ///< d_type tells what stat tells
  bool ino_agrees = true;   ///< d_ino is st_ino
};

/// By path, the root first under "".
using Snapshot = std::vector<Entry>;

/// Looks at everything under `root_fd`. A part that cannot be read becomes a
/// `problem` of its entry.
Snapshot snapshot_of(int root_fd, int host_fd);

/// A layer, byte for byte: all three time stamps and raw attributes.
std::map<std::string, std::string> raw_state_of(int root_fd, int host_fd);

}  // namespace veneer::testing::differential
