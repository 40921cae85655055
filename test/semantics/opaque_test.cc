// SPDX-License-Identifier: MIT
//
// Opaque directories: what a layer below has at their path does not show.

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class OpaqueTest : public OverlayTest {};

TEST_P(OpaqueTest, OpaqueUpperDirectoryHidesTheLowerOnes) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}}},
         .upper = {{"d", Dir().opaque()}, {"d/b", File("2")}}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}, {"d/b", File("2")}}));
  EXPECT_THAT(lstat_status("d/a"), FailsWith(ENOENT));
}

TEST_P(OpaqueTest, OpaqueLowerDirectoryHidesThoseBelowIt) {
  mount({.lower = {{{"d", Dir().opaque()}, {"d/mid", File("1")}},
                   {{"d", Dir()}, {"d/low", File("2")}}},
         .upper = {{"d", Dir()}, {"d/up", File("3")}}});

  EXPECT_THAT(
      merged(),
      TreeIs(Tree{{"d", Dir()}, {"d/mid", File("1")}, {"d/up", File("3")}}));
}

// Row 23
TEST_P(OpaqueTest, DirectoryMadeWhereALowerOneWasIsOpaque) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}}}, .upper = {}});
  ASSERT_THAT(unlink("d/a"), Succeeds());
  ASSERT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(mkdir("d"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{{"d", Dir().opaque()}}));
}

TEST_P(OpaqueTest, DirectoryMadeWhereNothingWasShowsNothingFromBelow) {
  mount({.lower = {{{"p", Dir()}}}, .upper = {}});

  EXPECT_THAT(mkdir("p/d"), Succeeds());
  EXPECT_THAT(write_file("p/d/f", "x"), Succeeds());
  remount();

  EXPECT_THAT(merged(),
              TreeIs(Tree{{"p", Dir()}, {"p/d", Dir()}, {"p/d/f", File("x")}}));
}

TEST_P(OpaqueTest, FileHidesALowerDirectory) {
  mount({.lower = {{{"d", File("file")}}, {{"d", Dir()}, {"d/x", File("1")}}},
         .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", File("file")}}));
}

TEST_P(OpaqueTest, DirectoryHidesALowerFileAndEndsTheMerge) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}},
                   {{"d", File("file")}},
                   {{"d", Dir()}, {"d/b", File("2")}}},
         .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}, {"d/a", File("1")}}));
}

TEST_P(OpaqueTest, WhiteoutInTheMiddleEndsTheMerge) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}},
                   {{"d", Whiteout()}},
                   {{"d", Dir()}, {"d/b", File("2")}}},
         .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}, {"d/a", File("1")}}));
}

TEST_P(OpaqueTest, TypeChangesByRemoveAndCreate) {
  mount({.lower = {{{"x", File("1")}, {"y", Dir()}, {"y/f", File("2")}}},
         .upper = {}});

  EXPECT_THAT(unlink("x"), Succeeds());
  EXPECT_THAT(mkdir("x"), Succeeds());
  EXPECT_THAT(unlink("y/f"), Succeeds());
  EXPECT_THAT(rmdir("y"), Succeeds());
  EXPECT_THAT(symlink("x", "y"), Succeeds());

  const Tree after = {{"x", Dir()}, {"y", Symlink("x")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

TEST_P(OpaqueTest, RootAttributesAreThoseOfTheUpper) {
  mount({.lower = {{{"", Dir().mode(0700).owner(9, 9)}}},
         .upper = {{"", Dir().mode(0751).owner(1, 2).xattr("user.r", "v")}}});

  EXPECT_EQ(lstat("").st_mode & 07777U, 0751U);
  EXPECT_EQ(lstat("").st_uid, 1U);
  EXPECT_EQ(getxattr("", "user.r"), "v");
}

VENEER_ON_EVERY_TARGET(OpaqueTest);

}  // namespace
}  // namespace veneer::testing
