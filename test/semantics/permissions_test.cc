// SPDX-License-Identifier: MIT
//
// Permissions: every caller is judged by the merged object's mode, and rights
// once granted live in the descriptor.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

const uid_t kUid = kNobodyInParticular.uid;
const User kGroupMember{.uid = 5000, .gid = 5000, .groups = {77}, .umask = 0};

class PermissionsTest : public OverlayTest {
 protected:
  Outcome nobody(const std::function<Outcome()>& action) {
    return as_user(kNobodyInParticular, action);
  }
};

// Row 62
TEST_P(PermissionsTest, ModeDecidesForAnotherUser) {
  mount({.lower = {{{"open", File("x").mode(0644)},
                    {"closed", File("x").mode(0600)},
                    {"mine", File("x").mode(0600).owner(kUid, kUid)},
                    {"shut", Dir().mode(0700)},
                    {"shut/f", File("x").mode(0666)}}},
         .upper = {}});

  EXPECT_THAT(nobody([&] { return try_open("open", O_RDONLY); }), Succeeds());
  EXPECT_THAT(nobody([&] { return try_open("open", O_WRONLY); }),
              FailsWith(EACCES));
  EXPECT_THAT(nobody([&] { return try_open("closed", O_RDONLY); }),
              FailsWith(EACCES));
  EXPECT_THAT(nobody([&] { return append("mine", "y"); }), Succeeds());
  EXPECT_THAT(nobody([&] { return try_open("shut/f", O_RDONLY); }),
              FailsWith(EACCES));
}

// Row 62
TEST_P(PermissionsTest, DirectoryModeDecidesWhoChangesNames) {
  mount({.lower = {{{"theirs", Dir().mode(0755)},
                    {"theirs/f", File("x").mode(0666)},
                    {"free", Dir().mode(0777)},
                    {"free/f", File("x")}}},
         .upper = {}});

  EXPECT_THAT(nobody([&] { return unlink("theirs/f"); }), FailsWith(EACCES));
  EXPECT_THAT(nobody([&] { return mkdir("theirs/n"); }), FailsWith(EACCES));
  EXPECT_THAT(nobody([&] { return rename("theirs/f", "free/g"); }),
              FailsWith(EACCES));
  EXPECT_THAT(nobody([&] { return unlink("free/f"); }), Succeeds());
  EXPECT_THAT(nobody([&] { return mkdir("free/n"); }), Succeeds());
}

// Row 62
TEST_P(PermissionsTest, StickyDirectoryProtectsOthersFiles) {
  mount({.lower = {{{"tmp", Dir().mode(01777)},
                    {"tmp/theirs", File("x").mode(0666)},
                    {"tmp/mine", File("x").owner(kUid, kUid)}}},
         .upper = {}});

  EXPECT_THAT(nobody([&] { return unlink("tmp/theirs"); }), FailsWith(EPERM));
  EXPECT_THAT(nobody([&] { return rename("tmp/theirs", "tmp/z"); }),
              FailsWith(EPERM));
  EXPECT_THAT(nobody([&] { return unlink("tmp/mine"); }), Succeeds());
}

// Row 62
TEST_P(PermissionsTest, OnlyTheOwnerChangesModeAndTimes) {
  mount({.lower = {{{"f", File("x").mode(0666)}}}, .upper = {}});

  EXPECT_THAT(nobody([&] { return chmod("f", 0777); }), FailsWith(EPERM));
  EXPECT_THAT(nobody([&] { return lchown("f", kUid, kUid); }),
              FailsWith(EPERM));
  EXPECT_THAT(nobody([&] { return lutimes("f", {1, 0}, {1, 0}); }),
              FailsWith(EPERM));
  EXPECT_THAT(
      nobody([&] { return lutimes("f", {0, UTIME_NOW}, {0, UTIME_NOW}); }),
      Succeeds());
}

// Row 62
TEST_P(PermissionsTest, SupplementaryGroupCounts) {
  mount({.lower = {{{"f", File("x").mode(0640).owner(0, 77)},
                    {"d", Dir().mode(0770).owner(0, 77)}}},
         .upper = {}});

  EXPECT_THAT(as_user(kGroupMember, [&] { return try_open("f", O_RDONLY); }),
              Succeeds());
  EXPECT_THAT(as_user(kGroupMember, [&] { return write_file("d/n", "x"); }),
              Succeeds());
  EXPECT_THAT(nobody([&] { return try_open("f", O_RDONLY); }),
              FailsWith(EACCES));
}

// Row 62
TEST_P(PermissionsTest, AccessTellsTheTruth) {
  mount({.lower = {{{"f", File("x").mode(0644)}, {"x", File().mode(0755)}}},
         .upper = {}});
  const auto can = [&](const char* path, int mode) {
    return nobody([&] { return outcome(::access(m(path).c_str(), mode)); });
  };

  EXPECT_THAT(can("f", R_OK), Succeeds());
  EXPECT_THAT(can("f", W_OK), FailsWith(EACCES));
  EXPECT_THAT(can("f", X_OK), FailsWith(EACCES));
  EXPECT_THAT(can("x", X_OK), Succeeds());
}

// Row 62
TEST_P(PermissionsTest, ChmodCountsAtOnce) {
  mount({.lower = {{{"f", File("x").mode(0600)}}}, .upper = {}});
  EXPECT_THAT(nobody([&] { return try_open("f", O_RDONLY); }),
              FailsWith(EACCES));

  ASSERT_THAT(chmod("f", 0644), Succeeds());
  EXPECT_THAT(nobody([&] { return try_open("f", O_RDONLY); }), Succeeds());
  ASSERT_THAT(chmod("f", 0600), Succeeds());

  EXPECT_THAT(nobody([&] { return try_open("f", O_RDONLY); }),
              FailsWith(EACCES));
}

TEST_P(PermissionsTest, RootReadsAndWritesEverything) {
  mount({.lower = {{{"f", File("x").mode(0).owner(kUid, kUid)}}}, .upper = {}});

  EXPECT_THAT(append("f", "y"), Succeeds());

  EXPECT_EQ(read_file("f"), "xy");
  EXPECT_EQ(lstat("f").st_mode & 07777U, 0U);
}

// Row 72
TEST_P(PermissionsTest, FileCreatedReadOnlyIsWrittenByItsDescriptor) {
  mount({.lower = {{{"d", Dir().mode(0777)}}}, .upper = {}});

  const Outcome written = nobody([this] {
    const Fd fd = open("d/object", O_CREAT | O_EXCL | O_RDWR, 0444);
    return outcome(::write(fd.get(), "git", 3));
  });

  EXPECT_THAT(written, SyscallReturns(3));
  EXPECT_THAT(merged(),
              TreeIs(Tree{{"d", Dir()}, {"d/object", File("git").mode(0444)}}));
}

// Row 72
TEST_P(PermissionsTest, DescriptorReadsAndWritesAfterChmodToNothing) {
  mount({.lower = {{{"f", File("hello").owner(kUid, kUid)}}}, .upper = {}});

  const Outcome done = nobody([this] {
    const Fd fd = open("f", O_RDWR);
    if (const Outcome changed = chmod("f", 0); !changed.ok()) return changed;
    char byte = 0;
    if (::pread(fd.get(), &byte, 1, 0) != 1) return outcome(-1);
    return outcome(::pwrite(fd.get(), "J", 1, 0));
  });

  EXPECT_THAT(done, SyscallReturns(1));
  EXPECT_EQ(read_file("f"), "Jello");
}

// Row 72
TEST_P(PermissionsTest, DescriptorWritesAfterTheDirectoryIsClosedToItsUser) {
  mount({.lower = {{{"d", Dir().owner(kUid, kUid)},
                    {"d/f", File("hello").owner(kUid, kUid)}}},
         .upper = {}});

  const Outcome done = nobody([this] {
    const Fd fd = open("d/f", O_RDWR);
    if (const Outcome changed = chmod("d", 0); !changed.ok()) return changed;
    return outcome(::pwrite(fd.get(), "J", 1, 0));
  });

  EXPECT_THAT(done, SyscallReturns(1));
  EXPECT_EQ(read_file("d/f"), "Jello");
}

VENEER_ON_EVERY_TARGET_AND_HOST(PermissionsTest);

}  // namespace
}  // namespace veneer::testing
