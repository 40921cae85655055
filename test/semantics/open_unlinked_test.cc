// SPDX-License-Identifier: MIT
//
// A file without a name lives on in its descriptors, whole and changeable.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class OpenUnlinkedTest : public OverlayTest {};

// Row 41
TEST_P(OpenUnlinkedTest, LowerFileIsReadWrittenTruncatedAndSynced) {
  mount({.lower = {{{"f", File("hello")}}}, .upper = {}});
  const Fd fd = open("f", O_RDWR);

  ASSERT_THAT(unlink("f"), Succeeds());

  EXPECT_EQ(pread_all(fd), "hello");
  EXPECT_THAT(::pwrite(fd.get(), "J", 1, 0), SyscallReturns(1));
  EXPECT_THAT(::ftruncate(fd.get(), 3), Succeeds());
  EXPECT_THAT(::fsync(fd.get()), Succeeds());
  EXPECT_EQ(pread_all(fd), "Jel");
  EXPECT_EQ(fstat_of(fd).st_size, 3);
  EXPECT_THAT(merged(), TreeIs(Tree{}));
}

// Row 41
TEST_P(OpenUnlinkedTest, NewFileIsReadWrittenTruncatedAndSynced) {
  mount({.lower = {{}}, .upper = {}});
  const Fd fd = open("f", O_RDWR | O_CREAT);
  ASSERT_THAT(unlink("f"), Succeeds());

  EXPECT_THAT(::pwrite(fd.get(), "hello", 5, 0), SyscallReturns(5));
  EXPECT_THAT(::ftruncate(fd.get(), 4), Succeeds());
  EXPECT_THAT(::fsync(fd.get()), Succeeds());

  EXPECT_EQ(pread_all(fd), "hell");
  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

// Row 41
TEST_P(OpenUnlinkedTest, ContentSurvivesDroppedCaches) {
  const std::string content(300'000, 'c');
  mount({.lower = {{{"f", File(content)}}}, .upper = {}});
  const Fd read_only = open("f");
  ASSERT_THAT(unlink("f"), Succeeds());

  drop_caches();

  EXPECT_TRUE(pread_all(read_only) == content);
  EXPECT_EQ(fstat_of(read_only).st_size, 300'000);
}

// Row 41
TEST_P(OpenUnlinkedTest, NewFileOfTheSameNameIsAnother) {
  mount({.lower = {{{"f", File("old")}}}, .upper = {}});
  const Fd old_fd = open("f");
  ASSERT_THAT(unlink("f"), Succeeds());

  ASSERT_THAT(write_file("f", "new"), Succeeds());

  EXPECT_EQ(pread_all(old_fd), "old");
  EXPECT_EQ(read_file("f"), "new");
  EXPECT_NE(fstat_of(old_fd).st_ino, lstat("f").st_ino);
}

// Row 41
TEST_P(OpenUnlinkedTest, RenamedOverFileLivesOn) {
  mount({.lower = {{{"f", File("old")}, {"g", File("new")}}}, .upper = {}});
  const Fd fd = open("f", O_RDWR);

  ASSERT_THAT(rename("g", "f"), Succeeds());

  EXPECT_THAT(::pwrite(fd.get(), "O", 1, 0), SyscallReturns(1));
  EXPECT_EQ(pread_all(fd), "Old");
  EXPECT_EQ(read_file("f"), "new");
}

TEST_P(OpenUnlinkedTest, MappingLivesOn) {
  mount({.lower = {{{"f", File("hello")}}}, .upper = {}});
  void* memory = MAP_FAILED;
  {
    const Fd fd = open("f");
    memory = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd.get(), 0);
  }
  ASSERT_NE(memory, MAP_FAILED);

  ASSERT_THAT(unlink("f"), Succeeds());
  drop_caches();

  EXPECT_EQ(std::string(static_cast<const char*>(memory), 5), "hello");
  ::munmap(memory, 4096);
}

TEST_P(OpenUnlinkedTest, HardLinkKeepsTheFileNamed) {
  mount({.lower = {{{"a", File("x")}, {"b", HardLink("a")}}}, .upper = {}});
  const Fd fd = open("a", O_RDWR);
  ASSERT_THAT(unlink("a"), Succeeds());

  EXPECT_THAT(::pwrite(fd.get(), "y", 1, 0), SyscallReturns(1));

  EXPECT_EQ(read_file("b"), "y");
  EXPECT_EQ(fstat_of(fd).st_nlink, 1U);
}

VENEER_ON_EVERY_TARGET(OpenUnlinkedTest);

// Row 42: with metacopy instead of nfs_export, kernel overlayfs keeps saying
// nlink 1 of a lower file, and fchmod fails with EEXIST.
class UnlinkedMetadataTest : public OverlayTest {};

// Row 42
TEST_P(UnlinkedMetadataTest, LowerFileHasNoLinksAndTakesChmod) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  const Fd fd = open("f");

  ASSERT_THAT(unlink("f"), Succeeds());

  EXPECT_EQ(fstat_of(fd).st_nlink, 0U);
  EXPECT_THAT(::fchmod(fd.get(), 0600), Succeeds());
  EXPECT_EQ(fstat_of(fd).st_mode & 07777U, 0600U);
  EXPECT_EQ(fstat_of(fd).st_nlink, 0U);
  EXPECT_EQ(pread_all(fd), "x");
  EXPECT_THAT(merged(), TreeIs(Tree{}));
}

// Row 42
TEST_P(UnlinkedMetadataTest, NewFileHasNoLinksAndTakesChmod) {
  mount({.lower = {{}}, .upper = {}});
  const Fd fd = open("f", O_RDWR | O_CREAT);

  ASSERT_THAT(unlink("f"), Succeeds());

  EXPECT_EQ(fstat_of(fd).st_nlink, 0U);
  EXPECT_THAT(::fchmod(fd.get(), 0600), Succeeds());
  EXPECT_EQ(fstat_of(fd).st_mode & 07777U, 0600U);
}

VENEER_WITH_KERNEL_NFS(UnlinkedMetadataTest);

}  // namespace
}  // namespace veneer::testing
