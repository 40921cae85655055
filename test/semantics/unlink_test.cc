// SPDX-License-Identifier: MIT
//
// What unlink(2) means through a real mount: the name goes, the layers below
// do not show through where it stood, and nothing below is touched.

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class UnlinkTest : public OverlayTest {};

TEST_P(UnlinkTest, LowerFileLeavesAWhiteoutInUpper) {
  const Tree lower0 = {{"etc", Dir()}, {"etc/motd", File("hello")}};
  mount({.lower = {lower0}, .upper = {}});

  EXPECT_THAT(unlink("etc/motd"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"etc", Dir()}}));
  EXPECT_THAT(upper(), TreeIs(Tree{{"etc", Dir()}, {"etc/motd", Whiteout()}}));
  EXPECT_THAT(lower(0), TreeIs(lower0));
}

TEST_P(UnlinkTest, FileOnlyInUpperLeavesNothing) {
  mount({.lower = {{}}, .upper = {{"scratch", File("x")}}});

  EXPECT_THAT(unlink("scratch"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

TEST_P(UnlinkTest, FileInUpperAndLowerLeavesAWhiteout) {
  mount({.lower = {{{"a", File("old")}}}, .upper = {{"a", File("new")}}});

  EXPECT_THAT(unlink("a"), Succeeds());

  EXPECT_FALSE(exists("a"));
  EXPECT_THAT(upper(), TreeIs(Tree{{"a", Whiteout()}}));
}

TEST_P(UnlinkTest, RemovedNameIsGoneAfterRemount) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}}, .upper = {}});

  EXPECT_THAT(unlink("a"), Succeeds());
  remount();

  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("2")}}));
}

TEST_P(UnlinkTest, RemovedNameCanBeMadeAgain) {
  mount({.lower = {{{"a", File("old")}}}, .upper = {}});

  EXPECT_THAT(unlink("a"), Succeeds());
  EXPECT_THAT(write_file("a", "new"), Succeeds());

  EXPECT_EQ(read_file("a"), "new");
  EXPECT_THAT(upper(), TreeIs(Tree{{"a", File("new")}}));
  EXPECT_THAT(unlink("a"), Succeeds());
  EXPECT_THAT(upper(), TreeIs(Tree{{"a", Whiteout()}}));
}

TEST_P(UnlinkTest, MissingNameFails) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}});

  EXPECT_THAT(unlink("none"), FailsWith(ENOENT));
  EXPECT_THAT(unlink("none/x"), FailsWith(ENOENT));
  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

TEST_P(UnlinkTest, DirectoryFails) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {{"e", Dir()}}});

  EXPECT_THAT(unlink("d"), FailsWith(EISDIR));
  EXPECT_THAT(unlink("e"), FailsWith(EISDIR));
}

TEST_P(UnlinkTest, LowerSymlinkGoesAndItsTargetStays) {
  mount({.lower = {{{"to", Symlink("file")}, {"file", File("kept")}}},
         .upper = {}});

  EXPECT_THAT(unlink("to"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"file", File("kept")}}));
  EXPECT_THAT(upper(), TreeIs(Tree{{"to", Whiteout()}}));
}

TEST_P(UnlinkTest, FileDeepInLowerBringsItsAncestors) {
  mount({.lower = {{{"a", Dir().mode(0711)},
                    {"a/b", Dir().mode(0750).owner(3, 4)},
                    {"a/b/c", File("x")}}},
         .upper = {}});

  EXPECT_THAT(unlink("a/b/c"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{{"a", Dir().mode(0711)},
                                   {"a/b", Dir().mode(0750).owner(3, 4)},
                                   {"a/b/c", Whiteout()}}));
}

TEST_P(UnlinkTest, OpenDescriptorOutlivesTheName) {
  mount({.lower = {{{"log", File("kept")}}}, .upper = {}});
  const auto fd = open("log");

  EXPECT_THAT(unlink("log"), Succeeds());

  EXPECT_EQ(read_all(fd), "kept");
  EXPECT_THAT(unlink("log"), FailsWith(ENOENT));
}

TEST_P(UnlinkTest, DirectoryTimesChange) {
  mount(
      {.lower = {{{"d", Dir().mtime(1000)}, {"d/f", File("x")}}}, .upper = {}});

  EXPECT_THAT(unlink("d/f"), Succeeds());

  EXPECT_GT(lstat("d").st_mtime, 1000);
}

VENEER_ON_EVERY_TARGET(UnlinkTest);

}  // namespace
}  // namespace veneer::testing
