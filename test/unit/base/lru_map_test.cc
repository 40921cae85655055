// SPDX-License-Identifier: MIT
//
// Who stays in a full map, and who is handed back.

#include "base/lru_map.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace veneer {
namespace {

using Map = LruMap<int, std::string>;

TEST(LruMap, FullMapHandsBackTheLeastRecentlyUsed) {
  Map map(2);
  EXPECT_EQ(map.insert(1, "one"), std::nullopt);
  EXPECT_EQ(map.insert(2, "two"), std::nullopt);

  EXPECT_EQ(map.insert(3, "three"), Map::Entry(1, "one"));

  EXPECT_EQ(map.size(), 2U);
  EXPECT_EQ(map.find(1), nullptr);
  ASSERT_NE(map.find(2), nullptr);
  EXPECT_EQ(*map.find(2), "two");
}

TEST(LruMap, FindingIsUsing) {
  Map map(2);
  map.insert(1, "one");
  map.insert(2, "two");

  map.find(1);

  EXPECT_EQ(map.insert(3, "three"), Map::Entry(2, "two"));
}

TEST(LruMap, ReplacingHandsBackTheFormerValue) {
  Map map(2);
  map.insert(1, "one");
  map.insert(2, "two");

  EXPECT_EQ(map.insert(1, "uno"), Map::Entry(1, "one"));

  EXPECT_EQ(*map.find(1), "uno");
  EXPECT_EQ(map.size(), 2U);
}

TEST(LruMap, WithoutCapacityTheNewEntryComesBack) {
  Map map(0);

  EXPECT_EQ(map.insert(1, "one"), Map::Entry(1, "one"));

  EXPECT_EQ(map.size(), 0U);
}

TEST(LruMap, EraseTakesOutOneEntry) {
  Map map(3);
  map.insert(1, "one");
  map.insert(2, "two");

  EXPECT_EQ(map.erase(1), "one");
  EXPECT_EQ(map.erase(1), std::nullopt);

  EXPECT_EQ(map.size(), 1U);
  EXPECT_EQ(map.pop_oldest(), Map::Entry(2, "two"));
  EXPECT_EQ(map.pop_oldest(), std::nullopt);
}

TEST(LruMap, ShrinkingHandsBackTheOldestFirst) {
  Map map(3);
  map.insert(1, "one");
  map.insert(2, "two");
  map.insert(3, "three");

  const auto evicted = map.set_capacity(1);

  ASSERT_EQ(evicted.size(), 2U);
  EXPECT_EQ(evicted[0].first, 1);
  EXPECT_EQ(evicted[1].first, 2);
  EXPECT_NE(map.find(3), nullptr);
}

TEST(LruMap, ValuesStayWhereTheyAre) {
  Map map(1000);
  map.insert(0, "zero");
  const std::string* const value = map.find(0);

  for (int i = 1; i < 1000; ++i) map.insert(i, "more");

  EXPECT_EQ(map.find(0), value);
}

TEST(LruMap, ClearedMapIsAsNew) {
  Map map(2);
  map.insert(1, "one");

  map.clear();

  EXPECT_EQ(map.size(), 0U);
  EXPECT_EQ(map.insert(2, "two"), std::nullopt);
  EXPECT_EQ(map.pop_oldest(), Map::Entry(2, "two"));
}

TEST(LruMap, ValuesMayBeMovedOnly) {
  LruMap<std::string, std::unique_ptr<int>> map(1);
  map.insert("key", std::make_unique<int>(7));

  ASSERT_NE(map.find("key"), nullptr);
  EXPECT_EQ(**map.find("key"), 7);
  EXPECT_EQ(**map.erase("key"), 7);
}

}  // namespace
}  // namespace veneer
