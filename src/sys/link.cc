// SPDX-License-Identifier: MIT
//
// One system call each; the fault point comes first, then the call.

#include "sys/link.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/call.h"
#include "sys/fault.h"

namespace veneer::sys {

Result<void> make_dir_at(int dir, const char* name, mode_t mode) {
  TRY(fault::before_mutation("mkdirat"));
  return check(::mkdirat(dir, name, mode), "mkdirat");
}

Result<void> make_node_at(int dir, const char* name, mode_t mode,
                          std::uint64_t rdev) {
  TRY(fault::before_mutation("mknodat"));
  return check(::mknodat(dir, name, mode, rdev), "mknodat");
}

Result<void> symlink_at(const char* target, int dir, const char* name) {
  TRY(fault::before_mutation("symlinkat"));
  return check(::symlinkat(target, dir, name), "symlinkat");
}

Result<void> unlink_at(int dir, const char* name) {
  TRY(fault::before_mutation("unlinkat"));
  return check(::unlinkat(dir, name, 0), "unlinkat");
}

Result<void> remove_dir_at(int dir, const char* name) {
  TRY(fault::before_mutation("rmdir"));
  return check(::unlinkat(dir, name, AT_REMOVEDIR), "rmdir");
}

Result<void> link_at(int old_dir, const char* old_name, int new_dir,
                     const char* new_name) {
  TRY(fault::before_mutation("linkat"));
  return check(::linkat(old_dir, old_name, new_dir, new_name, 0), "linkat");
}

Result<void> link_fd(int fd, int new_dir, const char* new_name) {
  TRY(fault::before_mutation("linkat"));
  if (!fault::is_old_kernel() &&
      ::linkat(fd, "", new_dir, new_name, AT_EMPTY_PATH) == 0) {
    return {};
  }
  // ENOENT is what the kernel answers to who may not use an empty path. The way
  // through /proc is open to all, and where the reason was another one, it
  // comes back.
  if (!fault::is_old_kernel() && errno != ENOENT) return last_error("linkat");
  return check(::linkat(AT_FDCWD, ProcFdPath(fd).c_str(), new_dir, new_name,
                        AT_SYMLINK_FOLLOW),
               "linkat");
}

Result<void> rename_at(int old_dir, const char* old_name, int new_dir,
                       const char* new_name, unsigned flags) {
  TRY(fault::before_mutation("renameat2"));
  return check(::renameat2(old_dir, old_name, new_dir, new_name, flags),
               "renameat2");
}

}  // namespace veneer::sys
