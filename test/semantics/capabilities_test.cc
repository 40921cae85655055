// SPDX-License-Identifier: MIT
//
// File capabilities: copied with the file, and taken away by whoever writes.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr char kCapability[] = "security.capability";

// cap_net_raw+ep: version 2 with the effective bit, then two 32-bit pairs.
const std::string kNetRaw("\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);

class CapabilitiesTest : public OverlayTest {
 protected:
  void mount_capable_file() {
    mount({.lower = {{{"d", Dir()},
                      {"ping",
                       File("#!").mode(0755).xattr(kCapability, kNetRaw)}}},
           .upper = {}});
  }
};

// Row 30
TEST_P(CapabilitiesTest, AreSeenOnALowerFile) {
  mount_capable_file();

  EXPECT_EQ(getxattr("ping", kCapability), kNetRaw);
}

// Row 30
TEST_P(CapabilitiesTest, AreKeptByMetadataCopyUp) {
  mount_capable_file();

  EXPECT_THAT(chmod("ping", 0750), Succeeds());
  EXPECT_THAT(rename("ping", "d/ping"), Succeeds());

  EXPECT_EQ(getxattr("d/ping", kCapability), kNetRaw);
  remount();
  EXPECT_EQ(getxattr("d/ping", kCapability), kNetRaw);
}

// Row 30
TEST_P(CapabilitiesTest, AreClearedByWrite) {
  mount_capable_file();

  EXPECT_THAT(append("ping", "x"), Succeeds());

  EXPECT_THAT(getxattr_status("ping", kCapability), FailsWith(ENODATA));
  remount();
  EXPECT_THAT(getxattr_status("ping", kCapability), FailsWith(ENODATA));
}

// Row 30
TEST_P(CapabilitiesTest, AreClearedByTruncate) {
  mount_capable_file();

  EXPECT_THAT(truncate("ping", 1), Succeeds());

  EXPECT_THAT(getxattr_status("ping", kCapability), FailsWith(ENODATA));
}

// Row 30
TEST_P(CapabilitiesTest, AreClearedByChown) {
  mount_capable_file();

  EXPECT_THAT(lchown("ping", 5, 5), Succeeds());

  EXPECT_THAT(getxattr_status("ping", kCapability), FailsWith(ENODATA));
}

// Row 30
TEST_P(CapabilitiesTest, AreClearedByAWriteToAnUpperFile) {
  mount({.lower = {{}}, .upper = {{"f", File("x")}}});
  ASSERT_THAT(setxattr("f", kCapability, kNetRaw), Succeeds());

  const Fd fd = open("f", O_WRONLY);
  EXPECT_THAT(::pwrite(fd.get(), "y", 1, 0), SyscallReturns(1));

  EXPECT_THAT(getxattr_status("f", kCapability), FailsWith(ENODATA));
}

// Row 30: what is written through a mapping is no write(2) on any file system,
// however late it reaches the upper.
TEST_P(CapabilitiesTest, AreKeptByAMappingsWriteback) {
  constexpr std::size_t kLength = 4096;
  mount({.lower = {{{"f", File(std::string(kLength, 'a'))}}}, .upper = {}});
  {
    const Fd fd = open("f", O_RDWR);
    void* const memory = ::mmap(nullptr, kLength, PROT_READ | PROT_WRITE,
                                MAP_SHARED, fd.get(), 0);
    ASSERT_NE(memory, MAP_FAILED);
    *static_cast<char*>(memory) = 'b';

    EXPECT_THAT(setxattr("f", kCapability, kNetRaw), Succeeds());
    EXPECT_THAT(::msync(memory, kLength, MS_SYNC), SyscallReturns(0));
    ::munmap(memory, kLength);
  }

  EXPECT_EQ(getxattr("f", kCapability), kNetRaw);
  remount();
  EXPECT_EQ(getxattr("f", kCapability), kNetRaw);
  EXPECT_EQ(read_file("f").substr(0, 2), "ba");
}

VENEER_ON_EVERY_TARGET(CapabilitiesTest);

}  // namespace
}  // namespace veneer::testing
