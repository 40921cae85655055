// SPDX-License-Identifier: MIT
//
// Runs one line of a script on one tree, and says what a program would see.
//
// The thread is inside the tree while a call runs (chroot), so that absolute
// and climbing symlinks stay within it and mean the same in every tree. Calls
// may run under another file system uid; the pool of descriptors outlives
// renames and removals, which is half of what is tested.
//
// Not for use from more than one thread: root, working directory, umask and
// credentials belong to the process.

#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "test/differential/op.h"

namespace veneer::testing::differential {

/// What statx told, without what no two file systems agree on.
struct StatView {
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t nlink = 0;
  std::uint64_t size = 0;
  std::uint64_t ino = 0;
  std::uint64_t rdev = 0;
  std::uint64_t dev = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtime_ns = 0;
  std::int64_t atime = 0;
  std::uint32_t atime_ns = 0;

  bool is_dir() const { return (mode & 0170000) == 0040000; }
  bool is_regular() const { return (mode & 0170000) == 0100000; }
  bool is_device() const {
    return (mode & 0170000) == 0020000 || (mode & 0170000) == 0060000;
  }
};

/// statx of `path` relative to `dirfd`; the empty path means `dirfd` itself.
/// None leaves errno.
std::optional<StatView> view_of(int dirfd, const char* path, bool follow);

/// The result of one call: 0 or a count, else -1 and the errno.
struct Outcome {
  std::int64_t result = 0;
  int error = 0;
  std::string detail = {};            ///< what was read, comparable
  std::optional<StatView> stat = {};  ///< for calls that look at attributes
  bool times_matter = false;          ///< both time stamps were set explicitly
  std::string note = {};  ///< facts for the table of exceptions; not compared
};

class Executor {
 public:
  /// `root_fd` is borrowed: the root of the tree. `host_fd`: the way back out.
  Executor(int root_fd, int host_fd);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  Outcome run(const Op& op);

  /// True if the slot holds something without a name that is no regular file.
  bool holds_removed_special(int slot) const;

  /// Gives what `op` names, by descriptor or path, the modification time of
  /// `as_in`.
  void set_mtime(const Op& op, const StatView& as_in);

  /// The slots that hold what this one holds, itself among them.
  std::vector<int> slots_of_same(int slot) const;

  void close_slot(int slot);
  void close_all();

 private:
  Outcome dispatch(const Op& op);
  int slot(int index) const;
  int dir_of(int at) const;
  void keep(int index, int fd);

  Outcome mkfile(const Op& op);
  Outcome open(const Op& op);
  Outcome read(const Op& op);
  Outcome write(const Op& op);
  Outcome truncate(const Op& op);
  Outcome fallocate(const Op& op);
  Outcome seek(const Op& op);
  Outcome copy_range(const Op& op);
  Outcome mmap_write(const Op& op);
  Outcome mmap_read(const Op& op);

  Outcome rename(const Op& op);
  Outcome link(const Op& op);
  Outcome symlink(const Op& op);
  Outcome readlink(const Op& op);
  Outcome readdir(const Op& op);

  Outcome chmod(const Op& op);
  Outcome chown(const Op& op);
  Outcome utimens(const Op& op);
  Outcome stat(const Op& op);
  Outcome statfs(const Op& op);
  Outcome setflags(const Op& op);
  Outcome xattr(const Op& op);

  int root_fd_;
  int host_fd_;
  std::array<int, kSlots> slots_;
};

/// An Outcome from the return value of a call that sets errno.
Outcome outcome(std::int64_t result);

}  // namespace veneer::testing::differential
