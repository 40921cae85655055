// SPDX-License-Identifier: MIT
//
// Images of composefs: what the kernel's EROFS below the kernel's overlay
// shows, as mount.composefs mounts it, and what our layer shows, are one tree.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "base/verity_digest.h"
#include "test/support/layer_tree.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"
#include "test/unit/composefs/from_dump.h"
#include "veneer/composefs.h"

namespace veneer::testing {
namespace {

class ComposefsKernelTest : public ::testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made() && disk_.is_made());
    for (const char* dir : {"erofs", "store", "mnt"}) {
      std::filesystem::create_directory(path(dir));
    }
  }
  void TearDown() override {
    ::umount2(path("mnt").c_str(), MNT_DETACH);
    ::umount2(path("erofs").c_str(), MNT_DETACH);
  }

  std::string path(std::string_view name) const { return scratch_.path(name); }
  std::string image() const { return disk_.path("image"); }

  // The line of a file whose content is put into the store.
  std::string external(const std::string& name, const std::string& content,
                       const std::string& rest = "") {
    const std::string digest = to_hex(verity_digest(as_bytes(content)));
    const std::string object = digest.substr(0, 2) + "/" + digest.substr(2);
    std::filesystem::create_directory(path("store/" + digest.substr(0, 2)));
    std::ofstream(path("store/" + object), std::ios::binary) << content;
    return fmt::format("{} {} 100644 1 0 0 0 7.25 {} - {}{}\n", name,
                       content.size(), object, digest, rest);
  }

  std::string sample() {
    std::string dump =
        composefs::kDumpRoot +
        "/d 0 41777 2 5 6 0 1.5 - - - user.on=dir\n"
        "/d/w 0 20644 1 0 0 0 0.0 - - -\n"
        "/d/f 3 100600 1 70000 7 0 -3.5 - abc - user.x=1 trusted.y=2\n"
        "/escaped 0 40755 2 0 0 0 0.0 - - - trusted.overlay.opaque=y "
        "user.overlay.origin=z\n"
        "/h1 3 100644 3 0 0 0 0.0 - abc -\n"
        "/h2 0 @100644 3 0 0 0 0.0 /h1 - -\n"
        "/h3 0 @100644 3 0 0 0 0.0 /h2 - -\n"
        "/empty 0 100644 1 0 0 0 0.0 - - -\n"
        "/link 4 120777 1 0 0 0 0.0 some - -\n"
        "/chr 0 20600 1 0 0 259 0.0 - - -\n"
        "/blk 0 60600 1 0 0 2049 0.0 - - -\n"
        "/fifo 0 10600 1 0 0 0 0.0 - - -\n"
        "/sock 0 140600 1 0 0 0 0.0 - - -\n"
        "/00 0 40755 2 0 0 0 0.0 - - -\n"
        "/00/below 0 100644 1 0 0 0 0.0 - - -\n";
    dump +=
        "/long 4000 120777 1 0 0 0 0.0 " + std::string(4000, 'l') + " - -\n";
    dump += external("/small", "a");
    dump += external("/large", std::string(1'000'000, 'q'),
                     " user.same=v security.selinux=label");
    dump += external("/again", std::string(1'000'000, 'q'), " user.same=v");
    dump += "/many 0 40755 2 0 0 0 0.0 - - -\n";
    for (int i = 0; i < 1000; ++i) {
      dump += fmt::format("/many/{:04} 0 100644 1 0 0 0 0.0 - - -\n", i);
    }
    return dump;
  }

  // As root mounts it. What is missing is said.
  std::string mount_image() {
    if (::mount(image().c_str(), path("erofs").c_str(), "erofs", MS_RDONLY,
                "") != 0) {
      return std::string("EROFS from a file: ") + std::strerror(errno);
    }
    const std::string options =
        "metacopy=on,redirect_dir=on,lowerdir=" + path("erofs") +
        "::" + path("store");
    if (::mount("overlay", path("mnt").c_str(), "overlay", MS_RDONLY,
                options.c_str()) != 0) {
      return std::string("overlayfs with data layers: ") + std::strerror(errno);
    }
    return "";
  }

 private:
  ScratchDir scratch_;
  ScratchDir disk_{std::filesystem::temp_directory_path()};
};

TEST_P(ComposefsKernelTest, LayerShowsWhatTheKernelsMountShows) {
  std::ofstream(image(), std::ios::binary)
      << composefs::image_of(sample(), {.min = GetParam(), .max = GetParam()});
  const std::string missing = mount_image();
  if (!missing.empty()) GTEST_SKIP() << "there is no " << missing;

  auto layer = composefs::open_layer(image(), {.objects = {path("store")}});

  ASSERT_TRUE(layer) << layer.error().message();
  EXPECT_THAT(read_layer(**layer),
              TreeIs(read_tree(path("mnt")), Compare{.ctime = true}));
}

TEST_P(ComposefsKernelTest, MetadataForTrustedOverlaysIsWhatErofsShows) {
  std::ofstream(image(), std::ios::binary)
      << composefs::image_of(sample(), {.min = GetParam(), .max = GetParam()});
  const std::string missing = mount_image();
  if (!missing.empty()) GTEST_SKIP() << "there is no " << missing;

  auto layer = composefs::open_layer(
      image(),
      {.mode = composefs::ServeMode::kMetadata, .trusted_xattrs = true});

  ASSERT_TRUE(layer) << layer.error().message();
  Layer& ours = **layer;
  const Tree theirs = read_tree(path("erofs"));
  for (const std::string& name : theirs.paths()) {
    const Child child = find_in_layer(ours, name);
    ASSERT_TRUE(child.node) << name;
    const Entry& entry = theirs.at(name);
    EXPECT_EQ(child.attr.ino, entry.ino) << name;
    for (const auto& [xattr, value] : entry.xattrs) {
      const auto got = ours.get_xattr(*child.node, xattr);
      ASSERT_TRUE(got) << name;
      EXPECT_EQ(*got, value) << name << ": " << xattr;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, ComposefsKernelTest,
                         ::testing::Values(0U, 1U));

}  // namespace
}  // namespace veneer::testing
