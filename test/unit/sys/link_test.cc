// SPDX-License-Identifier: MIT
//
// Names come, move and go.

#include "sys/link.h"

#include <stdio.h>
#include <sys/stat.h>

#include "sys/file.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

using LinkTest = EitherKernelTest;

TEST_P(LinkTest, EachKindIsMade) {
  EXPECT_TRUE(make_dir_at(dir(), "dir", 0700));
  EXPECT_TRUE(make_node_at(dir(), "fifo", S_IFIFO | 0600, 0));
  EXPECT_TRUE(symlink_at("target", dir(), "link"));

  EXPECT_TRUE(S_ISDIR(stat_at(dir(), "dir")->mode));
  EXPECT_TRUE(S_ISFIFO(stat_at(dir(), "fifo")->mode));
  EXPECT_EQ(read_link_at(dir(), "link").value(), "target");
  EXPECT_EQ(code_of(make_dir_at(dir(), "dir", 0700)), EEXIST);
}

TEST_P(LinkTest, EachKindIsRemovedInItsWay) {
  make_dir("dir");
  write("file", "");

  EXPECT_EQ(code_of(unlink_at(dir(), "dir")), EISDIR);
  EXPECT_EQ(code_of(remove_dir_at(dir(), "file")), ENOTDIR);
  EXPECT_TRUE(unlink_at(dir(), "file"));
  EXPECT_TRUE(remove_dir_at(dir(), "dir"));

  EXPECT_FALSE(exists("file"));
  EXPECT_FALSE(exists("dir"));
}

TEST_P(LinkTest, LinkIsTheSameFileAndFollowsNothing) {
  link("absent", "symlink");

  EXPECT_TRUE(link_at(dir(), "symlink", dir(), "second"));

  EXPECT_EQ(read_link_at(dir(), "second").value(), "absent");
  EXPECT_EQ(stat_at(dir(), "second")->nlink, 2U);
}

TEST_P(LinkTest, NamelessFileGetsAName) {
  auto file = open_tmpfile(dir(), O_RDWR, 0600);
  if (code_of(file) == EOPNOTSUPP) GTEST_SKIP() << "no O_TMPFILE here";
  ASSERT_TRUE(file);
  ASSERT_TRUE(pwrite_full(file->get(), "made", 4, 0));

  EXPECT_TRUE(link_fd(file->get(), dir(), "name"));

  EXPECT_EQ(read("name"), "made");
  EXPECT_EQ(code_of(link_fd(file->get(), dir(), "name")), EEXIST);
}

TEST_P(LinkTest, PathDescriptorGetsASecondName) {
  write("file", "");
  link("absent", "symlink");

  EXPECT_TRUE(link_fd(open("file", O_PATH).get(), dir(), "second"));
  EXPECT_TRUE(link_fd(open("symlink", O_PATH).get(), dir(), "third"));

  EXPECT_EQ(stat_at(dir(), "file")->nlink, 2U);
  EXPECT_EQ(read_link_at(dir(), "third").value(), "absent");
}

TEST_P(LinkTest, RemovedFileCannotBeLinkedAgain) {
  write("file", "");
  const UniqueFd fd = open("file", O_PATH);
  ASSERT_TRUE(unlink_at(dir(), "file"));

  EXPECT_EQ(code_of(link_fd(fd.get(), dir(), "again")), ENOENT);
}

TEST_P(LinkTest, RenameObeysItsFlags) {
  write("a", "A");
  write("b", "B");

  EXPECT_EQ(code_of(rename_at(dir(), "a", dir(), "b", RENAME_NOREPLACE)),
            EEXIST);
  EXPECT_TRUE(rename_at(dir(), "a", dir(), "b", RENAME_EXCHANGE));
  EXPECT_EQ(read("a"), "B");
  EXPECT_TRUE(rename_at(dir(), "a", dir(), "b"));
  EXPECT_EQ(read("b"), "B");
  EXPECT_FALSE(exists("a"));
}

VENEER_ON_EITHER_KERNEL(LinkTest);

}  // namespace
}  // namespace veneer::sys
