// SPDX-License-Identifier: MIT
//
// Inode flags (chattr): shown, set, kept through copy-up, and enforced by the
// overlay whatever the layer's own file system does with them.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class IoctlFlagsTest : public OverlayTest {
 protected:
  Outcome set_flags(const std::string& path, int flags) {
    const Fd fd = open(path);
    return outcome(::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags));
  }
  // The kernel refuses the open. Our opens send no message, so it is the write
  // that is refused.
  Outcome overwrite(const std::string& path) {
    const Fd fd(::open(m(path).c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.is_open()) return outcome(-1);
    return outcome(::pwrite(fd.get(), "!", 1, 0));
  }
  int flags_of(const std::string& path) {
    const Fd fd = open(path);
    int flags = 0;
    EXPECT_THAT(::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags), Succeeds());
    return flags &
           (FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NOATIME_FL | FS_NODUMP_FL);
  }
};

// Row 52
TEST_P(IoctlFlagsTest, FlagsOfALowerFileAreNone) {
  mount({.lower = {{{"f", File("x")}, {"d", Dir()}}}, .upper = {}});

  EXPECT_EQ(flags_of("f"), 0);
  EXPECT_EQ(flags_of("d"), 0);
}

// Row 52
TEST_P(IoctlFlagsTest, NoAtimeIsSetOnALowerFile) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});

  EXPECT_THAT(set_flags("f", FS_NOATIME_FL), Succeeds());

  EXPECT_EQ(flags_of("f"), FS_NOATIME_FL);
  remount();
  EXPECT_EQ(flags_of("f"), FS_NOATIME_FL);
  EXPECT_EQ(read_file("f"), "x");
}

// Row 52
TEST_P(IoctlFlagsTest, ImmutableFileRefusesEveryChange) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});

  ASSERT_THAT(set_flags("f", FS_IMMUTABLE_FL), Succeeds());

  EXPECT_EQ(flags_of("f"), FS_IMMUTABLE_FL);
  EXPECT_THAT(append("f", "y"), FailsWith(EPERM));
  EXPECT_THAT(chmod("f", 0600), FailsWith(EPERM));
  EXPECT_THAT(unlink("f"), FailsWith(EPERM));
  EXPECT_THAT(rename("f", "g"), FailsWith(EPERM));
  EXPECT_THAT(link("f", "g"), FailsWith(EPERM));
  EXPECT_THAT(truncate("f", 0), FailsWith(EPERM));
  EXPECT_THAT(setxattr("f", "user.a", "1"), FailsWith(EPERM));
  EXPECT_THAT(set_flags("f", 0), Succeeds());
  EXPECT_THAT(append("f", "y"), Succeeds());
  EXPECT_EQ(read_file("f"), "xy");
}

// Row 52
TEST_P(IoctlFlagsTest, ImmutableFileIsStillSoAfterRemount) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  ASSERT_THAT(set_flags("f", FS_IMMUTABLE_FL), Succeeds());

  remount();

  EXPECT_EQ(flags_of("f"), FS_IMMUTABLE_FL);
  EXPECT_THAT(append("f", "y"), FailsWith(EPERM));
  EXPECT_THAT(set_flags("f", 0), Succeeds());
}

// Row 52
TEST_P(IoctlFlagsTest, AppendOnlyFileOnlyGrows) {
  mount({.lower = {{{"log", File("1")}}}, .upper = {}});

  ASSERT_THAT(set_flags("log", FS_APPEND_FL), Succeeds());

  EXPECT_THAT(append("log", "2"), Succeeds());
  EXPECT_THAT(overwrite("log"), FailsWith(EPERM));
  EXPECT_THAT(try_open("log", O_WRONLY | O_APPEND | O_TRUNC), FailsWith(EPERM));
  EXPECT_THAT(unlink("log"), FailsWith(EPERM));
  EXPECT_EQ(read_file("log"), "12");
  EXPECT_THAT(set_flags("log", 0), Succeeds());
  EXPECT_THAT(unlink("log"), Succeeds());
}

// Row 52
TEST_P(IoctlFlagsTest, ImmutableDirectoryRefusesNewNames) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("x")}}}, .upper = {}});

  ASSERT_THAT(set_flags("d", FS_IMMUTABLE_FL), Succeeds());

  EXPECT_THAT(write_file("d/n", "x"), FailsWith(EPERM));
  EXPECT_THAT(mkdir("d/m"), FailsWith(EPERM));
  EXPECT_THAT(unlink("d/f"), FailsWith(EPERM));
  EXPECT_THAT(rmdir("d"), FailsWith(EPERM));
  EXPECT_EQ(read_file("d/f"), "x");
  EXPECT_THAT(set_flags("d", 0), Succeeds());
  EXPECT_THAT(write_file("d/n", "x"), Succeeds());
}

// Row 52
TEST_P(IoctlFlagsTest, ExtendedFlagsAreReadAndSet) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  const Fd fd = open("f");
  fsxattr attributes{};

  EXPECT_THAT(::ioctl(fd.get(), FS_IOC_FSGETXATTR, &attributes), Succeeds());
  attributes.fsx_xflags |= FS_XFLAG_NODUMP;
  EXPECT_THAT(::ioctl(fd.get(), FS_IOC_FSSETXATTR, &attributes), Succeeds());

  attributes = {};
  EXPECT_THAT(::ioctl(fd.get(), FS_IOC_FSGETXATTR, &attributes), Succeeds());
  EXPECT_TRUE(attributes.fsx_xflags & FS_XFLAG_NODUMP);
  EXPECT_EQ(flags_of("f"), FS_NODUMP_FL);
}

// Row 52
TEST_P(IoctlFlagsTest, OrdinaryUserCannotMakeAFileImmutable) {
  mount({.lower = {{{"f", File("x").owner(kNobodyInParticular.uid, 0)}}},
         .upper = {}});

  const Outcome set = as_user(
      kNobodyInParticular, [this] { return set_flags("f", FS_IMMUTABLE_FL); });

  EXPECT_THAT(set, FailsWith(EPERM));
  EXPECT_EQ(flags_of("f"), 0);
}

TEST_P(IoctlFlagsTest, UnknownIoctlIsRefused) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  const Fd fd = open("f");

  EXPECT_THAT(::ioctl(fd.get(), _IO('v', 99), nullptr), FailsWith(ENOTTY));
}

VENEER_ON_EVERY_TARGET(IoctlFlagsTest);

// Row 52: with layers on different file systems kernel overlayfs 6.18 answers
// EOPNOTSUPP to +i and yet leaves the file immutable.
class IoctlFlagsApartTest : public OverlayTest {};

TEST_P(IoctlFlagsApartTest, ImmutableWorksWithLayersOnDifferentDisks) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}, .apart = true});
  const Fd fd = open("f");
  int flags = FS_IMMUTABLE_FL;

  ASSERT_THAT(::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags), Succeeds());
  EXPECT_THAT(append("f", "y"), FailsWith(EPERM));
  flags = 0;
  EXPECT_THAT(::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags), Succeeds());

  EXPECT_THAT(append("f", "y"), Succeeds());
}

VENEER_ONLY(IoctlFlagsApartTest);

}  // namespace
}  // namespace veneer::testing
