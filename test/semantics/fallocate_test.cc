// SPDX-License-Identifier: MIT
//
// fallocate(2) on files of every layer. The kernel's FUSE client passes on
// allocation, punching and zeroing, and refuses the rest before any server is
// asked: that is a limit of the protocol, shown here by experiment.

#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr off_t kKiB = 1024;

class FallocateTest : public OverlayTest {
 protected:
  // Blocks of 64 KiB: a, b, c.
  void mount_abc() {
    const std::size_t block = 64 * kKiB;
    mount({.lower = {{{"f",
                       File(std::string(block, 'a') + std::string(block, 'b') +
                            std::string(block, 'c'))}}},
           .upper = {},
           .disk = DiskKind::kXfs});
  }
};

// Row 37
TEST_P(FallocateTest, AllocationExtendsALowerFile) {
  mount_abc();
  const Fd fd = open("f", O_RDWR);

  EXPECT_THAT(::fallocate(fd.get(), 0, 192 * kKiB, 64 * kKiB), Succeeds());

  EXPECT_EQ(fstat_of(fd).st_size, 256 * kKiB);
  EXPECT_EQ(pread_all(fd).substr(0, 1), "a");
}

// Row 37
TEST_P(FallocateTest, KeepSizeLeavesTheLength) {
  mount_abc();
  const Fd fd = open("f", O_RDWR);

  EXPECT_THAT(::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, 1024 * kKiB),
              Succeeds());

  EXPECT_EQ(fstat_of(fd).st_size, 192 * kKiB);
  EXPECT_GE(kib_used(u("f")), 1024);
}

// Row 37
TEST_P(FallocateTest, PunchedHoleReadsAsZeros) {
  mount_abc();
  const Fd fd = open("f", O_RDWR);
  EXPECT_EQ(pread_all(fd).size(), 192U * 1024);

  EXPECT_THAT(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          64 * kKiB, 64 * kKiB),
              Succeeds());

  const std::string content = pread_all(fd);
  EXPECT_EQ(content[64 * kKiB - 1], 'a');
  EXPECT_EQ(content[64 * kKiB], '\0');
  EXPECT_EQ(content[128 * kKiB - 1], '\0');
  EXPECT_EQ(content[128 * kKiB], 'c');
}

// Row 37
TEST_P(FallocateTest, ZeroedRangeReadsAsZeros) {
  mount_abc();
  const Fd fd = open("f", O_RDWR);

  EXPECT_THAT(::fallocate(fd.get(), FALLOC_FL_ZERO_RANGE, 0, 64 * kKiB),
              Succeeds());

  const std::string content = pread_all(fd);
  EXPECT_EQ(content[0], '\0');
  EXPECT_EQ(content[64 * kKiB], 'b');
}

TEST_P(FallocateTest, ReadOnlyDescriptorIsRefused) {
  mount_abc();
  const Fd fd = open("f");

  EXPECT_THAT(::fallocate(fd.get(), 0, 0, 4096), FailsWith(EBADF));
}

VENEER_ON_EVERY_TARGET(FallocateTest);

// Row 37: kernel overlayfs passes these to the upper; the FUSE client has no
// message for them.
class FallocateLimitTest : public OverlayTest {};

TEST_P(FallocateLimitTest, CollapseAndInsertAreRefusedByTheFuseClient) {
  mount({.lower = {{{"f", File(std::string(192 * 1024, 'x'))}}},
         .upper = {},
         .disk = DiskKind::kXfs});
  const Fd fd = open("f", O_RDWR);

  EXPECT_THAT(::fallocate(fd.get(), FALLOC_FL_COLLAPSE_RANGE, 0, 64 * kKiB),
              FailsWith(EOPNOTSUPP));
  EXPECT_THAT(::fallocate(fd.get(), FALLOC_FL_INSERT_RANGE, 0, 64 * kKiB),
              FailsWith(EOPNOTSUPP));
  EXPECT_EQ(pread_all(fd).size(), 192U * 1024);
}

VENEER_ONLY(FallocateLimitTest);

}  // namespace
}  // namespace veneer::testing
