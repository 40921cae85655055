// SPDX-License-Identifier: MIT
//
// Holes: found with lseek(2), and still holes after a copy-up.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr off_t kMiB = 1 << 20;

class LseekSparseTest : public OverlayTest {
 protected:
  // 64 MiB with one extent of 64 KiB in the middle.
  void mount_sparse(Mount spec) {
    spec.lower = {{{"sparse", File()}}};
    prepare(std::move(spec));
    const Fd fd(::open(l(0, "sparse").c_str(), O_WRONLY));
    const std::string extent(64 * 1024, 'e');
    ASSERT_THAT(::ftruncate(fd.get(), 64 * kMiB), Succeeds());
    ASSERT_THAT(::pwrite(fd.get(), extent.data(), extent.size(), 32 * kMiB),
                Succeeds());
    accept_lower_changes();
    const Finished mounted = try_mount();
    ASSERT_EQ(mounted.status, 0) << mounted.err;
  }
};

// Row 34
TEST_P(LseekSparseTest, HolesOfALowerFileAreFound) {
  mount_sparse({});
  const Fd fd = open("sparse");

  EXPECT_THAT(::lseek(fd.get(), 0, SEEK_DATA), SyscallReturns(32 * kMiB));
  EXPECT_THAT(::lseek(fd.get(), 32 * kMiB, SEEK_HOLE),
              SyscallReturns(32 * kMiB + 64 * 1024));
  EXPECT_THAT(::lseek(fd.get(), 0, SEEK_HOLE), SyscallReturns(0));
  EXPECT_THAT(::lseek(fd.get(), 40 * kMiB, SEEK_DATA), FailsWith(ENXIO));
  EXPECT_THAT(::lseek(fd.get(), 64 * kMiB, SEEK_DATA), FailsWith(ENXIO));
}

// Row 34
TEST_P(LseekSparseTest, HolesOfAnUpperFileAreFound) {
  mount({.lower = {{}}, .upper = {}});
  const Fd fd = open("f", O_CREAT | O_RDWR);
  ASSERT_THAT(::pwrite(fd.get(), "x", 1, 8 * kMiB), SyscallReturns(1));

  EXPECT_THAT(::lseek(fd.get(), 0, SEEK_DATA), SyscallReturns(8 * kMiB));
  EXPECT_THAT(::lseek(fd.get(), 0, SEEK_HOLE), SyscallReturns(0));
  EXPECT_THAT(::lseek(fd.get(), -1, SEEK_END), SyscallReturns(8 * kMiB));
}

// Row 35
TEST_P(LseekSparseTest, CopyUpKeepsTheHoles) {
  mount_sparse({.lower = {}, .apart = true});
  const Fd fd = open("sparse", O_RDWR);

  EXPECT_THAT(::pwrite(fd.get(), "w", 1, 0), SyscallReturns(1));

  EXPECT_LE(kib_used(u("sparse")), 2048);
  EXPECT_EQ(fstat_of(fd).st_size, 64 * kMiB);
  std::string middle(64 * 1024, '\0');
  EXPECT_THAT(::pread(fd.get(), middle.data(), middle.size(), 32 * kMiB),
              SyscallReturns(64 * 1024));
  EXPECT_TRUE(middle == std::string(64 * 1024, 'e'));
}

VENEER_ON_EVERY_TARGET(LseekSparseTest);

}  // namespace
}  // namespace veneer::testing
