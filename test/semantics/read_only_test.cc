// SPDX-License-Identifier: MIT
//
// A mount without an upper: everything can be read and nothing changed.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class ReadOnlyTest : public OverlayTest {
 protected:
  void mount_two_lowers() {
    mount({.lower = {{{"a", File("1")}, {"gone", Whiteout()}, {"d", Dir()}},
                     {{"b", File("2")},
                      {"gone", File("3")},
                      {"d", Dir()},
                      {"d/f", File("4")},
                      {"s", Symlink("a")}}},
           .read_only = true});
  }
};

TEST_P(ReadOnlyTest, MergedTreeIsRead) {
  mount_two_lowers();

  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("1")},
                                    {"b", File("2")},
                                    {"d", Dir()},
                                    {"d/f", File("4")},
                                    {"s", Symlink("a")}}));
}

TEST_P(ReadOnlyTest, EveryChangeFails) {
  mount_two_lowers();

  EXPECT_THAT(try_open("a", O_WRONLY), FailsWith(EROFS));
  EXPECT_THAT(try_open("a", O_RDWR), FailsWith(EROFS));
  EXPECT_THAT(try_open("new", O_CREAT | O_WRONLY), FailsWith(EROFS));
  EXPECT_THAT(truncate("a", 0), FailsWith(EROFS));
  EXPECT_THAT(unlink("a"), FailsWith(EROFS));
  EXPECT_THAT(rmdir("d"), FailsWith(EROFS));
  EXPECT_THAT(mkdir("n"), FailsWith(EROFS));
  EXPECT_THAT(mknod("n", S_IFIFO | 0600), FailsWith(EROFS));
  EXPECT_THAT(symlink("x", "n"), FailsWith(EROFS));
  EXPECT_THAT(link("a", "n"), FailsWith(EROFS));
  EXPECT_THAT(rename("a", "n"), FailsWith(EROFS));
  EXPECT_THAT(rename("a", "b", RENAME_EXCHANGE), FailsWith(EROFS));
  EXPECT_THAT(chmod("a", 0600), FailsWith(EROFS));
  EXPECT_THAT(lchown("s", 1, 1), FailsWith(EROFS));
  EXPECT_THAT(lutimes("a", {1, 0}, {1, 0}), FailsWith(EROFS));
  EXPECT_THAT(setxattr("a", "user.a", "1"), FailsWith(EROFS));
  EXPECT_THAT(removexattr("a", "user.a"), FailsWith(EROFS));
}

TEST_P(ReadOnlyTest, DescriptorOfAFileRefusesChangesToo) {
  mount_two_lowers();
  const Fd fd = open("a");

  EXPECT_THAT(::fchmod(fd.get(), 0600), FailsWith(EROFS));
  EXPECT_THAT(::fchown(fd.get(), 1, 1), FailsWith(EROFS));
  EXPECT_THAT(::write(fd.get(), "x", 1), FailsWith(EBADF));
}

TEST_P(ReadOnlyTest, ExistingNamesAreStillCheckedFirst) {
  mount_two_lowers();

  EXPECT_THAT(mkdir("d"), FailsWith(EEXIST));
  EXPECT_THAT(try_open("none", O_WRONLY), FailsWith(ENOENT));
}

VENEER_ON_EVERY_TARGET(ReadOnlyTest);

}  // namespace
}  // namespace veneer::testing
