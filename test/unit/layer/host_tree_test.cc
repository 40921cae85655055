// SPDX-License-Identifier: MIT
//
// Reaching objects by descriptor: never outside, never the wrong inode, at any
// depth, while names move.

#include "layer/host/host_tree.h"

#include <atomic>
#include <thread>
#include <vector>

#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "test/unit/layer/scratch.h"

namespace veneer::layer {
namespace {

using veneer::testing::code_of;

class HostTreeTest : public veneer::testing::Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    make_dir("root");
  }
  HostTree open(bool changes, std::size_t cached = 8) {
    sys::UniqueFd fd = open_path("root");
    const Attr attr = *sys::stat_fd(fd.get());
    return HostTree(std::move(fd), attr, changes, cached);
  }
  /// A node for what stands at `root/where` now.
  HostNodeRef node(const HostNodeRef& parent, const std::string& name,
                   const std::string& where) {
    const auto attr = sys::stat_fd(open_path("root/" + where).get());
    EXPECT_TRUE(attr) << where;
    return make_ref<HostNode>(parent, name, attr ? *attr : Attr{});
  }
};

TEST_F(HostTreeTest, ReachesObjectsRelativeToTheirParents) {
  write("root/a/b/file", "text");
  HostTree tree = open(false);
  const auto a = node(tree.root(), "a", "a");
  const auto b = node(a, "b", "a/b");
  const auto file = node(b, "file", "a/b/file");

  const auto fd = tree.open(*file, O_RDONLY);

  ASSERT_TRUE(fd) << fd.error().message();
  EXPECT_EQ(sys::stat_fd(fd->get())->ino, stat_of("root/a/b/file").st_ino);
  EXPECT_EQ(tree.stat(*file)->size, 4U);
  EXPECT_EQ(tree.path_of(*file), "a/b/file");
  EXPECT_EQ(tree.path_of(*tree.root()), "");
}

TEST_F(HostTreeTest, RootIsReachedWithoutAName) {
  HostTree tree = open(true);

  EXPECT_EQ(tree.stat(*tree.root())->ino, stat_of("root").st_ino);
  EXPECT_TRUE(tree.open(*tree.root(), O_RDONLY | O_DIRECTORY));
  EXPECT_TRUE(tree.dir_fd(*tree.root()));
}

TEST_F(HostTreeTest, NoLinkIsFollowed) {
  write("secret", "x");
  make_dir("elsewhere");
  make_link("../secret", "root/file");
  make_link("../elsewhere", "root/dir");
  HostTree tree = open(false);

  EXPECT_EQ(code_of(tree.open(*node(tree.root(), "file", "file"), O_RDONLY)),
            ELOOP);
  EXPECT_NE(code_of(tree.dir_fd(*node(tree.root(), "dir", "dir"))), 0);
  EXPECT_TRUE(
      tree.open(*node(tree.root(), "file", "file"), O_PATH | O_NOFOLLOW));
}

TEST_F(HostTreeTest, NameThatLeadsOutIsRefused) {
  HostTree tree = open(false);
  const auto up = make_ref<HostNode>(tree.root(), "..", Attr{});
  const auto path = make_ref<HostNode>(tree.root(), "../secret", Attr{});
  write("secret", "x");

  EXPECT_EQ(code_of(tree.dir_fd(*up)), EINVAL);
  EXPECT_EQ(code_of(tree.open(*path, O_RDONLY)), EINVAL);
}

TEST_F(HostTreeTest, ChangingLayerNeverAnswersForAnotherInode) {
  write("root/file", "old");
  HostTree tree = open(true);
  const auto file = node(tree.root(), "file", "file");
  write("new", "new");
  ASSERT_EQ(::rename(path("new").c_str(), path("root/file").c_str()), 0);

  EXPECT_EQ(code_of(tree.open(*file, O_RDONLY)), ESTALE);
  EXPECT_EQ(code_of(tree.stat(*file)), ESTALE);
}

TEST_F(HostTreeTest, UnchangingLayerTakesItsNamesOnTrust) {
  write("root/file", "old");
  HostTree tree = open(false);
  const auto file = node(tree.root(), "file", "file");
  write("new", "newer");
  ASSERT_EQ(::rename(path("new").c_str(), path("root/file").c_str()), 0);

  EXPECT_EQ(tree.stat(*file)->size, 5U);
}

TEST_F(HostTreeTest, RelocatedNodeIsReachedAtItsNewPlace) {
  write("root/a/file", "x");
  make_dir("root/b");
  HostTree tree = open(true);
  const auto a = node(tree.root(), "a", "a");
  const auto b = node(tree.root(), "b", "b");
  const auto file = node(a, "file", "a/file");
  ASSERT_EQ(::rename(path("root/a/file").c_str(), path("root/b/f").c_str()), 0);

  EXPECT_EQ(code_of(tree.stat(*file)), ENOENT);
  EXPECT_TRUE(tree.is_at(*file, *a, "file"));
  tree.relocate(*file, b, "f");

  EXPECT_TRUE(tree.stat(*file));
  EXPECT_EQ(tree.path_of(*file), "b/f");
  EXPECT_TRUE(tree.is_at(*file, *b, "f"));
  EXPECT_FALSE(tree.is_at(*file, *a, "file"));
}

TEST_F(HostTreeTest, WhatIsInAMovedDirectoryMovesWithIt) {
  write("root/a/d/file", "x");
  HostTree tree = open(true);
  const auto a = node(tree.root(), "a", "a");
  const auto d = node(a, "d", "a/d");
  const auto file = node(d, "file", "a/d/file");
  ASSERT_TRUE(tree.stat(*file));
  ASSERT_EQ(::rename(path("root/a/d").c_str(), path("root/moved").c_str()), 0);
  tree.relocate(*d, tree.root(), "moved");

  EXPECT_TRUE(tree.stat(*file));
  EXPECT_EQ(tree.path_of(*file), "moved/file");
}

TEST_F(HostTreeTest, PinnedNodeIsReachedWithoutItsName) {
  write("root/file", "kept");
  HostTree tree = open(true);
  const auto file = node(tree.root(), "file", "file");
  EXPECT_FALSE(tree.is_pinned(*file));
  tree.pin(*file, sys::share(open_path("root/file")));
  ASSERT_EQ(::unlink(path("root/file").c_str()), 0);

  EXPECT_TRUE(tree.is_pinned(*file));
  EXPECT_FALSE(tree.is_at(*file, *tree.root(), "file"));
  EXPECT_EQ(tree.stat(*file)->nlink, 0U);
  const auto fd = tree.open(*file, O_RDWR);
  ASSERT_TRUE(fd) << fd.error().message();
  char text[4];
  EXPECT_EQ(::read(fd->get(), text, 4), 4);
}

TEST_F(HostTreeTest, ReplacedDirectoryIsAnotherInodeAtTheSamePlace) {
  make_dir("root/d");
  HostTree tree = open(true);
  const auto d = node(tree.root(), "d", "d");
  ASSERT_TRUE(tree.dir_fd(*d));
  make_dir("fresh");
  ASSERT_EQ(::rename(path("fresh").c_str(), path("root/d").c_str()), 0);
  tree.replace(*d, *sys::stat_fd(open_path("root/d").get()));

  EXPECT_TRUE(tree.stat(*d));
  EXPECT_EQ(sys::stat_fd((*tree.dir_fd(*d))->get())->ino,
            stat_of("root/d").st_ino);
}

TEST_F(HostTreeTest, NoMoreDirectoriesAreOpenThanAskedFor) {
  std::vector<HostNodeRef> dirs;
  HostTree tree = open(false, 4);
  for (int i = 0; i < 50; ++i) {
    const std::string name = "d" + std::to_string(i);
    make_dir("root/" + name);
    dirs.push_back(node(tree.root(), name, name));
  }
  const auto open_now = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         {});
  };
  const auto before = open_now();

  for (const auto& dir : dirs) ASSERT_TRUE(tree.dir_fd(*dir));

  EXPECT_LE(open_now(), before + 4);
  EXPECT_TRUE(tree.dir_fd(*dirs.front()));
}

TEST_F(HostTreeTest, ChainOfAnyDepthIsReachedNamedAndFreed) {
  constexpr int kDepth = 20'000;
  make_deep("root", "d", kDepth);
  HostTree tree = open(false, 64);
  HostNodeRef at = tree.root();
  for (int i = 0; i < kDepth; ++i) {
    at = make_ref<HostNode>(std::move(at), "d", Attr{});
  }

  const auto attr = tree.stat(*at);

  ASSERT_TRUE(attr) << attr.error().message();
  EXPECT_EQ(attr->nlink, 2U);
  EXPECT_EQ(tree.path_of(*at).size(), 2U * kDepth - 1);
  at = nullptr;  // frees the chain, without recursion
}

TEST_F(HostTreeTest, NodeBelowARemovedOneIsAnError) {
  write("root/a/file", "x");
  HostTree tree = open(true);
  const auto a = node(tree.root(), "a", "a");
  const auto file = node(a, "file", "a/file");
  std::filesystem::remove_all(path("root/a"));

  EXPECT_EQ(code_of(tree.stat(*file)), ENOENT);
}

TEST_F(HostTreeTest, NodeWithoutAPlaceIsStale) {
  HostTree tree = open(true);
  const auto lost = make_ref<HostNode>(nullptr, std::string(), Attr{});

  EXPECT_EQ(code_of(tree.dir_fd(*lost)), ESTALE);
}

// One thread swaps two names under moves(); the others never meet the wrong
// file and never fail.
TEST_F(HostTreeTest, ThreadsReachTheirFileWhileItMoves) {
  write("root/a/file", "x");
  make_dir("root/b");
  HostTree tree = open(true);
  const auto a = node(tree.root(), "a", "a");
  const auto b = node(tree.root(), "b", "b");
  const auto file = node(a, "file", "a/file");
  const std::uint64_t ino = stat_of("root/a/file").st_ino;
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      while (!done) {
        const auto attr = tree.stat(*file);
        ASSERT_TRUE(attr) << attr.error().message();
        ASSERT_EQ(attr->ino, ino);
        const auto fd = tree.open(*file, O_PATH | O_NOFOLLOW);
        ASSERT_TRUE(fd) << fd.error().message();
        ASSERT_EQ(tree.path_of(*file).substr(1), "/file");
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    const auto& from = i % 2 == 0 ? a : b;
    const auto& to = i % 2 == 0 ? b : a;
    const WriterLock moving(tree.moves());
    ASSERT_TRUE(sys::rename_at((*tree.dir_fd(*from))->get(), "file",
                               (*tree.dir_fd(*to))->get(), "file"));
    tree.relocate(*file, to, "file");
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace veneer::layer
