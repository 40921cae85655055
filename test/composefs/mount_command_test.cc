// SPDX-License-Identifier: MIT
//
// veneer composefs mount, by each driver: the tree is the one the image was
// made of, an upper takes the changes, and nothing is left when it is
// unmounted.

#include <gmock/gmock.h>
#include <unistd.h>

#include "test/composefs/image_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::HasSubstr;

class ImageMountTest : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (::geteuid() != 0) VENEER_SKIP_WITHOUT("root's rights, to mount");
    const Finished made = composefs(
        {"create", "--objects", path("store"), path("src"), path("image")});
    ASSERT_EQ(made.status, 0) << made.err;
    for (const char* const name : {"m", "u", "w"}) {
      std::filesystem::create_directory(path(name));
    }
  }
  void TearDown() override { run({"umount", "-l", path("m")}); }

  Finished mount(std::vector<std::string> options) const {
    options.insert(options.begin(), {"mount", "--objects", path("store")});
    options.insert(options.end(), {path("image"), path("m")});
    return composefs(options);
  }
  [[nodiscard]] Finished umount() const {
    return run({veneer_program(), "umount", path("m")});
  }
  /// A shell script in the directory of all, $V being the program.
  [[nodiscard]] Finished script(const std::string& text) const {
    return run({"/bin/sh", "-ec",
                "cd " + path("") + "; V=" + veneer_program() + "; " + text});
  }
};

TEST_F(ImageMountTest, KernelShowsTheTree) {
  const Finished mounted = mount({"--driver", "kernel"});

  ASSERT_EQ(mounted.status, 0) << mounted.err;
  EXPECT_THAT(read_tree(path("m")), TreeIs(read_tree(path("src"))));
  EXPECT_NE(script("touch m/new").status, 0);
  EXPECT_EQ(umount().status, 0);
  EXPECT_TRUE(std::filesystem::is_empty(path("m")));
}

TEST_F(ImageMountTest, FuseShowsTheTreeAndChecksObjects) {
  const Finished mounted = mount({"--driver", "fuse", "--verity", "require"});

  ASSERT_EQ(mounted.status, 0) << mounted.err;
  EXPECT_THAT(read_tree(path("m")), TreeIs(read_tree(path("src"))));
  EXPECT_EQ(umount().status, 0);
}

TEST_F(ImageMountTest, AnObjectThatWasChangedIsAnErrorAndNoData) {
  ASSERT_EQ(script("f=$(find store -type f -size +60k); "
                   "printf X | dd of=$f bs=1 seek=10 conv=notrunc 2>/dev/null")
                .status,
            0);
  ASSERT_EQ(mount({"--driver", "fuse", "--verity", "on"}).status, 0);

  EXPECT_NE(script("cat m/tool").status, 0);
  EXPECT_EQ(script("cat m/etc/motd").out, "hello\n");
  EXPECT_EQ(umount().status, 0);
}

TEST_F(ImageMountTest, AnUpperTakesTheChangesByEitherDriver) {
  for (const char* const driver : {"kernel", "fuse"}) {
    ASSERT_EQ(script("rm -rf u w; mkdir u w").status, 0);
    const Finished mounted =
        mount({"--driver", driver, "--upper", path("u"), "--work", path("w")});
    ASSERT_EQ(mounted.status, 0) << mounted.err;
    EXPECT_EQ(
        script("cd m; echo more >> lib; rm tool; mv etc/motd moved").status, 0)
        << driver;
    EXPECT_EQ(umount().status, 0);
    EXPECT_EQ(read("u/lib"), std::string(5000, 'x') + "more\n") << driver;
    EXPECT_EQ(read("src/lib"), std::string(5000, 'x'));
  }
}

TEST_F(ImageMountTest, AUserNamespaceNeedsNoRoot) {
  const Finished done = script(
      "unshare -Urm sh -ec '"
      "\"$0\" composefs mount --driver kernel --objects store image m; "
      "cmp src/tool m/tool; findmnt -n -o OPTIONS m; \"$0\" umount m' $V");

  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("userxattr"));
}

TEST_F(ImageMountTest, MountComposefsTakesTheWordsOfMount) {
  const Finished mounted =
      as("mount.composefs", {"-t", "composefs", "-o",
                             "ro,basedir=" + path("store") + ":" + path("u"),
                             path("image"), path("m")});
  ASSERT_EQ(mounted.status, 0) << mounted.err;
  EXPECT_THAT(read_tree(path("m")), TreeIs(read_tree(path("src"))));
  EXPECT_EQ(umount().status, 0);

  const std::string good = "basedir=" + path("store");
  for (const auto& [words, what] :
       {std::pair<std::string, std::string>{"ro", "No basedir"},
        {good + ",noverity", "Unsupported option noverity"},
        {good + ",rw", "rw needs"},
        {good + ",upperdir=" + path("u"), "go together"},
        {good + ",digest=" + std::string(64, '0'), "wrong fs-verity"}}) {
    const Finished refused =
        as("mount.composefs", {"-o", words, path("image"), path("m")});
    EXPECT_EQ(refused.status, 1) << words;
    EXPECT_THAT(refused.err, HasSubstr(what));
  }
}

TEST_F(ImageMountTest, AnotherDigestIsRefused) {
  const std::string other(64, '0');
  for (const char* const driver : {"kernel", "fuse"}) {
    const Finished mounted = mount({"--driver", driver, "--digest", other});
    EXPECT_EQ(mounted.status, 1);
    EXPECT_THAT(mounted.err, HasSubstr(path("image")));
  }
  const std::string digest =
      composefs({"digest", path("image")}).out.substr(0, 64);
  EXPECT_EQ(mount({"--driver", "fuse", "--digest", digest}).status, 0);
  EXPECT_EQ(umount().status, 0);
}

// Its large files lie in pieces.
TEST_F(ImageMountTest, AnErofsImageBecomesAComposefsOne) {
  const Finished made = script(
      "mkfs.erofs plain src >/dev/null 2>&1; mkdir from; "
      "$V composefs create --from layer --objects from composefs:plain new");
  ASSERT_EQ(made.status, 0) << made.err;

  EXPECT_EQ(script("cd from; find . -type f | sort").out,
            script("cd store; find . -type f | sort").out);
}

TEST_F(ImageMountTest, WhatIsNoImageIsRefused) {
  write("image", std::string(10000, 'z'));
  for (const char* const driver : {"kernel", "fuse"}) {
    const Finished mounted = mount({"--driver", driver});
    EXPECT_EQ(mounted.status, 1);
    EXPECT_THAT(mounted.err, HasSubstr(path("image")));
  }
}

}  // namespace
}  // namespace veneer::testing
