// SPDX-License-Identifier: MIT
//
// A descriptor is closed exactly once, by its last owner.

#include "sys/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace veneer::sys {
namespace {

int open_null() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFd, ClosesAtTheEndOfTheScope) {
  const int fd = open_null();
  {
    const UniqueFd owner(fd);
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(UniqueFd, MovedFromOwnsNothing) {
  const int fd = open_null();
  UniqueFd first(fd);

  const UniqueFd second = std::move(first);

  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): the subject
  EXPECT_EQ(second.get(), fd);
  EXPECT_TRUE(is_open(fd));
}

TEST(UniqueFd, AssignmentClosesTheFormerOne) {
  const int former = open_null();
  UniqueFd owner(former);

  owner = UniqueFd(open_null());

  EXPECT_FALSE(is_open(former));
  EXPECT_TRUE(owner);
}

TEST(UniqueFd, ReleasedStaysOpen) {
  UniqueFd owner(open_null());

  const UniqueFd next(owner.release());

  EXPECT_FALSE(owner);
  EXPECT_TRUE(is_open(next.get()));
}

TEST(SharedFd, OpenUntilTheLastUserLetsGo) {
  const int fd = open_null();
  SharedFd cached = share(UniqueFd(fd));
  SharedFd used = cached;

  cached.reset();
  EXPECT_TRUE(is_open(fd));
  used.reset();
  EXPECT_FALSE(is_open(fd));
}

}  // namespace
}  // namespace veneer::sys
