// SPDX-License-Identifier: MIT
//
// Which errno a program sees, and what stat(2) shows.

#include "fuse/reply.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace veneer::fuse {
namespace {

TEST(ErrnoOf, IsTheErrorsOwn) {
  EXPECT_EQ(errno_of(Error(ENOSPC, "write")), ENOSPC);
}

TEST(ErrnoOf, NeverSaysThatTheMountCannotDoIt) {
  EXPECT_EQ(errno_of(Error(ENOSYS, "fallocate")), EOPNOTSUPP);
}

TEST(ErrnoOf, IsAlwaysAnErrnoOfPrograms) {
  EXPECT_EQ(errno_of(Error(0, "a sentence")), EIO);
  EXPECT_EQ(errno_of(Error(-5, "a sign slipped")), EIO);
  EXPECT_EQ(errno_of(Error(512, "ERESTARTSYS")), EIO);
}

TEST(ToStat, CarriesNanosecondsAndDevices) {
  Attr attr;
  attr.ino = 1ull << 60;
  attr.mode = S_IFCHR | 0640;
  attr.rdev = 0x103;
  attr.mtime = {.tv_sec = -5, .tv_nsec = 999999999};

  const struct stat value = to_stat(attr);

  EXPECT_EQ(value.st_ino, 1ull << 60);
  EXPECT_EQ(value.st_mode, static_cast<mode_t>(S_IFCHR | 0640));
  EXPECT_EQ(value.st_rdev, 0x103u);
  EXPECT_EQ(value.st_mtim.tv_sec, -5);
  EXPECT_EQ(value.st_mtim.tv_nsec, 999999999);
}

}  // namespace
}  // namespace veneer::fuse
