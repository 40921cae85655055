// SPDX-License-Identifier: MIT
//
// What reaches the disk, and when. XFS allocates the blocks of new data only
// when the data is written out, and FIEMAP tells: an extent that is still
// "delayed" has not been synced.

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <vector>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

// Whether some data of the file at `path` has never been written out.
bool has_unwritten_data(const std::string& path) {
  constexpr unsigned kExtents = 64;
  std::vector<std::uint64_t> memory(
      (sizeof(fiemap) + kExtents * sizeof(fiemap_extent)) / 8 + 1);
  auto* map = reinterpret_cast<fiemap*>(memory.data());
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_extent_count = kExtents;
  const Fd fd(::open(path.c_str(), O_RDONLY));
  EXPECT_THAT(::ioctl(fd.get(), FS_IOC_FIEMAP, map), Succeeds()) << path;
  for (unsigned i = 0; i < map->fm_mapped_extents; ++i) {
    if (map->fm_extents[i].fe_flags & FIEMAP_EXTENT_DELALLOC) return true;
  }
  return false;
}

const std::string kMiB(1 << 20, 'm');

class FsyncTest : public OverlayTest {};

// Row 48
TEST_P(FsyncTest, OfAFileReachesTheUpper) {
  mount({.lower = {{}}, .upper = {}, .disk = DiskKind::kXfs, .apart = true});
  const Fd fd = open("f", O_CREAT | O_RDWR);
  ASSERT_THAT(::pwrite(fd.get(), kMiB.data(), kMiB.size(), 0), Succeeds());

  EXPECT_THAT(::fsync(fd.get()), Succeeds());

  EXPECT_FALSE(has_unwritten_data(u("f")));
}

// Row 48
TEST_P(FsyncTest, DataSyncOfAFileReachesTheUpper) {
  mount({.lower = {{}}, .upper = {}, .disk = DiskKind::kXfs, .apart = true});
  const Fd fd = open("f", O_CREAT | O_RDWR);
  ASSERT_THAT(::pwrite(fd.get(), kMiB.data(), kMiB.size(), 0), Succeeds());

  EXPECT_THAT(::fdatasync(fd.get()), Succeeds());

  EXPECT_FALSE(has_unwritten_data(u("f")));
}

TEST_P(FsyncTest, CloseAloneDoesNotSync) {
  mount({.lower = {{}}, .upper = {}, .disk = DiskKind::kXfs, .apart = true});

  ASSERT_THAT(write_file("f", kMiB), Succeeds());

  EXPECT_TRUE(has_unwritten_data(u("f")));
}

// Row 48
TEST_P(FsyncTest, OfDirectoriesOfEveryLayerSucceeds) {
  mount({.lower = {{{"low", Dir()}, {"both", Dir()}}},
         .upper = {{"up", Dir()}, {"both", Dir()}}});

  for (const char* path : {"", "low", "up", "both"}) {
    const Fd dir = open(path, O_DIRECTORY);
    EXPECT_THAT(::fsync(dir.get()), Succeeds()) << path;
  }
}

// Row 48
TEST_P(FsyncTest, OfALowerFileReadOnlySucceedsAndCopiesNothing) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  const Fd fd = open("f");

  EXPECT_THAT(::fsync(fd.get()), Succeeds());
  EXPECT_THAT(::syncfs(fd.get()), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

// Row 50
TEST_P(FsyncTest, CopiedUpDataIsOnDiskBeforeTheNameIs) {
  mount({.lower = {{{"f", File(kMiB)}}},
         .upper = {},
         .disk = DiskKind::kXfs,
         .apart = true});
  const Fd fd = open("f", O_RDWR);

  // The write falls into a block that the copy has allocated already.
  ASSERT_THAT(::pwrite(fd.get(), "x", 1, 0), SyscallReturns(1));

  EXPECT_FALSE(has_unwritten_data(u("f")));
}

VENEER_ON_EVERY_TARGET(FsyncTest);

// Row 48: kernel overlayfs syncs its upper's file system. The FUSE client
// sends FUSE_SYNCFS to virtiofs and block device servers only, so the call
// succeeds without the server ever hearing of it.
class SyncfsLimitTest : public OverlayTest {};

TEST_P(SyncfsLimitTest, DoesNotReachTheServer) {
  mount({.lower = {{}}, .upper = {}, .disk = DiskKind::kXfs, .apart = true});
  ASSERT_THAT(write_file("f", kMiB), Succeeds());
  const Fd fd = open("f");

  EXPECT_THAT(::syncfs(fd.get()), Succeeds());

  EXPECT_TRUE(has_unwritten_data(u("f")))
      << "syncfs is forwarded now: say so in docs/semantics.md";
}

VENEER_ONLY(SyncfsLimitTest);

// Row 48, the other half: what the kernel does.
class SyncfsTest : public OverlayTest {};

TEST_P(SyncfsTest, OfKernelOverlayfsReachesTheUpper) {
  mount({.lower = {{}}, .upper = {}, .disk = DiskKind::kXfs, .apart = true});
  ASSERT_THAT(write_file("f", kMiB), Succeeds());
  const Fd fd = open("f");

  EXPECT_THAT(::syncfs(fd.get()), Succeeds());

  EXPECT_FALSE(has_unwritten_data(u("f")));
}

VENEER_ON_TARGETS(SyncfsTest, Target::kKernel);

// Row 50, the policy: --fsync volatile syncs nothing.
class FsyncPolicyTest : public OverlayTest {};

TEST_P(FsyncPolicyTest, VolatileMountSyncsNoCopyUp) {
  mount({.lower = {{{"f", File(kMiB)}}},
         .upper = {},
         .disk = DiskKind::kXfs,
         .apart = true,
         .veneer_options = {"--fsync", "volatile"}});

  ASSERT_THAT(append("f", "x"), Succeeds());

  EXPECT_TRUE(has_unwritten_data(u("f")));
}

VENEER_ONLY(FsyncPolicyTest);

}  // namespace
}  // namespace veneer::testing
