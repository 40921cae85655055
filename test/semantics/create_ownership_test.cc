// SPDX-License-Identifier: MIT
//
// Whose is what is made: the caller's, with the caller's umask, in the group
// that the directory demands.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

const User kMaker{.uid = 4711, .gid = 4712, .groups = {}, .umask = 027};

class CreateOwnershipTest : public OverlayTest {
 protected:
  // One object of each kind below `dir`, made by kMaker.
  void make_one_of_each(const std::string& dir) {
    const auto made = [&](const std::function<Outcome()>& action) {
      EXPECT_THAT(as_user(kMaker, action), Succeeds());
    };
    made([&] { return try_open(dir + "/file", O_CREAT | O_WRONLY, 0666); });
    made([&] { return mkdir(dir + "/dir", 0777); });
    made([&] { return mknod(dir + "/fifo", S_IFIFO | 0666); });
    made([&] { return symlink("x", dir + "/link"); });
  }
};

// Row 63
TEST_P(CreateOwnershipTest, NewObjectsBelongToTheCaller) {
  mount({.lower = {{{"d", Dir().mode(0777)}}}, .upper = {}});

  make_one_of_each("d");

  EXPECT_THAT(merged(),
              TreeIs(Tree{{"d", Dir()},
                          {"d/file", File().owner(4711, 4712).mode(0640)},
                          {"d/dir", Dir().owner(4711, 4712).mode(0750)},
                          {"d/fifo", Fifo().owner(4711, 4712).mode(0640)},
                          {"d/link", Symlink("x").owner(4711, 4712)}}));
}

// Row 63
TEST_P(CreateOwnershipTest, SetgidDirectoryGivesItsGroup) {
  mount({.lower = {{{"d", Dir().mode(02777).owner(1, 99)}}}, .upper = {}});

  make_one_of_each("d");

  EXPECT_THAT(merged(),
              TreeIs(Tree{{"d", Dir().mode(02777).owner(1, 99)},
                          {"d/file", File().owner(4711, 99).mode(0640)},
                          {"d/dir", Dir().owner(4711, 99).mode(02750)},
                          {"d/fifo", Fifo().owner(4711, 99).mode(0640)},
                          {"d/link", Symlink("x").owner(4711, 99)}}));
}

// Row 63
TEST_P(CreateOwnershipTest, NewObjectOnAWhiteoutsNameBelongsToTheCaller) {
  mount({.lower = {{{"d", Dir().mode(0777)},
                    {"d/file", File("old")},
                    {"d/dir", Dir()}}},
         .upper = {}});
  ASSERT_THAT(unlink("d/file"), Succeeds());
  ASSERT_THAT(rmdir("d/dir"), Succeeds());

  make_one_of_each("d");

  EXPECT_EQ(lstat("d/file").st_uid, 4711U);
  EXPECT_EQ(lstat("d/dir").st_gid, 4712U);
  EXPECT_EQ(lstat("d/dir").st_mode & 07777U, 0750U);
  EXPECT_EQ(lstat("d/file").st_mode & 07777U, 0640U);
}

// Row 63
TEST_P(CreateOwnershipTest, SetgidIsDroppedFromAFileInAForeignGroup) {
  mount({.lower = {{{"d", Dir().mode(02777).owner(1, 99)}}}, .upper = {}});

  EXPECT_THAT(
      as_user({.uid = 4711, .gid = 4712, .groups = {}, .umask = 0},
              [&] { return try_open("d/f", O_CREAT | O_WRONLY, 02775); }),
      Succeeds());

  EXPECT_EQ(lstat("d/f").st_mode & 07777U, 0775U);
}

// Row 63
TEST_P(CreateOwnershipTest, UmaskAppliesOnce) {
  mount({.lower = {{}}, .upper = {}});
  const mode_t before = ::umask(0137);

  const Outcome file = try_open("f", O_CREAT | O_WRONLY, 0777);
  const Outcome dir = mkdir("d", 0777);
  ::umask(before);

  EXPECT_THAT(file, Succeeds());
  EXPECT_THAT(dir, Succeeds());
  EXPECT_EQ(lstat("f").st_mode & 07777U, 0640U);
  EXPECT_EQ(lstat("d").st_mode & 07777U, 0640U);
}

// Row 32 and 63
TEST_P(CreateOwnershipTest, CopyUpByAnotherUserKeepsTheOwner) {
  mount({.lower = {{{"d", Dir().owner(3, 4)},
                    {"d/f", File("x").mode(0666).owner(1, 2)}}},
         .upper = {}});

  EXPECT_THAT(as_user(kMaker, [&] { return append("d/f", "y"); }), Succeeds());

  EXPECT_THAT(merged(),
              TreeIs(Tree{{"d", Dir().owner(3, 4)},
                          {"d/f", File("xy").mode(0666).owner(1, 2)}}));
}

VENEER_ON_EVERY_TARGET(CreateOwnershipTest);

}  // namespace
}  // namespace veneer::testing
