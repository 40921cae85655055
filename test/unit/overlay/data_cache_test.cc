// SPDX-License-Identifier: MIT
//
// The cache of open files: bounded, and never an answer for the wrong side.

#include "overlay/data_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace veneer::overlay {
namespace {

FileData data(int fd, std::shared_ptr<const void> owner = nullptr) {
  FileData data;
  data.fd = fd;
  data.owner = std::move(owner);
  return data;
}

TEST(DataCache, SidesOfAFileAreApart) {
  DataCache cache(10);
  cache.insert(NodeId{1}, DataSide::kLower, data(5));

  ASSERT_TRUE(cache.find(NodeId{1}, DataSide::kLower));
  EXPECT_EQ(cache.find(NodeId{1}, DataSide::kLower)->fd, 5);
  EXPECT_FALSE(cache.find(NodeId{1}, DataSide::kUpperRead));
  EXPECT_FALSE(cache.find(NodeId{1}, DataSide::kUpperWrite));
  EXPECT_FALSE(cache.find(NodeId{2}, DataSide::kLower));
}

TEST(DataCache, LateReaderOfTheLowerIsNotFoundAbove) {
  DataCache cache(10);
  cache.insert(NodeId{1}, DataSide::kUpperWrite, data(7));
  cache.insert(NodeId{1}, DataSide::kLower, data(5));

  EXPECT_EQ(cache.find(NodeId{1}, DataSide::kUpperWrite)->fd, 7);
}

TEST(DataCache, LeastRecentlyUsedIsClosed) {
  DataCache cache(2);
  auto first = std::make_shared<int>();
  auto second = std::make_shared<int>();
  const std::weak_ptr<int> one = first;
  const std::weak_ptr<int> two = second;
  cache.insert(NodeId{1}, DataSide::kLower, data(1, std::move(first)));
  cache.insert(NodeId{2}, DataSide::kLower, data(2, std::move(second)));
  ASSERT_TRUE(cache.find(NodeId{1}, DataSide::kLower));

  cache.insert(NodeId{3}, DataSide::kLower, data(3));

  EXPECT_FALSE(one.expired());
  EXPECT_TRUE(two.expired());
  EXPECT_EQ(cache.size(), 2U);
}

TEST(DataCache, HoldingAnAnswerKeepsItOpen) {
  DataCache cache(1);
  auto owner = std::make_shared<int>();
  const std::weak_ptr<int> open = owner;
  cache.insert(NodeId{1}, DataSide::kLower, data(1, std::move(owner)));
  auto held = cache.find(NodeId{1}, DataSide::kLower);

  cache.insert(NodeId{2}, DataSide::kLower, data(2));
  EXPECT_FALSE(open.expired());
  held.reset();

  EXPECT_TRUE(open.expired());
}

TEST(DataCache, EraseTakesEverySide) {
  DataCache cache(10);
  for (const auto side :
       {DataSide::kLower, DataSide::kUpperRead, DataSide::kUpperWrite}) {
    cache.insert(NodeId{1}, side, data(1));
    cache.insert(NodeId{2}, side, data(2));
  }

  cache.erase(NodeId{1});

  EXPECT_EQ(cache.size(), 3U);
  EXPECT_FALSE(cache.find(NodeId{1}, DataSide::kUpperRead));
  EXPECT_TRUE(cache.find(NodeId{2}, DataSide::kUpperRead));
}

TEST(DataCache, WithoutCapacityNothingIsKept) {
  DataCache cache(0);
  cache.insert(NodeId{1}, DataSide::kLower, data(1));

  EXPECT_FALSE(cache.find(NodeId{1}, DataSide::kLower));
}

TEST(DataCache, ThreadsMayComeAndGo) {
  DataCache cache(8);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 2000; ++i) {
        const int fd = i % 16;  // the same for each file
        const NodeId id{static_cast<std::uint64_t>(fd)};
        cache.insert(id, DataSide::kLower, data(fd, std::make_shared<int>(t)));
        if (const auto found = cache.find(id, DataSide::kLower)) {
          ASSERT_EQ(found->fd, fd);
        }
        if (i % 5 == 0) cache.erase(id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.size(), 8U);
}

}  // namespace
}  // namespace veneer::overlay
