// SPDX-License-Identifier: MIT
//
// Trees deeper than any path and than the stack: looked up, named, changed and
// freed without recursion.

#include "test/unit/overlay/scene.h"

namespace veneer::overlay {
namespace {

using veneer::testing::code_of;

class DeepTreeTest : public veneer::testing::Scene {
 protected:
  /// Down `depth` directories called "d".
  NodeId descend(int depth) {
    NodeId id = kRootId;
    for (int i = 0; i < depth; ++i) {
      const auto entry = fs().lookup(id, "d");
      EXPECT_TRUE(entry && *entry) << i;
      if (!entry || !*entry) return id;
      id = (*entry)->id;
    }
    return id;
  }
};

TEST_F(DeepTreeTest, TwentyThousandLevelsAreWalkedBothWaysAndFreed) {
  constexpr int kDepth = 20'000;
  make_deep("lower", "d", kDepth);
  open();
  const NodeId bottom = descend(kDepth);

  EXPECT_EQ(fs().nodes_in_memory(), kDepth + 1U);
  EXPECT_TRUE(fs().get_attr(bottom));
  int levels = 0;
  for (NodeId id = bottom; id != kRootId; ++levels) {
    const auto above = fs().lookup_parent(id);
    ASSERT_TRUE(above);
    id = above->id;
  }
  EXPECT_EQ(levels, kDepth);
  close();
}

TEST_F(DeepTreeTest, DeepDirectoriesAreCopiedUpParentsFirst) {
  constexpr int kDepth = 1'500;  // longer than a path may be
  make_deep("lower", "d", kDepth);
  open();
  const NodeId bottom = descend(kDepth);

  const auto made = fs().make(caller_, bottom, "f", S_IFREG | 0644, 0, {});

  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(put(made->id, "text"), 0);
  remount();
  EXPECT_TRUE(*fs().lookup(descend(kDepth), "f"));
}

TEST_F(DeepTreeTest, PersistentNumbersOfDeepObjectsComeFromTheirPaths) {
  constexpr int kDepth = 1'500;
  make_deep("lower", "d", kDepth);
  open({.options = {.inode_mode = InodeMode::kPersistent}});
  const std::uint64_t number = fs().get_attr(descend(kDepth))->ino;
  remount();

  EXPECT_EQ(fs().get_attr(descend(kDepth))->ino, number);
}

TEST_F(DeepTreeTest, RenameWhoseRedirectNobodyWouldReadIsLeftToTheCaller) {
  constexpr int kDepth = 2'500;
  make_deep("lower", "d", kDepth);
  open();
  const NodeId above = descend(kDepth - 1);

  const int code =
      code_of(fs().rename(caller_, above, "d", kRootId, "moved", 0));

  EXPECT_EQ(code, EXDEV);
  EXPECT_FALSE(has("moved"));
  EXPECT_TRUE(*fs().lookup(above, "d"));
}

TEST_F(DeepTreeTest, FileWhoseRedirectNobodyWouldReadTakesItsDataAlong) {
  constexpr int kDepth = 2'500;
  make_deep("lower", "d", kDepth);
  open();
  auto id = descend(kDepth);
  ASSERT_TRUE(fs().make(caller_, id, "f", S_IFREG | 0644, 0, {}));
  ASSERT_EQ(put((*fs().lookup(id, "f"))->id, "text"), 0);
  close();
  // What was the upper is a lower now.
  std::filesystem::rename(path("upper"), path("lower2"));
  open({.lowers = {"lower2", "lower"}});
  id = descend(kDepth);

  EXPECT_EQ(code_of(fs().rename(caller_, id, "f", kRootId, "moved", 0)), 0);
  remount();

  EXPECT_EQ(content("moved"), "text");
}

}  // namespace
}  // namespace veneer::overlay
