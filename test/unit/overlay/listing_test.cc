// SPDX-License-Identifier: MIT
//
// Merged listings: cookies that mean the same for ever, also where names share
// a hash.

#include "overlay/listing.h"

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "test/unit/overlay/colliding_names.h"

namespace veneer::overlay {
namespace {

using ::testing::ElementsAreArray;
using veneer::testing::colliding_names;
using veneer::testing::expect_collisions_are_cheap;

ListingItem item(std::string name, LayerIndex layer = 1,
                 std::uint8_t type = DT_REG) {
  return {.name = std::move(name), .ino = 7, .layer = layer, .type = type};
}

std::map<std::string, std::uint64_t> cookies_of(const Listing& listing) {
  std::map<std::string, std::uint64_t> cookies;
  for (auto it = listing.after(0); it != listing.end(); ++it) {
    cookies.emplace(it->second.name, it->first);
  }
  return cookies;
}

std::vector<std::string> numbered(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("name" + std::to_string(i));
  return names;
}

TEST(CollidingNames, ShareOneHash) {
  const auto names = colliding_names(1000);
  for (const std::string& name : names) {
    ASSERT_EQ(hash_name(name), hash_name(names.front()));
  }
}

TEST(Listing, FindsWhatWasInsertedAndNothingElse) {
  Listing listing;
  listing.insert(item("a", 3, DT_LNK));

  ASSERT_NE(listing.find("a"), nullptr);
  EXPECT_EQ(listing.find("a")->layer, 3);
  EXPECT_EQ(listing.find("a")->type, DT_LNK);
  EXPECT_EQ(listing.find("b"), nullptr);
  EXPECT_EQ(listing.find(""), nullptr);
}

TEST(Listing, ItemOfTheSameNameIsReplaced) {
  Listing listing;
  listing.insert(item("a", 1, DT_DIR));
  const auto before = cookies_of(listing);
  listing.insert(item("a", 0, DT_REG));

  EXPECT_EQ(listing.size(), 1U);
  EXPECT_EQ(listing.find("a")->layer, 0);
  EXPECT_EQ(listing.subdirs(), 0U);
  EXPECT_EQ(cookies_of(listing), before);
}

TEST(Listing, CountsItsSubdirectories) {
  Listing listing;
  listing.insert(item("a", 1, DT_DIR));
  listing.insert(item("b", 1, DT_DIR));
  listing.insert(item("f", 1, DT_REG));
  EXPECT_EQ(listing.subdirs(), 2U);

  listing.erase("a");
  listing.erase("f");
  listing.erase("absent");

  EXPECT_EQ(listing.subdirs(), 1U);
  EXPECT_EQ(listing.size(), 1U);
}

TEST(Listing, CookiesLeaveRoomForDotAndDotDotAndFitASignedNumber) {
  Listing listing;
  for (const std::string& name : numbered(5000)) listing.insert(item(name));
  for (const auto& [name, cookie] : cookies_of(listing)) {
    EXPECT_GE(cookie, Listing::kFirstCookie);
    EXPECT_LT(cookie, std::uint64_t{1} << 63);
  }
}

TEST(Listing, CookieIsTheSameInEveryListing) {
  auto names = numbered(1000);
  Listing one;
  for (const std::string& name : names) one.insert(item(name));
  std::ranges::reverse(names);
  Listing other;
  for (const std::string& name : names) other.insert(item(name));
  for (int i = 0; i < 500; ++i) other.erase("name" + std::to_string(i));
  for (int i = 0; i < 500; ++i) other.insert(item("name" + std::to_string(i)));

  EXPECT_EQ(cookies_of(one), cookies_of(other));
}

TEST(Listing, ContinuesBehindACookieThatIsGone) {
  Listing listing;
  for (const std::string& name : numbered(100)) listing.insert(item(name));
  auto it = listing.after(0);
  std::advance(it, 40);
  const std::uint64_t cookie = it->first;
  const std::string next = std::next(it)->second.name;

  listing.erase(std::string(it->second.name));

  EXPECT_EQ(listing.after(cookie)->second.name, next);
}

TEST(Listing, RemembersTheDevicesOfItsLayers) {
  Listing listing;
  listing.set_device(0, 11);
  listing.set_device(2, 13);

  EXPECT_EQ(listing.device_of(0), 11U);
  EXPECT_EQ(listing.device_of(2), 13U);
  EXPECT_EQ(listing.device_of(1), 0U);
}

// --- Names that share a hash ------------------------------------------------

TEST(CollidingListing, EachNameIsFoundWhateverTheirNumber) {
  const auto names = colliding_names(500);
  Listing listing;
  for (const std::string& name : names) listing.insert(item(name));

  EXPECT_EQ(listing.size(), names.size());
  for (const std::string& name : names) {
    const ListingItem* found = listing.find(name);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->name, name);
  }
  EXPECT_EQ(listing.find(colliding_names(501).back()), nullptr);
}

TEST(CollidingListing, EachNameIsThereOnce) {
  const auto names = colliding_names(200);
  Listing listing;
  for (const std::string& name : names) listing.insert(item(name, 1));
  for (const std::string& name : names) listing.insert(item(name, 2));

  EXPECT_EQ(listing.size(), names.size());
  EXPECT_EQ(listing.find(names.back())->layer, 2);
}

TEST(CollidingListing, NamesStayFoundWhileOthersGo) {
  auto names = colliding_names(300);
  Listing listing;
  for (const std::string& name : names) {
    listing.insert(item(name, 1, DT_DIR));
  }
  std::ranges::shuffle(names, std::mt19937(1));  // NOLINT: the same each time
  while (!names.empty()) {
    listing.erase(names.back());
    EXPECT_EQ(listing.find(names.back()), nullptr);
    names.pop_back();
    ASSERT_EQ(listing.size(), names.size());
    ASSERT_EQ(listing.subdirs(), names.size());
    if (names.size() % 50 != 0) continue;
    for (const std::string& name : names) {
      ASSERT_NE(listing.find(name), nullptr);
    }
  }
}

TEST(CollidingListing, BuildsOfTheSameNamesHaveTheSameCookies) {
  auto names = colliding_names(100);
  const auto others = numbered(50);
  names.insert(names.end(), others.begin(), others.end());
  std::map<std::string, std::uint64_t> first;
  for (unsigned seed = 1; seed < 5; ++seed) {
    std::ranges::shuffle(names, std::mt19937(seed));
    Listing listing;
    for (const std::string& name : names) listing.insert(item(name));
    listing.settle();
    if (first.empty()) first = cookies_of(listing);
    EXPECT_EQ(cookies_of(listing), first) << seed;
  }
}

TEST(CollidingListing, SettledListingIsInNameOrderAndWhole) {
  auto names = colliding_names(100);
  Listing listing;
  for (const std::string& name : names) {
    listing.insert(item(name, 1, DT_DIR));
  }
  listing.settle();
  std::ranges::sort(names);

  std::vector<std::string> listed;
  for (auto it = listing.after(0); it != listing.end(); ++it) {
    listed.push_back(it->second.name);
  }
  EXPECT_THAT(listed, ElementsAreArray(names));
  EXPECT_EQ(listing.subdirs(), names.size());
}

TEST(CollidingListing, IterationSeesEachNameThatStaysOnce) {
  const auto names = colliding_names(120);
  Listing listing;
  for (const std::string& name : names) listing.insert(item(name));
  listing.settle();
  std::map<std::string, int> seen;
  std::uint64_t cookie = 0;
  // Every third name comes and goes on the way.
  for (std::size_t step = 0;; ++step) {
    const auto it = listing.after(cookie);
    if (it == listing.end()) break;
    cookie = it->first;
    ++seen[it->second.name];
    const std::string& other = names[step * 3 % names.size()];
    listing.erase(other);
    listing.insert(item(other));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i % 3 != 0) {
      EXPECT_EQ(seen[names[i]], 1) << i;
    }
  }
}

// A layer may hold as many of them as its maker likes.
TEST(CollidingListing, ManyNamesTakeAboutAsLongAsManyOthers) {
  expect_collisions_are_cheap([](const std::vector<std::string>& names) {
    Listing listing;
    for (const std::string& name : names) listing.insert(item(name));
    listing.settle();
    for (const std::string& name : names) {
      ASSERT_NE(listing.find(name), nullptr);
    }
    for (const std::string& name : names) listing.erase(name);
    EXPECT_TRUE(listing.empty());
  });
}

// --- The cache --------------------------------------------------------------

std::shared_ptr<Listing> listing_of(std::size_t size) {
  auto listing = std::make_shared<Listing>();
  for (const std::string& name : numbered(static_cast<int>(size))) {
    listing->insert(item(name));
  }
  return listing;
}

TEST(ListingCache, KeepsTheMostRecentUpToANumberOfEntries) {
  ListingCache cache(100);
  std::vector<std::weak_ptr<Listing>> kept;
  for (std::uint64_t id = 1; id <= 4; ++id) {
    auto listing = listing_of(30);
    kept.emplace_back(listing);
    cache.keep(NodeId{id}, std::move(listing));
  }

  EXPECT_TRUE(kept[0].expired());
  EXPECT_FALSE(kept[1].expired());
  EXPECT_FALSE(kept[3].expired());
}

TEST(ListingCache, KeepsOneThatIsLargerThanTheWhole) {
  ListingCache cache(10);
  auto big = listing_of(50);
  const std::weak_ptr<Listing> kept = big;
  cache.keep(NodeId{1}, std::move(big));

  EXPECT_FALSE(kept.expired());
}

TEST(ListingCache, DroppedListingIsFreedAndItsRoomIsUsedAgain) {
  ListingCache cache(100);
  std::weak_ptr<Listing> first;
  for (int round = 0; round < 10; ++round) {
    auto listing = listing_of(60);
    first = listing;
    cache.keep(NodeId{1}, std::move(listing));
    auto other = listing_of(30);
    const std::weak_ptr<Listing> second = other;
    cache.keep(NodeId{2}, std::move(other));
    EXPECT_FALSE(first.expired()) << round;
    cache.drop(NodeId{1});
    EXPECT_TRUE(first.expired()) << round;
    EXPECT_FALSE(second.expired()) << round;
    cache.drop(NodeId{1});
  }
}

TEST(ListingCache, AnotherListingOfADirectoryReplacesTheFirst) {
  ListingCache cache(100);
  auto old = listing_of(90);
  const std::weak_ptr<Listing> first = old;
  cache.keep(NodeId{1}, std::move(old));
  auto fresh = listing_of(90);
  const std::weak_ptr<Listing> second = fresh;
  cache.keep(NodeId{1}, std::move(fresh));

  EXPECT_TRUE(first.expired());
  EXPECT_FALSE(second.expired());
}

}  // namespace
}  // namespace veneer::overlay
