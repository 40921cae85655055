// SPDX-License-Identifier: MIT
//
// Plain EROFS images, made by mkfs.erofs in all the layouts it has without
// compression: the kernel's mount of an image and our layer are one tree.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cstring>
#include <fstream>
#include <random>

#include "test/support/layer_tree.h"
#include "test/support/process.h"
#include "test/support/result.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"
#include "veneer/composefs.h"

namespace veneer::testing {
namespace {

// Bytes that no piece of an image is like.
std::string noise(std::size_t size) {
  std::mt19937_64 random(size);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// What differs in how it is stored: small and large, with and without tails,
// few names and many, all the types, ids of 16 and 32 bits, old and new times.
Tree sample() {
  Tree tree = {
      {"", Dir().mode(0755).owner(0, 0)},
      {"empty", File().mode(0).owner(70000, 80000).mtime(1, 2)},
      {"one", File("1").mode(04755).mtime(-5, 999999999)},
      {"tail", File(noise(100)).owner(1, 2).mtime(1700000000, 5)},
      {"block", File(noise(4096))},
      {"block and tail", File(noise(4096 * 3 + 17))},
      {"nearly", File(noise(4095))},
      {"large", File(noise(1'300'007))},
      {"larger", File(noise(4'194'304))},
      {"link", Symlink("one")},
      {"long link", Symlink(std::string(4000, 'x'))},
      {"fifo", Fifo()},
      {"socket", Socket()},
      {"char", CharDev(5, 1)},
      {"block device", BlockDev(259, 70001)},
      {"null", Whiteout()},
      {"other name", HardLink("tail")},
      {"\x01\xff name", File("bytes")},
      {"-before dot", File("sorted before the dot")},
      {"dir", Dir().mode(01777).owner(5, 6).mtime(77, 88)},
      {"dir/sub", Dir()},
      {"dir/sub/deep", File("deep").xattr("user.deep", "1")},
      {"dir/.hidden", File("hidden")},
      {"no names", Dir()},
      {"attrs", File("x")
                    .xattr("user.short", "v")
                    .xattr("user.empty", "")
                    .xattr("trusted.root", "only")
                    .xattr("security.note", std::string("a\0b", 3))
                    .xattr("trusted.overlay.opaque", "y")
                    .xattr("user.overlay.redirect", "/x")
                    .xattr("user.long", noise(3000))},
      {"shared1", File("x").xattr("user.same", "value of both")},
      {"shared2", File("y").xattr("user.same", "value of both")},
      {"shared3", File("z").xattr("user.same", "value of both")},
      {"dir attrs", Dir().xattr("user.on_dir", "yes")},
  };
  tree.set("many", Dir());
  for (int i = 0; i < 2000; ++i) {
    tree.set("many/file-" + std::to_string(i * 7919 % 2000), File());
  }
  tree.set("some", Dir());
  for (int i = 0; i < 120; ++i) {
    tree.set("some/" + std::string(1 + i, 'n'), File(std::to_string(i)));
  }
  return tree;
}

using Options = std::vector<std::string>;

class ErofsTest : public ::testing::TestWithParam<Options> {
 protected:
  void SetUp() override {
    if (run({"mkfs.erofs", "--version"}).status == 127) {
      GTEST_SKIP() << "there is no mkfs.erofs";
    }
    ASSERT_TRUE(scratch_.is_made());
    ::mkdir(source().c_str(), 0755);
    ::mkdir(mount_point().c_str(), 0755);
  }
  void TearDown() override {
    if (mounted_) ::umount2(mount_point().c_str(), MNT_DETACH);
  }

  std::string source() const { return scratch_.path("source"); }
  std::string image() const { return disk_.path("image"); }
  std::string mount_point() const { return scratch_.path("mnt"); }

  void make_image(const std::vector<std::string>& options) {
    std::vector<std::string> argv = {"mkfs.erofs", "--quiet"};
    argv.insert(argv.end(), options.begin(), options.end());
    argv.insert(argv.end(), {image(), source()});
    const Finished made = run(argv);
    ASSERT_EQ(made.status, 0) << made.err;
  }

  // True if the kernel could mount it.
  bool mount_image() {
    mounted_ = ::mount(image().c_str(), mount_point().c_str(), "erofs",
                       MS_RDONLY, "") == 0;
    return mounted_;
  }

  Result<std::unique_ptr<Layer>> open() {
    return composefs::open_layer(image(), {});
  }

 private:
  ScratchDir scratch_;
  // The kernel mounts no EROFS file that is on a tmpfs, and mkfs.erofs cannot
  // copy from one file system to another.
  ScratchDir disk_{std::filesystem::temp_directory_path()};
  bool mounted_ = false;
};

TEST_P(ErofsTest, ShowsWhatTheKernelShows) {
  Tree tree = sample();
  const bool compact = GetParam() == Options{"-Eforce-inode-compact"};
  if (compact) tree.set("empty", File());  // ids of 16 bits, no times
  build_tree(tree, source());
  ASSERT_NO_FATAL_FAILURE(make_image(GetParam()));
  if (!mount_image()) {
    GTEST_SKIP() << "the kernel mounts no EROFS file: " << strerror(errno);
  }

  auto layer = open();

  ASSERT_TRUE(layer) << layer.error().message();
  const Compare all{.ino = true, .atime = true, .ctime = true};
  EXPECT_THAT(read_layer(**layer), TreeIs(read_tree(mount_point()), all));
}

std::string layout_name(const ::testing::TestParamInfo<Options>& layout) {
  std::string name = "Default";
  for (const std::string& option : layout.param) {
    for (const char c : option) {
      const bool fits = std::isalnum(static_cast<unsigned char>(c)) != 0;
      name += fits ? c : '_';
    }
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, ErofsTest,
    ::testing::Values(Options{}, Options{"-T1234567890"},
                      Options{"-Eforce-inode-compact"},
                      Options{"-Eforce-inode-extended"},
                      Options{"-Enoinline_data"},
                      Options{"-Eforce-chunk-indexes", "--chunksize=4096"},
                      Options{"--chunksize=4096"}, Options{"--chunksize=65536"},
                      Options{"-x1"}, Options{"-x-1"}),
    layout_name);

class ErofsRefusalTest : public ErofsTest {};

TEST_F(ErofsRefusalTest, CompressedImageIsNamedAsThat) {
  build_tree({{"text", File(std::string(100'000, 'x'))}}, source());
  ASSERT_NO_FATAL_FAILURE(make_image({"-zlz4"}));

  const auto layer = open();

  // An algorithm's own features are not those of the data layout.
  if (layer) {
    const Child text = find_in_layer(**layer, "");
    EXPECT_EQ(code_of((*layer)->lookup(*text.node, "text")), ENOTSUP);
  } else {
    EXPECT_EQ(layer.error().code(), ENOTSUP) << layer.error().message();
  }
}

TEST_F(ErofsRefusalTest, DataOnAnotherDeviceAreRefused) {
  build_tree({{"text", File(noise(100'000))}}, source());
  ASSERT_NO_FATAL_FAILURE(
      make_image({"--blobdev=" + image() + ".blob", "--chunksize=4096"}));

  const auto layer = open();

  ASSERT_FALSE(layer);
  EXPECT_EQ(layer.error().code(), ENOTSUP) << layer.error().message();
}

TEST_F(ErofsRefusalTest, ChecksumOfTheSuperblockIsChecked) {
  build_tree({{"text", File("x")}}, source());
  ASSERT_NO_FATAL_FAILURE(make_image({}));
  ASSERT_TRUE(open());
  std::fstream file(image(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(1024 + 64);
  file.write("name", 4);
  file.close();

  const auto layer = open();

  ASSERT_FALSE(layer);
  EXPECT_EQ(layer.error().code(), EUCLEAN) << layer.error().message();
}

}  // namespace
}  // namespace veneer::testing
