// SPDX-License-Identifier: MIT
//
// link(2): a second name for one file, whichever layer holds the file.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class LinkTest : public OverlayTest {};

TEST_P(LinkTest, NewNameOfALowerFileIsTheSameFile) {
  mount({.lower = {{{"a", File("x").mode(0640).owner(1, 2)}}}, .upper = {}});

  EXPECT_THAT(link("a", "b"), Succeeds());

  EXPECT_EQ(lstat("a").st_ino, lstat("b").st_ino);
  EXPECT_EQ(lstat("a").st_nlink, 2U);
  EXPECT_THAT(append("b", "y"), Succeeds());
  EXPECT_EQ(read_file("a"), "xy");
  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("xy").mode(0640).owner(1, 2)},
                                    {"b", HardLink("a")}}));
}

TEST_P(LinkTest, BothNamesAreOneFileAfterRemount) {
  mount({.lower = {{{"a", File("x")}, {"d", Dir()}}}, .upper = {}});

  EXPECT_THAT(link("a", "d/b"), Succeeds());
  remount();

  EXPECT_THAT(
      merged(),
      TreeIs(Tree{{"a", File("x")}, {"d", Dir()}, {"d/b", HardLink("a")}}));
  EXPECT_EQ(lstat("a").st_nlink, 2U);
  EXPECT_THAT(append("a", "!"), Succeeds());
  EXPECT_EQ(read_file("d/b"), "x!");
}

TEST_P(LinkTest, UnlinkingOneNameKeepsTheOther) {
  mount({.lower = {{{"a", File("x")}}}, .upper = {}});
  ASSERT_THAT(link("a", "b"), Succeeds());

  EXPECT_THAT(unlink("a"), Succeeds());

  EXPECT_EQ(read_file("b"), "x");
  EXPECT_EQ(lstat("b").st_nlink, 1U);
  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("x")}}));
}

TEST_P(LinkTest, OntoAnExistingNameFails) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}}, .upper = {}});

  EXPECT_THAT(link("a", "b"), FailsWith(EEXIST));
  EXPECT_THAT(link("a", "a"), FailsWith(EEXIST));
  EXPECT_THAT(link("none", "c"), FailsWith(ENOENT));
}

TEST_P(LinkTest, OntoARemovedNameSucceeds) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}}, .upper = {}});
  ASSERT_THAT(unlink("b"), Succeeds());

  EXPECT_THAT(link("a", "b"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("1")}, {"b", HardLink("a")}}));
}

TEST_P(LinkTest, DirectoryCannotBeLinked) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}});

  EXPECT_THAT(link("d", "e"), FailsWith(EPERM));
}

TEST_P(LinkTest, SymlinkIsLinkedItself) {
  mount({.lower = {{{"s", Symlink("nowhere")}}}, .upper = {}});

  EXPECT_THAT(link("s", "t"), Succeeds());

  EXPECT_EQ(readlink("t"), "nowhere");
  EXPECT_EQ(lstat("s").st_ino, lstat("t").st_ino);
}

TEST_P(LinkTest, OpenUnlinkedFileCannotBeLinkedByItsDescriptor) {
  mount({.lower = {{}}, .upper = {{"f", File("x")}}});
  const Fd fd = open("f");
  ASSERT_THAT(unlink("f"), Succeeds());

  const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
  EXPECT_THAT(::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, m("g").c_str(),
                       AT_SYMLINK_FOLLOW),
              FailsWith(ENOENT));
}

// Its last visible name is gone, but it counts a lower one that another layer
// covers, so it may get a new one; which then leads to its data.
TEST_P(LinkTest, OpenUnlinkedFileWithACoveredNameIsLinkedWithItsData) {
  mount({.lower = {{{"covered", File("above")}},
                   {{"a", File("data")}, {"covered", HardLink("a")}}},
         .upper = {}});
  {
    const Fd fd = open("a");
    ASSERT_THAT(unlink("a"), Succeeds());

    const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
    EXPECT_THAT(::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, m("again").c_str(),
                         AT_SYMLINK_FOLLOW),
                SyscallReturns(0));
  }

  EXPECT_EQ(read_file("again"), "data");
  remount();
  EXPECT_EQ(read_file("again"), "data");
  EXPECT_EQ(read_file("covered"), "above");
}

VENEER_ON_EVERY_TARGET(LinkTest);

}  // namespace
}  // namespace veneer::testing
