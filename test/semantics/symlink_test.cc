// SPDX-License-Identifier: MIT
//
// Symbolic links are entries of their own: changed without touching what they
// point at, and never followed by the overlay itself.

#include <fcntl.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class SymlinkTest : public OverlayTest {};

// Row 46
TEST_P(SymlinkTest, OwnerAndTimesOfALowerLinkChangeWithoutTheTarget) {
  mount({.lower = {{{"s", Symlink("f")}, {"f", File("x").mtime(5)}}},
         .upper = {}});

  EXPECT_THAT(lchown("s", 3, 4), Succeeds());
  EXPECT_THAT(lutimes("s", {7, 8}, {9, 10}), Succeeds());

  EXPECT_THAT(merged(),
              TreeIs(Tree{{"s", Symlink("f").owner(3, 4).mtime(9, 10)},
                          {"f", File("x").owner(0, 0).mtime(5)}}));
  EXPECT_THAT(upper(),
              TreeIs(Tree{{"s", Symlink("f").owner(3, 4).mtime(9, 10)}}));
}

// Row 46
TEST_P(SymlinkTest, DanglingLowerLinkIsCopiedUp) {
  mount({.lower = {{{"s", Symlink("../no/such/thing").mtime(5, 6)}}},
         .upper = {}});

  EXPECT_THAT(lchown("s", 3, 4), Succeeds());

  EXPECT_THAT(
      merged(),
      TreeIs(Tree{{"s", Symlink("../no/such/thing").owner(3, 4).mtime(5, 6)}}));
}

// Row 46
TEST_P(SymlinkTest, TargetOutsideTheMountIsNeverTouched) {
  mount({.lower = {{}}, .upper = {}});
  const std::string outside = make_dir("outside");
  build_tree({{"secret", File("s").mode(0600).owner(1, 1)}}, outside);
  const Tree before = read_tree(outside);
  ASSERT_THAT(symlink(outside + "/secret", "new"), Succeeds());
  ASSERT_THAT(symlink(outside, "dir"), Succeeds());

  EXPECT_THAT(lchown("new", 3, 4), Succeeds());
  EXPECT_THAT(lutimes("new", {1, 0}, {1, 0}), Succeeds());
  EXPECT_THAT(rename("new", "renamed"), Succeeds());
  EXPECT_THAT(lchown("dir", 3, 4), Succeeds());
  EXPECT_THAT(unlink("renamed"), Succeeds());
  EXPECT_THAT(unlink("dir"), Succeeds());

  EXPECT_EQ(differences(before, read_tree(outside)), "");
}

// Row 46
TEST_P(SymlinkTest, LowerLinkToAnAbsolutePathIsNotFollowedByCopyUp) {
  const std::string target = "/proc/sys/kernel/hostname";
  mount({.lower = {{{"s", Symlink(target)}, {"d", Dir()}}}, .upper = {}});

  EXPECT_THAT(lchown("s", 3, 4), Succeeds());
  EXPECT_THAT(rename("s", "d/s"), Succeeds());

  EXPECT_THAT(merged(),
              TreeIs(Tree{{"d", Dir()}, {"d/s", Symlink(target).owner(3, 4)}}));
}

TEST_P(SymlinkTest, IsMadeWithItsTargetUnread) {
  mount({.lower = {{}}, .upper = {}});
  const std::string longest(4095, 't');

  EXPECT_THAT(symlink("a//b/../c", "s"), Succeeds());
  EXPECT_THAT(symlink(longest, "long"), Succeeds());

  EXPECT_EQ(readlink("s"), "a//b/../c");
  EXPECT_EQ(lstat("s").st_size, 9);
  EXPECT_TRUE(readlink("long") == longest);
  EXPECT_THAT(symlink("", "empty"), FailsWith(ENOENT));
}

TEST_P(SymlinkTest, WriteThroughALinkCopiesUpTheTargetOnly) {
  mount({.lower = {{{"s", Symlink("d/f")}, {"d", Dir()}, {"d/f", File("x")}}},
         .upper = {}});

  EXPECT_THAT(append("s", "y"), Succeeds());

  EXPECT_EQ(read_file("d/f"), "xy");
  EXPECT_THAT(upper(), TreeIs(Tree{{"d", Dir()}, {"d/f", File("xy")}}));
}

TEST_P(SymlinkTest, DirectoryLinkIsWalkedInTheMergedTree) {
  mount({.lower = {{{"to", Symlink("d")}, {"d", Dir()}, {"d/low", File("1")}}},
         .upper = {{"d", Dir()}, {"d/up", File("2")}}});

  EXPECT_EQ(read_file("to/low"), "1");
  EXPECT_EQ(read_file("to/up"), "2");
  EXPECT_THAT(write_file("to/new", "3"), Succeeds());
  EXPECT_EQ(read_file("d/new"), "3");
}

TEST_P(SymlinkTest, ReplacedLinkShowsTheNewTargetAtOnce) {
  mount({.lower = {{{"s", Symlink("one")}}}, .upper = {}});
  EXPECT_EQ(readlink("s"), "one");
  ASSERT_THAT(symlink("two", "tmp"), Succeeds());

  EXPECT_THAT(rename("tmp", "s"), Succeeds());

  EXPECT_EQ(readlink("s"), "two");
}

VENEER_ON_EVERY_TARGET(SymlinkTest);

}  // namespace
}  // namespace veneer::testing
