// SPDX-License-Identifier: MIT
//
// Faults hit the change they were meant for, and every wrapper that changes a
// disk can be hit.

#include "sys/fault.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <functional>
#include <vector>

#include "sys/copy_data.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/xattr.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

using FaultTest = TempDirTest;

TEST_F(FaultTest, CountingChangesNothing) {
  fault::arm_count();

  EXPECT_TRUE(make_dir_at(dir(), "a", 0700));
  EXPECT_TRUE(remove_dir_at(dir(), "a"));
  EXPECT_TRUE(stat_at(dir(), "."));

  EXPECT_EQ(fault::count(), 2U);
}

TEST_F(FaultTest, OnlyTheNthChangeFails) {
  fault::arm_error(2, ENOSPC);

  EXPECT_TRUE(make_dir_at(dir(), "a", 0700));
  const auto second = make_dir_at(dir(), "b", 0700);
  EXPECT_TRUE(make_dir_at(dir(), "c", 0700));

  EXPECT_EQ(code_of(second), ENOSPC);
  EXPECT_EQ(second.error().operation(), "mkdirat");
  EXPECT_FALSE(exists("b"));
}

TEST_F(FaultTest, DiskMayStayFull) {
  fault::arm_error(2, ENOSPC, fault::kForever);

  EXPECT_TRUE(make_dir_at(dir(), "a", 0700));
  EXPECT_FALSE(make_dir_at(dir(), "b", 0700));
  EXPECT_FALSE(make_dir_at(dir(), "c", 0700));

  fault::disarm();
  EXPECT_TRUE(make_dir_at(dir(), "c", 0700));
}

TEST_F(FaultTest, CrashComesBeforeTheNthChange) {
  const pid_t child = ::fork();
  if (child == 0) {
    fault::arm_crash(2);
    ignore_error(make_dir_at(dir(), "first", 0700));
    ignore_error(make_dir_at(dir(), "second", 0700));
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);

  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_TRUE(exists("first"));
  EXPECT_FALSE(exists("second"));
}

TEST_F(FaultTest, EveryWayToChangeADiskIsHit) {
  write("file", "content");
  write("source", "content");
  make_dir("sub");
  const UniqueFd file = open("file", O_RDWR);
  const UniqueFd source = open("source", O_RDONLY);
  const int fd = file.get();
  const timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  const std::vector<std::function<int()>> changes = {
      [&] { return code_of(make_dir_at(dir(), "x", 0700)); },
      [&] { return code_of(make_node_at(dir(), "x", S_IFREG, 0)); },
      [&] { return code_of(symlink_at("t", dir(), "x")); },
      [&] { return code_of(unlink_at(dir(), "file")); },
      [&] { return code_of(remove_dir_at(dir(), "sub")); },
      [&] { return code_of(link_at(dir(), "file", dir(), "x")); },
      [&] { return code_of(link_fd(fd, dir(), "x")); },
      [&] { return code_of(rename_at(dir(), "file", dir(), "x")); },
      [&] { return code_of(set_xattr_at(dir(), "file", "user.a", "")); },
      [&] { return code_of(set_xattr_fd(fd, "user.a", "")); },
      [&] { return code_of(remove_xattr_at(dir(), "file", "user.a")); },
      [&] { return code_of(remove_xattr_fd(fd, "user.a")); },
      [&] { return code_of(chmod_fd(fd, 0600)); },
      [&] { return code_of(chown_at(dir(), "file", 0, 0)); },
      [&] { return code_of(chown_fd(fd, 0, 0)); },
      [&] { return code_of(utimens_fd(fd, now)); },
      [&] { return code_of(truncate_fd(fd, 0)); },
      [&] { return code_of(pwrite_full(fd, "x", 1, 0)); },
      [&] { return code_of(pwrite_some(fd, "x", 1, 0)); },
      [&] { return code_of(fallocate_fd(fd, 0, 0, 4096)); },
      [&] { return code_of(fsync_fd(fd)); },
      [&] { return code_of(fdatasync_fd(fd)); },
      [&] { return code_of(sync_fs(fd)); },
      [&] { return code_of(set_flags(fd, 0)); },
      [&] { return code_of(copy_range(source.get(), fd, 7)); },
      [&] { return code_of(open_at(dir(), "x", O_CREAT | O_RDWR, 0600)); },
      [&] { return code_of(open_at(dir(), "file", O_TRUNC | O_RDWR)); },
      [&] { return code_of(open_beneath(dir(), "x", O_CREAT | O_RDWR)); },
      [&] { return code_of(open_tmpfile(dir(), O_RDWR, 0600)); },
      [&] { return code_of(reopen(fd, O_TRUNC | O_RDWR)); },
  };

  for (std::size_t i = 0; i < changes.size(); ++i) {
    fault::arm_error(1, EDQUOT);
    EXPECT_EQ(changes[i](), EDQUOT) << "number " << i;
  }

  EXPECT_EQ(read("file"), "content");
  EXPECT_FALSE(exists("x"));
  EXPECT_TRUE(exists("sub"));
}

TEST_F(FaultTest, LookingIsNoChange) {
  write("file", "content");
  fault::arm_error(1, EDQUOT, fault::kForever);

  EXPECT_TRUE(open_at(dir(), "file", O_RDWR));
  EXPECT_TRUE(open_at(dir(), ".", O_RDONLY | O_DIRECTORY));
  EXPECT_TRUE(reopen(dir(), O_RDONLY | O_DIRECTORY));

  EXPECT_EQ(fault::count(), 0U);
}

}  // namespace
}  // namespace veneer::sys
