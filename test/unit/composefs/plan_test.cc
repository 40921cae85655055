// SPDX-License-Identifier: MIT
//
// Where things go in an image. That the whole is right to the byte is the
// golden test's to say; here are the rules at their edges, by name.

#include "composefs/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "composefs/dump_text.h"

namespace veneer::composefs {
namespace {

using ::testing::HasSubstr;

constexpr NodeIndex kFirst = 1;

struct Planned {
  TreePtr tree;
  std::unique_ptr<const Plan> plan;
};

Planned planned(const std::string& lines, ImageVersions versions = {}) {
  auto tree = read_dump("/ 0 40755 2 0 0 0 0.0 - - -\n" + lines);
  EXPECT_TRUE(tree) << tree.error().message();
  auto plan = Plan::make(**tree, versions);
  EXPECT_TRUE(plan) << plan.error().message();
  return {*std::move(tree), *std::move(plan)};
}

std::string file(const std::string& name, std::uint64_t size) {
  return "/" + name + " " + std::to_string(size) +
         " 100644 1 0 0 0 0.0 - - -\n";
}

TEST(Plan, RootIsFirstAndStubsHideTheStore) {
  const auto [tree, plan] = planned("");

  EXPECT_EQ(plan->nid(kRootNode), 36U);
  EXPECT_EQ(plan->inodes().size(), 257U);
  EXPECT_EQ(plan->nid(plan->inodes()[1]), 38U);
  EXPECT_EQ(plan->version(), 0U);
}

TEST(Plan, NamesOfStubsThatAreTakenAreLeftOut) {
  const auto [tree, plan] = planned(file("00", 0) + file("fe", 0));

  EXPECT_EQ(plan->inodes().size(), 257U);
}

TEST(Plan, WhiteoutsNeedVersion1) {
  const std::string whiteout = "/w 0 20644 1 0 0 0 0.0 - - -\n";

  EXPECT_EQ(planned(whiteout).plan->version(), 1U);
  EXPECT_EQ(planned(whiteout, {0, 0}).plan->version(), 0U);
  EXPECT_EQ(planned("", {1, 1}).plan->version(), 1U);
  EXPECT_EQ(planned("", {1, 0}).plan->version(), 1U) << "max rises to min";
}

TEST(Plan, VersionsThatAreNotKnownAreRefused) {
  auto tree = read_dump("/ 0 40755 2 0 0 0 0.0 - - -\n");
  ASSERT_TRUE(tree);

  const auto plan = Plan::make(**tree, {0, 2});

  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), EINVAL);
}

TEST(Plan, WhiteoutBecomesARegularFile) {
  const auto [tree, plan] = planned("/w 0 20644 1 0 0 0 0.0 - - -\n");

  EXPECT_EQ(plan->mode(kFirst), S_IFREG | 0644);
  EXPECT_EQ(plan->size(kFirst), 0U);
}

TEST(Plan, ChunksGrowWithTheFile) {
  EXPECT_EQ(decide_chunks(1).bits, 12U);
  EXPECT_EQ(decide_chunks(4096).count, 1U);
  EXPECT_EQ(decide_chunks(4097).bits, 13U);
  EXPECT_EQ(decide_chunks(std::uint64_t{1} << 32).bits, 32U);
  EXPECT_EQ(decide_chunks(std::uint64_t{1} << 43).bits, 43U);
  EXPECT_EQ(decide_chunks((std::uint64_t{1} << 43) + 1).count, 2U);
  EXPECT_EQ(decide_chunks(std::uint64_t{1} << 53).count, 1024U);
  EXPECT_EQ(decide_chunks(std::numeric_limits<std::uint64_t>::max()).count,
            std::uint64_t{1} << 21);
}

TEST(Plan, FileOfMoreThan1024ChunksIsRefused) {
  auto tree = read_dump("/ 0 40755 2 0 0 0 0.0 - - -\n" +
                        file("huge", (std::uint64_t{1} << 53) + 1));
  ASSERT_TRUE(tree);

  const auto plan = Plan::make(**tree, {});

  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), EFBIG);
  EXPECT_THAT(plan.error().message(), HasSubstr("/huge"));
}

TEST(Plan, CompactInodesAreForWhatFitsAndIsTheOldest) {
  const auto [tree, plan] = planned(
      "/compact 0 100644 65535 65535 65535 0 0.0 - - -\n"
      "/gid 0 100644 1 0 65536 0 0.0 - - -\n"
      "/later 0 100644 1 0 0 0 0.1 - - -\n"
      "/nlink 0 100644 65536 0 0 0 0.0 - - -\n"
      "/size 4294967296 100644 1 0 0 0 0.0 - - -\n"
      "/fifo 4294967296 10644 1 0 0 0 0.0 - - -\n"
      "/uid 0 100644 1 65536 0 0 0.0 - - -\n");

  EXPECT_FALSE(plan->is_extended(kFirst));
  for (NodeIndex i = kFirst + 1; i < tree->size(); ++i) {
    EXPECT_TRUE(plan->is_extended(i)) << tree->path(i);
  }
}

TEST(Plan, BuildTimeIsThatOfTheOldestObject) {
  const auto [tree, plan] = planned(
      "/a 0 100644 1 0 0 0 -2.5 - - -\n/b 0 100644 1 0 0 0 -2.4 - - -\n");

  EXPECT_EQ(plan->build_time(), -2);
  EXPECT_EQ(plan->build_time_nsec(), 4U);
}

TEST(Plan, SubdirectoriesCountAsLinks) {
  const auto [tree, plan] =
      planned("/d 0 40755 9 0 0 0 0.0 - - -\n/d/e 0 40755 9 0 0 0 0.0 - - -\n" +
              file("f", 0));

  EXPECT_EQ(plan->nlink(kRootNode), 3U);
  EXPECT_EQ(plan->nlink(kFirst), 3U);
  EXPECT_EQ(plan->nlink(kFirst + 1), 2U);
  EXPECT_EQ(plan->nlink(kFirst + 2), 1U);
}

TEST(Plan, NoTailAndNoSymlinkCrossesABlock) {
  std::string lines;
  for (int i = 1; i < 400; ++i) {
    const auto n = static_cast<std::size_t>(i);
    lines += "/s" + std::to_string(i) + " 0 120777 1 0 0 0 0.0 " +
             std::string(n * 10, 't') + " - -\n";
    lines += "/f" + std::to_string(i) + " " + std::to_string(n * 5) +
             " 100644 1 0 0 0 0.0 - " + std::string(n * 5, 'c') + " -\n";
  }
  const auto [tree, plan] = planned(lines);

  for (const NodeIndex index : plan->inodes()) {
    const TreeNode& node = plan->node(index);
    const std::uint64_t start = plan->nid(index) * kInodeSlot;
    const std::uint64_t head =
        start + (plan->is_extended(index) ? 64U : 32U) +
        plan->xattrs().size_of(node, plan->xattr_set(index));
    const std::uint64_t tail = plan->extent(index).tail;
    if (tail == 0) continue;
    EXPECT_EQ(head / kBlockSize, (head + tail - 1) / kBlockSize) << index;
    if (!node.is_symlink()) continue;
    EXPECT_EQ(start / kBlockSize, (head + tail - 1) / kBlockSize) << index;
  }
}

TEST(Plan, TreeIsLaidOutAsOftenAsWanted) {
  auto tree = read_dump("/ 0 40755 2 0 0 0 0.0 - - -\n" + file("a", 9));
  ASSERT_TRUE(tree);

  const auto first = Plan::make(**tree, {});
  const auto second = Plan::make(**tree, {});

  ASSERT_TRUE(first && second);
  EXPECT_EQ((*first)->blocks(), (*second)->blocks());
  EXPECT_EQ((*first)->nid(kFirst), (*second)->nid(kFirst));
}

}  // namespace
}  // namespace veneer::composefs
