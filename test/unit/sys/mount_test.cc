// SPDX-License-Identifier: MIT
//
// What mountinfo says. Mounting itself is for the tests that may do it; a
// detached copy of a mount is seen by nobody.

#include "sys/mount.h"

#include <sys/sysmacros.h>

#include "sys/file.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

TEST(MountInfo, LineIsTakenApart) {
  const auto entries = parse_mountinfo(
      "36 35 98:7 /mnt1 /mnt2 rw,noatime master:1 shared:9 - fuse.veneer "
      "/dev/root rw,errors=continue\n");

  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].mount_id, 36);
  EXPECT_EQ(entries[0].parent_id, 35);
  EXPECT_EQ(entries[0].dev, makedev(98, 7));
  EXPECT_EQ(entries[0].root, "/mnt1");
  EXPECT_EQ(entries[0].mount_point, "/mnt2");
  EXPECT_EQ(entries[0].options, "rw,noatime");
  EXPECT_EQ(entries[0].fs_type, "fuse.veneer");
  EXPECT_EQ(entries[0].source, "/dev/root");
  EXPECT_EQ(entries[0].super_options, "rw,errors=continue");
}

TEST(MountInfo, EscapesAreDecoded) {
  const auto entries = parse_mountinfo(
      "1 2 0:3 / /a\\040b\\011c\\012d\\134e rw - tmpfs no\\043ne rw\n");

  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].mount_point, "/a b\tc\nd\\e");
  EXPECT_EQ(entries[0].source, "no#ne");
}

TEST(MountInfo, WhatIsNoEscapeStays) {
  const auto entries =
      parse_mountinfo("1 2 0:3 / /a\\9b\\04 rw - tmpfs x\\777 rw\n");

  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].mount_point, "/a\\9b\\04");
  EXPECT_EQ(entries[0].source, "x\\777");
}

TEST(MountInfo, EmptySourceIsKept) {
  const auto entries = parse_mountinfo("1 2 0:3 / /a rw - tmpfs  rw\n");

  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].source, "");
  EXPECT_EQ(entries[0].super_options, "rw");
}

TEST(MountInfo, NonsenseIsLeftOut) {
  const auto entries = parse_mountinfo(
      "\nnonsense\n1 2\n1 2 0:3 / /never rw shared:1\n"
      "1 2 0:3 / /good rw - tmpfs tmpfs rw");

  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].mount_point, "/good");
}

TEST(Mount, ProcIsFoundWhereItIs) {
  const auto proc = find_mount("/proc/");

  ASSERT_TRUE(proc);
  ASSERT_TRUE(proc->has_value());
  EXPECT_EQ((*proc)->fs_type, "proc");
  EXPECT_EQ((*proc)->dev, stat_at(AT_FDCWD, "/proc/self")->dev);
}

TEST(Mount, PlainDirectoryIsNoMount) {
  const auto none = find_mount("/proc/self");

  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
}

class CloneTreeTest : public TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    make_dir("tree");
    write("tree/file", "content");
  }
};

TEST_F(CloneTreeTest, ShowsTheTreeAndRefusesChanges) {
  const auto tree = clone_tree(path("tree"));

  if (code_of(tree) == EPERM) GTEST_SKIP() << "needs CAP_SYS_ADMIN";
  ASSERT_TRUE(tree);
  EXPECT_TRUE(open_at(tree->get(), "file", O_RDONLY));
  EXPECT_EQ(code_of(open_at(tree->get(), "file", O_RDWR)), EROFS);
  write("tree/file", "the original is as writable as before");
}

TEST_F(CloneTreeTest, FailureNamesThePath) {
  const auto tree = clone_tree(path("absent"));

  ASSERT_FALSE(tree);
  if (code_of(tree) == EPERM) GTEST_SKIP() << "needs CAP_SYS_ADMIN";
  EXPECT_EQ(tree.error().message(),
            "open_tree " + path("absent") + ": No such file or directory");
}

TEST_F(CloneTreeTest, UnmountingAPlainDirectoryFails) {
  const auto gone = umount_at(path("tree"), 0);

  ASSERT_FALSE(gone);
  EXPECT_TRUE(code_of(gone) == EINVAL || code_of(gone) == EPERM);
  EXPECT_EQ(gone.error().subject(), path("tree"));
}

}  // namespace
}  // namespace veneer::sys
