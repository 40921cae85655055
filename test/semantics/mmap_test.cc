// SPDX-License-Identifier: MIT
//
// Memory mappings: shared ones show what is written by any way, whenever they
// were made, and what is written through them reaches the upper and no lower.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr std::size_t kLength = 8192;

// A mapping of the first two pages of a file.
class Mapping {
 public:
  Mapping(const Fd& fd, int protection, int flags)
      : memory_(::mmap(nullptr, kLength, protection, flags, fd.get(), 0)) {
    EXPECT_NE(memory_, MAP_FAILED) << error_name(errno);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(memory_, kLength); }

  [[nodiscard]] std::string text(std::size_t length) const {
    return {static_cast<const char*>(memory_), length};
  }
  void put(const std::string& text) {
    std::memcpy(memory_, text.data(), text.size());
  }
  Outcome sync() { return outcome(::msync(memory_, kLength, MS_SYNC)); }

 private:
  void* memory_;
};

class MmapTest : public OverlayTest {
 protected:
  void mount_file() {
    mount({.lower = {{{"f", File(std::string(kLength, 'a'))}}}, .upper = {}});
  }
};

TEST_P(MmapTest, PrivateMappingOfALowerFileCopiesNothing) {
  mount_file();
  const Fd fd = open("f");
  Mapping mapping(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);

  mapping.put("mine");

  EXPECT_EQ(mapping.text(5), "minea");
  EXPECT_EQ(read_file("f"), std::string(kLength, 'a'));
  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

// Row 18
TEST_P(MmapTest, SharedWritePersistsAndLeavesTheLowerAlone) {
  mount_file();
  {
    const Fd fd = open("f", O_RDWR);
    Mapping mapping(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
    mapping.put("written");
    EXPECT_THAT(mapping.sync(), Succeeds());
  }

  EXPECT_EQ(read_file("f").substr(0, 8), "writtena");
  remount();
  EXPECT_EQ(read_file("f").substr(0, 8), "writtena");
  EXPECT_EQ(read_file("f").size(), kLength);
}

// Row 18
TEST_P(MmapTest, SharedWriteIsNotLostWithoutMsync) {
  mount_file();
  {
    const Fd fd = open("f", O_RDWR);
    Mapping mapping(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
    mapping.put("written");
  }

  remount();

  EXPECT_EQ(read_file("f").substr(0, 8), "writtena");
}

TEST_P(MmapTest, SharedWriteIsSeenByReadAndTheReverse) {
  mount_file();
  const Fd fd = open("f", O_RDWR);
  Mapping mapping(fd, PROT_READ | PROT_WRITE, MAP_SHARED);

  mapping.put("m");
  EXPECT_EQ(pread_all(fd).substr(0, 2), "ma");
  ASSERT_THAT(::pwrite(fd.get(), "w", 1, 1), SyscallReturns(1));

  EXPECT_EQ(mapping.text(3), "mwa");
}

TEST_P(MmapTest, SharedWritableMappingNeedsAWritableDescriptor) {
  mount_file();
  const Fd fd = open("f");

  void* memory =
      ::mmap(nullptr, kLength, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  EXPECT_EQ(memory, MAP_FAILED);
  EXPECT_EQ(errno, EACCES);
}

VENEER_ON_EVERY_TARGET(MmapTest);

// Row 17: a mapping of a lower file shows the old pages for ever on kernel
// overlayfs, by its own documentation.
class MmapCoherenceTest : public OverlayTest {};

TEST_P(MmapCoherenceTest, MappingFromBeforeTheCopyUpSeesWrites) {
  mount({.lower = {{{"f", File(std::string(kLength, 'a'))}}}, .upper = {}});
  const Fd reader = open("f");
  const Mapping mapping(reader, PROT_READ, MAP_SHARED);
  EXPECT_EQ(mapping.text(4), "aaaa");

  const Fd writer = open("f", O_WRONLY);
  ASSERT_THAT(::pwrite(writer.get(), "new", 3, 0), SyscallReturns(3));

  EXPECT_EQ(mapping.text(4), "newa");
}

// Rows 16 and 17
TEST_P(MmapCoherenceTest, MappingAndDescriptorAgreeAfterDroppedCaches) {
  mount({.lower = {{{"f", File(std::string(kLength, 'a'))}}}, .upper = {}});
  const Fd reader = open("f");
  const Mapping mapping(reader, PROT_READ, MAP_SHARED);
  EXPECT_EQ(mapping.text(4), "aaaa");
  const Fd writer = open("f", O_WRONLY);
  ASSERT_THAT(::pwrite(writer.get(), "new", 3, 0), SyscallReturns(3));

  ::sync();
  drop_caches();

  EXPECT_EQ(mapping.text(4), "newa");
  EXPECT_EQ(pread_all(reader).substr(0, 4), "newa");
}

VENEER_ONLY(MmapCoherenceTest);

}  // namespace
}  // namespace veneer::testing
