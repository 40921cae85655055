// SPDX-License-Identifier: MIT
//
// What changes cost. The lower file has 64 MiB and the upper's disk 8, so that
// whoever copies the data, even for a moment, runs out of space.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class CostTest : public OverlayTest {
 protected:
  static constexpr off_t kBig = 64 << 20;

  void mount_big() {
    mount({.lower = {{{"d", Dir()}, {"d/big", File(std::string(kBig, 'b'))}}},
           .upper = {},
           .upper_size = "8m"});
  }
};

// Row 66
TEST_P(CostTest, ChmodCopiesNoData) {
  mount_big();

  EXPECT_THAT(chmod("d/big", 0600), Succeeds());
  EXPECT_THAT(lchown("d/big", 1, 2), Succeeds());
  EXPECT_THAT(setxattr("d/big", "user.a", "1"), Succeeds());
  EXPECT_THAT(lutimes("d/big", {1, 0}, {2, 0}), Succeeds());

  EXPECT_EQ(lstat("d/big").st_size, kBig);
  EXPECT_LE(kib_used(u("d/big")), 4);
  const Fd fd = open("d/big");
  char byte = 0;
  EXPECT_THAT(::pread(fd.get(), &byte, 1, kBig - 1), SyscallReturns(1));
  EXPECT_EQ(byte, 'b');
}

// Row 67
TEST_P(CostTest, UnlinkCopiesNoData) {
  mount_big();

  EXPECT_THAT(unlink("d/big"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{{"d", Dir()}, {"d/big", Whiteout()}}));
}

// Row 68
TEST_P(CostTest, RenameCopiesNoData) {
  mount_big();

  EXPECT_THAT(rename("d/big", "moved"), Succeeds());

  EXPECT_LE(kib_used(u("moved")), 4);
  EXPECT_EQ(lstat("moved").st_size, kBig);
  remount();
  const Fd fd = open("moved");
  char byte = 0;
  EXPECT_THAT(::pread(fd.get(), &byte, 1, kBig - 1), SyscallReturns(1));
  EXPECT_EQ(byte, 'b');
}

// Row 68
TEST_P(CostTest, LinkCopiesNoData) {
  mount_big();

  EXPECT_THAT(link("d/big", "second"), Succeeds());

  EXPECT_LE(kib_used(u("second")), 4);
  EXPECT_EQ(lstat("second").st_nlink, 2U);
}

// Row 69
TEST_P(CostTest, OpenWithTruncateCopiesNoData) {
  mount_big();

  EXPECT_THAT(write_file("d/big", "small"), Succeeds());

  EXPECT_EQ(read_file("d/big"), "small");
  EXPECT_LE(kib_used(u("d/big")), 8);
}

// Row 69
TEST_P(CostTest, TruncateToNothingCopiesNoData) {
  mount_big();
  const Fd fd = open("d/big", O_WRONLY | O_TRUNC);

  EXPECT_THAT(::ftruncate(fd.get(), 0), Succeeds());

  EXPECT_EQ(lstat("d/big").st_size, 0);
}

VENEER_ON_EVERY_TARGET(CostTest);

// Rows 66 to 69 and C.10 number 15: kernel overlayfs copies a file up when it
// is opened for writing, and the whole of it when it is truncated by path.
class LazyCostTest : public CostTest {};

TEST_P(LazyCostTest, OpenForWritingWithoutAWriteCopiesNothing) {
  mount_big();

  EXPECT_THAT(try_open("d/big", O_RDWR), Succeeds());
  EXPECT_THAT(try_open("d/big", O_WRONLY | O_APPEND), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

TEST_P(LazyCostTest, TruncateCopiesOnlyWhatRemains) {
  mount_big();

  EXPECT_THAT(truncate("d/big", 4096), Succeeds());

  EXPECT_EQ(lstat("d/big").st_size, 4096);
  EXPECT_LE(kib_used(u("d/big")), 8);
  EXPECT_EQ(read_file("d/big"), std::string(4096, 'b'));
}

TEST_P(LazyCostTest, UnlinkOfAFileWithMetadataInTheUpperCopiesNoData) {
  mount_big();
  ASSERT_THAT(chmod("d/big", 0600), Succeeds());

  EXPECT_THAT(unlink("d/big"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{{"d", Dir()}, {"d/big", Whiteout()}}));
}

VENEER_ONLY(LazyCostTest);

}  // namespace
}  // namespace veneer::testing
