// SPDX-License-Identifier: MIT
//
// copy_file_range(2) within the mount, whichever layers hold the two files;
// and FICLONE, which the FUSE protocol has no message for.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class CopyFileRangeTest : public OverlayTest {
 protected:
  static Outcome copy(const Fd& from, off64_t at, const Fd& to, off64_t to_at,
                      std::size_t length) {
    return outcome(
        ::copy_file_range(from.get(), &at, to.get(), &to_at, length, 0));
  }
};

// Row 38
TEST_P(CopyFileRangeTest, FromALowerFileToANewOne) {
  mount({.lower = {{{"f", File("0123456789")}}}, .upper = {}});
  const Fd from = open("f");
  const Fd to = open("g", O_CREAT | O_RDWR);

  EXPECT_THAT(copy(from, 2, to, 0, 5), SyscallReturns(5));

  EXPECT_EQ(pread_all(to), "23456");
  EXPECT_EQ(read_file("g"), "23456");
}

// Row 38
TEST_P(CopyFileRangeTest, OntoALowerFileCopiesItUp) {
  mount({.lower = {{{"f", File("0123456789")}, {"g", File("abcdefghij")}}},
         .upper = {}});
  const Fd from = open("f");
  const Fd to = open("g", O_RDWR);
  EXPECT_EQ(pread_all(to), "abcdefghij");

  EXPECT_THAT(copy(from, 0, to, 4, 3), SyscallReturns(3));

  EXPECT_EQ(pread_all(to), "abcd012hij");
  EXPECT_EQ(read_file("f"), "0123456789");
}

// Row 38
TEST_P(CopyFileRangeTest, WithinOneFile) {
  mount({.lower = {{{"f", File("0123456789")}}}, .upper = {}});
  const Fd fd = open("f", O_RDWR);

  EXPECT_THAT(copy(fd, 0, fd, 5, 3), SyscallReturns(3));

  EXPECT_EQ(pread_all(fd), "0123401289");
  EXPECT_THAT(copy(fd, 0, fd, 1, 5), FailsWith(EINVAL)) << "they overlap";
}

// Row 38
TEST_P(CopyFileRangeTest, BetweenLayersOnDifferentDisks) {
  const std::string content(3 << 20, 'c');
  mount({.lower = {{{"f", File(content)}}}, .upper = {}, .apart = true});
  const Fd from = open("f");
  const Fd to = open("g", O_CREAT | O_RDWR);

  std::size_t done = 0;
  while (done < content.size()) {
    const auto at = static_cast<off64_t>(done);
    const Outcome n = copy(from, at, to, at, content.size() - done);
    if (!n.ok() && n.error == EXDEV) break;  // cp(1) then reads and writes
    ASSERT_THAT(n, Succeeds());
    done += static_cast<std::size_t>(n.value);
  }

  if (is_veneer()) {
    EXPECT_TRUE(read_file("g") == content);
  }
}

TEST_P(CopyFileRangeTest, PastTheEndCopiesNothing) {
  mount({.lower = {{{"f", File("abc")}}}, .upper = {}});
  const Fd from = open("f");
  const Fd to = open("g", O_CREAT | O_RDWR);

  EXPECT_THAT(copy(from, 3, to, 0, 10), SyscallReturns(0));
}

VENEER_ON_EVERY_TARGET(CopyFileRangeTest);

// Row 38: kernel overlayfs clones where layers share a disk with reflinks. The
// FUSE client has no message for it and says EOPNOTSUPP; cp(1) falls back.
class CloneLimitTest : public OverlayTest {};

TEST_P(CloneLimitTest, CloneIsRefusedByTheFuseClientAndCpStillCopies) {
  mount({.lower = {{{"f", File("content")}}},
         .upper = {},
         .disk = DiskKind::kXfs});
  const Fd from = open("f");
  const Fd to = open("g", O_CREAT | O_RDWR);

  EXPECT_THAT(::ioctl(to.get(), FICLONE, from.get()), FailsWith(EOPNOTSUPP));
  EXPECT_EQ(run({"cp", "--reflink=auto", m("f"), m("h")}).status, 0);
  EXPECT_EQ(read_file("h"), "content");
}

VENEER_ONLY(CloneLimitTest);

}  // namespace
}  // namespace veneer::testing
