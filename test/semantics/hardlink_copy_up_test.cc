// SPDX-License-Identifier: MIT
//
// Names that are one file in a lower layer stay one file when it is copied up,
// through whichever name, now and after a remount.

#include <fcntl.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class HardlinkCopyUpTest : public OverlayTest {
 protected:
  void mount_three_names() {
    mount({.lower = {{{"a", File("old")},
                      {"b", HardLink("a")},
                      {"d", Dir()},
                      {"d/c", HardLink("a")}}},
           .upper = {}});
  }
  void expect_one_file(const std::string& content) {
    EXPECT_THAT(merged(), TreeIs(Tree{{"a", File(content)},
                                      {"b", HardLink("a")},
                                      {"d", Dir()},
                                      {"d/c", HardLink("a")}}));
    EXPECT_EQ(lstat("a").st_nlink, 3U);
    EXPECT_EQ(lstat("d/c").st_nlink, 3U);
  }
};

// Row 1
TEST_P(HardlinkCopyUpTest, WriteThroughOneNameShowsThroughAll) {
  mount_three_names();

  EXPECT_THAT(append("b", "+new"), Succeeds());

  expect_one_file("old+new");
}

// Row 1
TEST_P(HardlinkCopyUpTest, NamesAreStillOneFileAfterRemount) {
  mount_three_names();
  ASSERT_THAT(append("b", "+new"), Succeeds());

  remount();

  expect_one_file("old+new");
  EXPECT_THAT(append("d/c", "+more"), Succeeds());
  expect_one_file("old+new+more");
}

// Row 1
TEST_P(HardlinkCopyUpTest, InodeNumberStaysThroughEveryName) {
  mount_three_names();
  const ino_t before = lstat("a").st_ino;

  EXPECT_THAT(append("b", "!"), Succeeds());

  EXPECT_EQ(lstat("a").st_ino, before);
  EXPECT_EQ(lstat("b").st_ino, before);
  EXPECT_EQ(lstat("d/c").st_ino, before);
}

// Row 1
TEST_P(HardlinkCopyUpTest, LinkCountFallsWithEachUnlink) {
  mount_three_names();
  ASSERT_THAT(append("b", "!"), Succeeds());

  EXPECT_THAT(unlink("a"), Succeeds());
  EXPECT_EQ(lstat("b").st_nlink, 2U);
  EXPECT_THAT(unlink("b"), Succeeds());
  EXPECT_EQ(lstat("d/c").st_nlink, 1U);

  EXPECT_EQ(read_file("d/c"), "old!");
  remount();
  EXPECT_EQ(lstat("d/c").st_nlink, 1U);
  EXPECT_EQ(read_file("d/c"), "old!");
}

TEST_P(HardlinkCopyUpTest, UnlinkBeforeAnyCopyUpLowersTheCount) {
  mount_three_names();

  EXPECT_THAT(unlink("a"), Succeeds());

  EXPECT_EQ(lstat("b").st_nlink, 2U);
  remount();
  EXPECT_EQ(lstat("b").st_nlink, 2U);
}

TEST_P(HardlinkCopyUpTest, ChmodThroughOneNameShowsThroughAll) {
  mount_three_names();

  EXPECT_THAT(chmod("d/c", 0600), Succeeds());

  EXPECT_EQ(lstat("a").st_mode & 07777U, 0600U);
  remount();
  EXPECT_EQ(lstat("b").st_mode & 07777U, 0600U);
  expect_one_file("old");
}

TEST_P(HardlinkCopyUpTest, RenamedNameStaysTheSameFile) {
  mount_three_names();

  EXPECT_THAT(rename("a", "z"), Succeeds());
  EXPECT_THAT(append("z", "!"), Succeeds());

  EXPECT_EQ(read_file("b"), "old!");
  EXPECT_EQ(lstat("b").st_nlink, 3U);
  remount();
  EXPECT_EQ(read_file("d/c"), "old!");
  EXPECT_EQ(lstat("z").st_ino, lstat("b").st_ino);
}

TEST_P(HardlinkCopyUpTest, NewLinkJoinsTheOldOnes) {
  mount_three_names();

  EXPECT_THAT(link("d/c", "e"), Succeeds());

  EXPECT_EQ(lstat("a").st_nlink, 4U);
  EXPECT_THAT(append("e", "!"), Succeeds());
  EXPECT_EQ(read_file("a"), "old!");
  remount();
  EXPECT_EQ(lstat("a").st_nlink, 4U);
}

TEST_P(HardlinkCopyUpTest, DescriptorOpenedThroughAnotherNameSeesTheWrite) {
  mount_three_names();
  const Fd fd = open("d/c");

  EXPECT_THAT(write_file("a", "fresh"), Succeeds());

  EXPECT_EQ(pread_all(fd), "fresh");
}

TEST_P(HardlinkCopyUpTest, LinksOfAMiddleLayerStayTogether) {
  mount({.lower = {{{"other", File("o")}},
                   {{"a", File("old")}, {"b", HardLink("a")}}},
         .upper = {}});

  EXPECT_THAT(append("b", "!"), Succeeds());

  EXPECT_EQ(read_file("a"), "old!");
  EXPECT_EQ(lstat("a").st_nlink, 2U);
}

VENEER_ON_EVERY_TARGET(HardlinkCopyUpTest);

}  // namespace
}  // namespace veneer::testing
