// SPDX-License-Identifier: MIT
//
// Locks belong to the file: one taken before a copy-up still conflicts after.

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class LocksTest : public OverlayTest {
 protected:
  static Outcome lock_range(const Fd& fd, int command, short type) {
    struct flock range{};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_len = 10;
    return outcome(::fcntl(fd.get(), command, &range));
  }
};

// Row 47
TEST_P(LocksTest, FlockHeldAcrossCopyUpConflicts) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  const Fd holder = open("f");
  ASSERT_THAT(::flock(holder.get(), LOCK_EX | LOCK_NB), Succeeds());

  ASSERT_THAT(append("f", "y"), Succeeds());
  const Fd other = open("f", O_RDWR);

  EXPECT_THAT(::flock(other.get(), LOCK_EX | LOCK_NB), FailsWith(EWOULDBLOCK));
  EXPECT_THAT(::flock(holder.get(), LOCK_UN), Succeeds());
  EXPECT_THAT(::flock(other.get(), LOCK_EX | LOCK_NB), Succeeds());
}

// Row 47
TEST_P(LocksTest, PosixLockHeldAcrossCopyUpConflicts) {
  mount({.lower = {{{"f", File("x").mode(0666)}}}, .upper = {}});
  const Fd holder = open("f", O_RDWR);
  ASSERT_THAT(lock_range(holder, F_SETLK, F_WRLCK), Succeeds());

  ASSERT_THAT(::pwrite(holder.get(), "y", 1, 0), SyscallReturns(1));
  const Outcome other = as_user(kNobodyInParticular, [this] {
    const Fd fd = open("f", O_RDWR);
    return lock_range(fd, F_SETLK, F_WRLCK);
  });

  EXPECT_THAT(other, FailsWith(EAGAIN));
}

// Row 47
TEST_P(LocksTest, OpenFileDescriptionLockHeldAcrossCopyUpConflicts) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  const Fd holder = open("f");
  ASSERT_THAT(lock_range(holder, F_OFD_SETLK, F_RDLCK), Succeeds());

  ASSERT_THAT(append("f", "y"), Succeeds());
  const Fd other = open("f", O_RDWR);

  EXPECT_THAT(lock_range(other, F_OFD_SETLK, F_WRLCK), FailsWith(EAGAIN));
  EXPECT_THAT(lock_range(holder, F_OFD_SETLK, F_UNLCK), Succeeds());
  EXPECT_THAT(lock_range(other, F_OFD_SETLK, F_WRLCK), Succeeds());
}

TEST_P(LocksTest, LockIsOnTheFileNotOnTheName) {
  mount({.lower = {{{"a", File("x")}, {"b", HardLink("a")}}}, .upper = {}});
  const Fd holder = open("a");
  ASSERT_THAT(::flock(holder.get(), LOCK_EX | LOCK_NB), Succeeds());

  const Fd other = open("b");
  EXPECT_THAT(::flock(other.get(), LOCK_EX | LOCK_NB), FailsWith(EWOULDBLOCK));
  ASSERT_THAT(rename("b", "c"), Succeeds());
  const Fd renamed = open("c");

  EXPECT_THAT(::flock(renamed.get(), LOCK_EX | LOCK_NB),
              FailsWith(EWOULDBLOCK));
}

VENEER_ON_EVERY_TARGET_AND_HOST(LocksTest);

}  // namespace
}  // namespace veneer::testing
