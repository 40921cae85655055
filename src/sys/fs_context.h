// SPDX-License-Identifier: MIT
//
// Making a mount in steps: a context of a file system, its parameters one by
// one, then a mount that is attached nowhere yet.
//
// The kernel says in words what it did not like, and the words are put into the
// error: "regular lower layers cannot follow data layers".
//
// Fails  ENOSYS  before Linux 5.2
//        EPERM   without CAP_SYS_ADMIN in the mount's user namespace
//
// Threads: thread-compatible.

#pragma once

#include <string>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::sys {

class FsContext {
 public:
  /// Fails  ENODEV  the kernel has no file system of that name
  static Result<FsContext> open(const char* fs_type);

  Result<void> set_flag(const char* key);
  Result<void> set_string(const char* key, const std::string& value);
  /// Fails  EINVAL  the file system takes no descriptors for `key`
  Result<void> set_fd(const char* key, int fd);

  /// With these parameters and no others from now on.
  Result<void> create();
  /// The mount lives until its descriptor, an O_PATH one, is closed, unless it
  /// is attached before.
  Result<UniqueFd> mount(bool read_only);

 private:
  FsContext(UniqueFd fd, const char* fs_type)
      : fd_(std::move(fd)), fs_type_(fs_type) {}
  Error failure(const std::string& step) const;
  Result<void> configure(unsigned command, const char* key, const void* value,
                         int aux);

  UniqueFd fd_;
  std::string fs_type_;
};

/// Attaches a mount that is attached nowhere to what `target` is an O_PATH
/// descriptor of.
Result<void> attach_mount(int mount, int target);

/// mount(2), the way before Linux 5.2. `options` are for the file system.
Result<void> mount_at(const std::string& source, const std::string& target,
                      const char* fs_type, bool read_only,
                      const std::string& options);

}  // namespace veneer::sys
