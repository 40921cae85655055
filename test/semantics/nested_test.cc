// SPDX-License-Identifier: MIT
//
// Overlays on overlays: the mount as a layer of the kernel's overlayfs, of the
// distribution's fuse-overlayfs, and of another one of ours.

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class NestedTest : public OverlayTest {
 protected:
  void TearDown() override {
    if (!outer_.empty()) ::umount2(outer_.c_str(), MNT_DETACH);
    OverlayTest::TearDown();
  }
  // Mounts kernel overlayfs with the merged tree as its lower.
  void mount_kernel_above(const std::vector<std::string>& options) {
    outer_ = make_dir("outer");
    const Outcome mounted =
        mount_kernel({m()}, make_dir("outer_upper"), make_dir("outer_work"),
                     outer_, options);
    ASSERT_THAT(mounted, Succeeds());
  }
  // Appends a "+" in the outer overlay.
  void append_above(const std::string& path) {
    const Fd fd(::open((outer_ + "/" + path).c_str(), O_WRONLY | O_APPEND));
    EXPECT_THAT(::write(fd.get(), "+", 1), SyscallReturns(1));
  }

  std::string outer_;
};

// Row 71
TEST_P(NestedTest, IsALowerOfKernelOverlayfs) {
  mount({.lower = {{{"a", File("1")}, {"d", Dir()}, {"d/f", File("2")}}},
         .upper = {{"up", File("3")}}});
  ASSERT_THAT(unlink("a"), Succeeds());
  mount_kernel_above({});

  EXPECT_THAT(
      read_tree(outer_),
      TreeIs(Tree{{"d", Dir()}, {"d/f", File("2")}, {"up", File("3")}}));
  append_above("d/f");
  EXPECT_THAT(::unlink((outer_ + "/up").c_str()), Succeeds());

  EXPECT_THAT(read_tree(outer_),
              TreeIs(Tree{{"d", Dir()}, {"d/f", File("2+")}}));
  EXPECT_THAT(
      merged(),
      TreeIs(Tree{{"d", Dir()}, {"d/f", File("2")}, {"up", File("3")}}));
}

// Row 71: whiteouts stored through the mount mean what they say above it.
TEST_P(NestedTest, StoresTheLayersOfAnotherOverlay) {
  mount({.lower = {{{"base", Dir()}, {"base/old", File("1")}}}, .upper = {}});
  ASSERT_THAT(mkdir("layer"), Succeeds());
  ASSERT_THAT(mkdir("layer/opaque"), Succeeds());
  ASSERT_THAT(setxattr("layer/opaque", "trusted.overlay.opaque", "y"),
              Succeeds());
  ASSERT_THAT(mkdir("base/opaque"), Succeeds());
  ASSERT_THAT(write_file("base/opaque/hidden", "x"), Succeeds());
  outer_ = make_dir("outer");

  const Outcome mounted =
      mount_kernel({m("layer"), m("base")}, "", "", outer_, {});

  ASSERT_THAT(mounted, Succeeds());
  EXPECT_THAT(read_tree(outer_),
              TreeIs(Tree{{"old", File("1")}, {"opaque", Dir()}}));
}

VENEER_ON_EVERY_TARGET(NestedTest);

// Row 71: the kernel's overlayfs is refused as anybody's upper.
class NestedUpperTest : public NestedTest {};

TEST_P(NestedUpperTest, IsALowerAndAnUpperOfAnotherOfOurs) {
  mount({.lower = {{{"low", Dir()},
                    {"low/f", File("1")},
                    {"low/g", File("2")},
                    {"up", Dir()},
                    {"work", Dir()}}},
         .upper = {}});
  outer_ = make_dir("outer");

  const Finished mounted =
      run({veneer_program(), "mount", "--lower", m("low"), "--upper", m("up"),
           "--work", m("work"), outer_});
  ASSERT_EQ(mounted.status, 0) << mounted.err;
  append_above("f");
  EXPECT_THAT(::unlink((outer_ + "/g").c_str()), Succeeds());

  EXPECT_THAT(read_tree(outer_), TreeIs(Tree{{"f", File("1+")}}));
  EXPECT_EQ(read_file("low/f"), "1");
  EXPECT_EQ(read_file("up/f"), "1+");
  EXPECT_EQ(run({veneer_program(), "umount", outer_}).status, 0);
}

// Row 71
TEST_P(NestedUpperTest, IsAnUpperOfFuseOverlayfs) {
  if (run({"fuse-overlayfs", "--version"}).status != 0) {
    VENEER_SKIP_WITHOUT("fuse-overlayfs");
  }
  mount({.lower = {{{"low", Dir()},
                    {"low/f", File("1")},
                    {"up", Dir()},
                    {"work", Dir()}}},
         .upper = {}});
  outer_ = make_dir("outer");

  const Finished mounted =
      run({"fuse-overlayfs", "-o",
           "lowerdir=" + m("low") + ",upperdir=" + m("up") +
               ",workdir=" + m("work"),
           outer_});
  ASSERT_EQ(mounted.status, 0) << mounted.err;
  append_above("f");

  EXPECT_EQ(read_file("up/f"), "1+");
}

// Row 71: the kernel takes an upper that is served remotely only if it can
// RENAME_WHITEOUT, which row 14 refuses to everybody.
TEST_P(NestedUpperTest, IsRefusedAsAnUpperOfKernelOverlayfs) {
  mount({.lower = {{{"low", Dir()}, {"up", Dir()}, {"work", Dir()}}},
         .upper = {}});
  outer_ = make_dir("outer");

  EXPECT_THAT(mount_kernel({m("low")}, m("up"), m("work"), outer_, {}),
              FailsWith(EINVAL));

  EXPECT_THAT(list("up"), ::testing::IsEmpty());
  EXPECT_THAT(write_file("up/f", "x"), Succeeds());
}

VENEER_ONLY(NestedUpperTest);

}  // namespace
}  // namespace veneer::testing
