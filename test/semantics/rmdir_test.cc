// SPDX-License-Identifier: MIT
//
// rmdir(2): a directory is empty when nothing shows in the merged tree, however
// many whiteouts its upper part holds.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class RmdirTest : public OverlayTest {};

TEST_P(RmdirTest, EmptyLowerDirectoryLeavesAWhiteout) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}});

  EXPECT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{}));
  EXPECT_THAT(upper(), TreeIs(Tree{{"d", Whiteout()}}));
}

TEST_P(RmdirTest, DirectoryOnlyInUpperLeavesNothing) {
  mount({.lower = {{}}, .upper = {{"d", Dir()}}});

  EXPECT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

TEST_P(RmdirTest, NonEmptyLowerDirectoryFails) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("x")}}}, .upper = {}});

  EXPECT_THAT(rmdir("d"), FailsWith(ENOTEMPTY));

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}, {"d/f", File("x")}}));
}

// Row 11
TEST_P(RmdirTest, DirectoryHoldingOnlyWhiteoutsIsRemoved) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}, {"d/b", File("2")}}},
         .upper = {}});

  EXPECT_THAT(unlink("d/a"), Succeeds());
  EXPECT_THAT(rmdir("d"), FailsWith(ENOTEMPTY));
  EXPECT_THAT(unlink("d/b"), Succeeds());
  EXPECT_THAT(rmdir("d"), Succeeds());

  EXPECT_FALSE(exists("d"));
  EXPECT_THAT(upper(), TreeIs(Tree{{"d", Whiteout()}}));
}

TEST_P(RmdirTest, WhiteoutsWrittenByAnEarlierMountCount) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}}},
         .upper = {{"d", Dir()}, {"d/a", Whiteout()}}});

  EXPECT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{{"d", Whiteout()}}));
}

// Row 23
TEST_P(RmdirTest, DirectoryMadeAgainIsEmpty) {
  mount({.lower = {{{"d", Dir()}, {"d/old", File("x")}, {"d/sub", Dir()}}},
         .upper = {}});
  ASSERT_THAT(unlink("d/old"), Succeeds());
  ASSERT_THAT(rmdir("d/sub"), Succeeds());
  ASSERT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(mkdir("d"), Succeeds());

  EXPECT_THAT(list("d"), ::testing::IsEmpty());
  EXPECT_THAT(lstat_status("d/old"), FailsWith(ENOENT));
  EXPECT_THAT(lstat_status("d/sub"), FailsWith(ENOENT));
  EXPECT_THAT(try_open("d/old", 0), FailsWith(ENOENT));
  remount();
  EXPECT_THAT(list("d"), ::testing::IsEmpty());
  EXPECT_THAT(lstat_status("d/old"), FailsWith(ENOENT));
  EXPECT_THAT(rmdir("d"), Succeeds());
  EXPECT_THAT(upper(), TreeIs(Tree{{"d", Whiteout()}}));
}

TEST_P(RmdirTest, FileIsNoDirectory) {
  mount({.lower = {{{"f", File("x")}, {"s", Symlink(".")}}}, .upper = {}});

  EXPECT_THAT(rmdir("f"), FailsWith(ENOTDIR));
  EXPECT_THAT(rmdir("s"), FailsWith(ENOTDIR));
  EXPECT_THAT(rmdir("none"), FailsWith(ENOENT));
}

TEST_P(RmdirTest, DirectoryOfTwoLowersIsRemovedWhenBothAreEmptied) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}},
                   {{"d", Dir()}, {"d/b", File("2")}}},
         .upper = {}});

  EXPECT_THAT(unlink("d/a"), Succeeds());
  EXPECT_THAT(rmdir("d"), FailsWith(ENOTEMPTY));
  EXPECT_THAT(unlink("d/b"), Succeeds());
  EXPECT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{}));
}

// Row 40
TEST_P(RmdirTest, NothingCanBeMadeInARemovedDirectory) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}});
  const Fd dir = open("d", O_DIRECTORY);

  EXPECT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(::mkdirat(dir.get(), "x", 0755), FailsWith(ENOENT));
  EXPECT_THAT(::openat(dir.get(), "f", O_CREAT | O_WRONLY, 0644),
              FailsWith(ENOENT));
  EXPECT_THAT(merged(), TreeIs(Tree{}));
}

// The whiteouts in it have to be removed, from a directory that is shut.
TEST_P(RmdirTest, RemovedDirectoryKeepsItsModeForItsDescriptor) {
  mount(
      {.lower = {{{"d", Dir().mode(0755)}, {"d/f", File("x")}}}, .upper = {}});
  ASSERT_THAT(chmod("d", 0444), Succeeds());
  ASSERT_THAT(unlink("d/f"), Succeeds());
  const Fd dir = open("d", O_DIRECTORY);

  EXPECT_THAT(rmdir("d"), Succeeds());

  EXPECT_EQ(fstat_of(dir).st_mode & 07777U, 0444U);
}

VENEER_ON_EVERY_TARGET(RmdirTest);

}  // namespace
}  // namespace veneer::testing
