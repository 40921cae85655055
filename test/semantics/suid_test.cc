// SPDX-License-Identifier: MIT
//
// Set-user-ID and set-group-ID: kept by everything that only moves or copies
// a file, taken away by what changes its content or its owner.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class SuidTest : public OverlayTest {
 protected:
  mode_t mode_of(const std::string& path) {
    return lstat(path).st_mode & 07777U;
  }
};

// Row 31
TEST_P(SuidTest, MetadataCopyUpKeepsIt) {
  mount({.lower = {{{"su", File("x").mode(06755).owner(3, 4)}, {"d", Dir()}}},
         .upper = {}});

  EXPECT_THAT(lutimes("su", {1, 0}, {2, 0}), Succeeds());
  EXPECT_EQ(mode_of("su"), 06755U);
  EXPECT_THAT(rename("su", "d/su"), Succeeds());
  EXPECT_EQ(mode_of("d/su"), 06755U);
  EXPECT_THAT(link("d/su", "again"), Succeeds());

  EXPECT_EQ(mode_of("again"), 06755U);
  EXPECT_EQ(lstat("again").st_uid, 3U);
  remount();
  EXPECT_EQ(mode_of("again"), 06755U);
}

// Row 31
TEST_P(SuidTest, ChownTakesItAway) {
  mount({.lower = {{{"su", File("x").mode(06755)}}}, .upper = {}});

  EXPECT_THAT(lchown("su", 5, 5), Succeeds());

  EXPECT_EQ(mode_of("su"), 0755U);
}

TEST_P(SuidTest, WriteByAnotherUserTakesItAway) {
  mount({.lower = {{{"su", File("x").mode(06777)}}}, .upper = {}});

  const Outcome written =
      as_user(kNobodyInParticular, [this] { return append("su", "y"); });

  EXPECT_THAT(written, Succeeds());
  EXPECT_EQ(mode_of("su"), 0777U);
  EXPECT_EQ(read_file("su"), "xy");
}

TEST_P(SuidTest, WriteByRootKeepsIt) {
  mount({.lower = {{{"su", File("x").mode(04755)}}}, .upper = {}});

  EXPECT_THAT(append("su", "y"), Succeeds());

  EXPECT_EQ(mode_of("su"), 04755U);
}

TEST_P(SuidTest, TruncateByAnotherUserTakesItAway) {
  mount({.lower = {{{"su", File("xyz").mode(06777)}}},
         .upper = {{"up", File("xyz").mode(06777)}}});

  const Outcome first =
      as_user(kNobodyInParticular, [this] { return truncate("su", 1); });
  const Outcome second = as_user(kNobodyInParticular, [this] {
    return try_open("up", O_WRONLY | O_TRUNC);
  });

  EXPECT_THAT(first, Succeeds());
  EXPECT_THAT(second, Succeeds());
  EXPECT_EQ(mode_of("su"), 0777U);
  EXPECT_EQ(mode_of("up"), 0777U);
}

TEST_P(SuidTest, StickyAndSetgidDirectoriesKeepTheirBits) {
  mount({.lower = {{{"d", Dir().mode(03775).owner(0, 9)}}}, .upper = {}});

  EXPECT_THAT(write_file("d/f", "x"), Succeeds());

  EXPECT_EQ(mode_of("d"), 03775U);
  remount();
  EXPECT_EQ(mode_of("d"), 03775U);
}

TEST_P(SuidTest, ChmodOutsideTheGroupDropsSetgid) {
  mount({.lower = {{{"f",
                     File("x").mode(0755).owner(kNobodyInParticular.uid, 1)}}},
         .upper = {}});

  const Outcome changed =
      as_user(kNobodyInParticular, [this] { return chmod("f", 02755); });

  EXPECT_THAT(changed, Succeeds());
  EXPECT_EQ(mode_of("f"), 0755U);
}

// A group bit without execution is not that of a program: who is in the group
// keeps it, and that says nothing of the next writer.
TEST_P(SuidTest, GroupBitKeptByAMemberIsTakenByTheNextWriter) {
  mount({.lower = {{{"f", File("x").mode(02666).owner(0, 55)}}}, .upper = {}});
  const Fd fd = open("f", O_RDWR);
  const auto write = [&fd] {
    return outcome(::pwrite(fd.get(), "y", 1, 0) == 1 ? 0 : -1);
  };

  EXPECT_THAT(as_user({.uid = 8, .gid = 55, .groups = {}}, write), Succeeds());
  EXPECT_EQ(mode_of("f"), 02666U);
  EXPECT_THAT(as_user(kNobodyInParticular, write), Succeeds());

  EXPECT_EQ(mode_of("f"), 0666U);
}

TEST_P(SuidTest, ChownToNobodyElseTakesItFromAFifoToo) {
  mount({.lower = {{}}, .upper = {}});
  ASSERT_THAT(mknod("fifo", S_IFIFO | 0755), Succeeds());
  ASSERT_THAT(chmod("fifo", 06755), Succeeds());

  EXPECT_THAT(lchown("fifo", static_cast<uid_t>(-1), static_cast<gid_t>(-1)),
              Succeeds());

  EXPECT_EQ(mode_of("fifo"), 0755U);
}

VENEER_ON_EVERY_TARGET(SuidTest);

}  // namespace
}  // namespace veneer::testing
