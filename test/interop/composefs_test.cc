// SPDX-License-Identifier: MIT
//
// Images that we write, before judges who are not us: fsck.erofs accepts them,
// and the kernel's EROFS shows the tree that the dump says.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "composefs/dump_text.h"
#include "composefs/plan.h"
#include "composefs/tree.h"
#include "test/support/overlay_test.h"
#include "test/support/process.h"
#include "test/support/scratch_dir.h"
#include "test/unit/composefs/from_dump.h"

namespace veneer::testing {
namespace {

using composefs::ImageVersions;
using composefs::NodeIndex;
using composefs::Tree;
using composefs::TreeNode;

class ComposefsWriterTest : public ::testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made() && disk_.is_made());
    std::filesystem::create_directory(scratch_.path("mnt"));
  }
  void TearDown() override { unmount(); }

  void write(const std::string& bytes) {
    std::ofstream(image(), std::ios::binary) << bytes;
  }
  std::string image() const { return disk_.path("image"); }
  std::string mnt(const std::string& path) const {
    return scratch_.path("mnt") + path;
  }
  void unmount() { ::umount2(scratch_.path("mnt").c_str(), MNT_DETACH); }
  ImageVersions versions() const { return {GetParam(), GetParam()}; }

  ScratchDir scratch_;
  // EROFS does not mount files of a tmpfs.
  ScratchDir disk_{"/var/tmp"};
};

TEST_P(ComposefsWriterTest, FsckAcceptsEveryImage) {
  for (const auto& [name, dump] : composefs::golden_dumps()) {
    write(composefs::image_of(dump, versions()));

    const Finished end = run({"fsck.erofs", image()});

    if (end.status == 127) VENEER_SKIP_WITHOUT("fsck.erofs");
    EXPECT_EQ(end.status, 0) << name << ": " << end.out << end.err;
  }
}

// What stat(2) says at `path` is what `node` says.
void expect_same_attributes(const Tree& tree, const TreeNode& node,
                            const std::string& path) {
  struct stat st;
  ASSERT_EQ(::lstat(path.c_str(), &st), 0) << std::strerror(errno);
  // A whiteout is an empty file to who knows nothing of overlays.
  const mode_t mode =
      node.is_whiteout() ? (node.mode & ~mode_t{S_IFMT}) | S_IFREG : node.mode;
  EXPECT_EQ(st.st_mode, mode);
  EXPECT_EQ(st.st_uid, node.uid);
  EXPECT_EQ(st.st_gid, node.gid);
  EXPECT_EQ(st.st_mtim.tv_sec, node.mtime);
  EXPECT_EQ(st.st_mtim.tv_nsec, node.mtime_nsec);
  if (node.is_regular() || node.is_symlink()) {
    EXPECT_EQ(static_cast<std::uint64_t>(st.st_size), node.size);
  }
  if (!node.is_dir()) {
    EXPECT_EQ(st.st_nlink, node.nlink);
  }
  if (node.is_symlink()) {
    std::array<char, 4200> target;
    const ssize_t length =
        ::readlink(path.c_str(), target.data(), target.size());
    EXPECT_EQ(std::string_view(
                  target.data(),
                  static_cast<std::size_t>(std::max<ssize_t>(length, 0))),
              tree.text(node));
  }
}

TEST_P(ComposefsWriterTest, KernelShowsTheTreeThatTheDumpSays) {
  if (::geteuid() != 0) VENEER_SKIP_WITHOUT("root's rights, to mount");
  for (const auto& [name, dump] : composefs::golden_dumps()) {
    SCOPED_TRACE(name);
    write(composefs::image_of(dump, versions()));
    if (::mount(image().c_str(), mnt("").c_str(), "erofs", MS_RDONLY,
                nullptr) != 0) {
      VENEER_SKIP_WITHOUT("EROFS in the kernel that mounts files");
    }
    const auto tree = composefs::read_dump(dump);
    ASSERT_TRUE(tree) << tree.error().message();

    for (NodeIndex i = 0; i < (*tree)->size(); ++i) {
      const std::string path = (*tree)->path(i);
      SCOPED_TRACE(path.substr(0, 80));
      const TreeNode& node = (*tree)->node((*tree)->target(i));
      expect_same_attributes(**tree, node, mnt(path));
      if (node.is_inline) {
        std::ostringstream content;
        content << std::ifstream(mnt(path), std::ios::binary).rdbuf();
        EXPECT_TRUE(content.str() == (*tree)->text(node));
      }
      EXPECT_TRUE((*tree)->target(i) == i ||
                  std::filesystem::equivalent(
                      mnt(path), mnt((*tree)->path((*tree)->target(i)))));
    }
    std::size_t entries = 0;
    for (const auto& entry : std::filesystem::directory_iterator(mnt(""))) {
      static_cast<void>(entry);
      ++entries;
    }
    EXPECT_GE(entries, 256U) << "the stubs are there";
    unmount();
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, ComposefsWriterTest,
                         ::testing::Values(0U, 1U));

}  // namespace
}  // namespace veneer::testing
