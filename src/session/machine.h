// SPDX-License-Identifier: MIT
//
// What this machine and its kernel offer to an overlay, found out by trying
// where trying is harmless.
//
// Each finding says what was looked at, how it stands, and, where something is
// missing, what to do about it. examine_machine() makes one scratch directory
// in the directory it is given and removes it again.

#pragma once

#include <string>
#include <vector>

#include "veneer/result.h"

namespace veneer::session {

enum class Standing {
  kGood,     ///< there
  kLimited,  ///< missing, and Veneer manages without
  kMissing,  ///< missing, and some mounts will fail
};

struct Finding {
  std::string key;      ///< for scripts: "fuse_device"
  std::string subject;  ///< "FUSE device"
  Standing standing = Standing::kGood;
  std::string detail;  ///< "/dev/fuse can be opened"
  std::string remedy;  ///< empty if nothing is to be done
};

/// `dir`: whose file system is to be tried as an upper's.
std::vector<Finding> examine_machine(const std::string& dir);

/// Fails  ENOENT, EACCES  with a sentence: /dev/fuse cannot be opened
Result<void> check_fuse_is_there();

/// Whether the kernel lets FUSE servers use io_uring.
bool is_fuse_io_uring_enabled();

/// Whether /etc/fuse.conf lets everybody use allow_other.
bool is_allow_other_allowed();

struct Fusermount {
  std::string path;  ///< empty: not found
  bool is_setuid_root = false;
};
Fusermount find_fusermount();

}  // namespace veneer::session
