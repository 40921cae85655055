// SPDX-License-Identifier: MIT
//
// O_TMPFILE: a file that has no name until it is given one, if ever.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class TmpfileTest : public OverlayTest {
 protected:
  Outcome name_it(const Fd& fd, const std::string& path) {
    const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
    return outcome(::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, m(path).c_str(),
                            AT_SYMLINK_FOLLOW));
  }
};

// Row 33
TEST_P(TmpfileTest, IsUnseenUntilLinked) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}});
  const Fd fd = open("d", O_TMPFILE | O_RDWR, 0640);

  EXPECT_THAT(::write(fd.get(), "hello", 5), SyscallReturns(5));
  EXPECT_EQ(fstat_of(fd).st_nlink, 0U);
  EXPECT_THAT(list("d"), ::testing::IsEmpty());
  EXPECT_THAT(name_it(fd, "d/f"), Succeeds());

  EXPECT_THAT(merged(),
              TreeIs(Tree{{"d", Dir()}, {"d/f", File("hello").mode(0640)}}));
  EXPECT_EQ(fstat_of(fd).st_nlink, 1U);
  EXPECT_EQ(fstat_of(fd).st_ino, lstat("d/f").st_ino);
}

// Row 33
TEST_P(TmpfileTest, LinkedFileIsThereAfterRemount) {
  mount({.lower = {{}}, .upper = {}});
  {
    const Fd fd = open("", O_TMPFILE | O_RDWR);
    ASSERT_THAT(::write(fd.get(), "x", 1), SyscallReturns(1));
    ASSERT_THAT(name_it(fd, "f"), Succeeds());
  }

  remount();

  EXPECT_THAT(merged(), TreeIs(Tree{{"f", File("x")}}));
}

// Row 33
TEST_P(TmpfileTest, TakesTheNameOfARemovedLowerFile) {
  mount({.lower = {{{"f", File("old")}}}, .upper = {}});
  ASSERT_THAT(unlink("f"), Succeeds());
  const Fd fd = open("", O_TMPFILE | O_RDWR);
  ASSERT_THAT(::write(fd.get(), "new", 3), SyscallReturns(3));

  EXPECT_THAT(name_it(fd, "f"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"f", File("new")}}));
}

// Row 33
TEST_P(TmpfileTest, ExclusiveOneCannotBeLinked) {
  mount({.lower = {{}}, .upper = {}});
  const Fd fd = open("", O_TMPFILE | O_RDWR | O_EXCL);

  EXPECT_THAT(name_it(fd, "f"), FailsWith(ENOENT));
}

TEST_P(TmpfileTest, NeverLinkedLeavesNothing) {
  mount({.lower = {{}}, .upper = {}});
  {
    const Fd fd = open("", O_TMPFILE | O_RDWR);
    ASSERT_THAT(::write(fd.get(), "x", 1), SyscallReturns(1));
  }

  EXPECT_THAT(merged(), TreeIs(Tree{}));
  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

TEST_P(TmpfileTest, BelongsToWhoMadeIt) {
  mount({.lower = {{{"d", Dir().mode(0777)}}}, .upper = {}});

  const Outcome made = as_user(kNobodyInParticular, [this] {
    const Fd fd = open("d", O_TMPFILE | O_RDWR, 0600);
    return name_it(fd, "d/f");
  });

  EXPECT_THAT(made, Succeeds());
  EXPECT_EQ(lstat("d/f").st_uid, kNobodyInParticular.uid);
  EXPECT_EQ(lstat("d/f").st_gid, kNobodyInParticular.gid);
}

VENEER_ON_EVERY_TARGET(TmpfileTest);

}  // namespace
}  // namespace veneer::testing
