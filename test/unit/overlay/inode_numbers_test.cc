// SPDX-License-Identifier: MIT
//
// Inode numbers in the three modes: unique, and the same for the life of an
// object.

#include "overlay/inode_numbers.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <thread>
#include <vector>

#include "base/hash.h"

namespace veneer::overlay {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::function<std::string()> path(std::string text) {
  return [text] { return text; };
}
std::function<std::string()> no_path() {
  return [] {
    ADD_FAILURE() << "asked for a path";
    return std::string();
  };
}

// --- layer ------------------------------------------------------------------

TEST(LayerNumbers, OneFileSystemKeepsItsNumbers) {
  InodeNumbers numbers(InodeMode::kLayer);
  numbers.add_device(10);
  for (const std::uint64_t inode :
       {std::uint64_t{1}, std::uint64_t{1} << 40, std::uint64_t{1} << 60}) {
    EXPECT_EQ(numbers.number_of({10, inode}, no_path()), inode);
  }
}

TEST(LayerNumbers, OtherFileSystemsHaveTheirBitsInTheOrderOfTheCalls) {
  InodeNumbers numbers(InodeMode::kLayer);
  numbers.add_device(10);
  numbers.add_device(20);
  numbers.add_device(20);
  numbers.add_device(30);

  EXPECT_EQ(numbers.number_of({10, 5}, no_path()), 5U);
  EXPECT_EQ(numbers.number_of({20, 5}, no_path()), std::uint64_t{1} << 52 | 5);
  EXPECT_EQ(numbers.number_of({30, 5}, no_path()), std::uint64_t{2} << 52 | 5);
}

TEST(LayerNumbers, NumbersOfSeveralFileSystemsNeverMeet) {
  InodeNumbers numbers(InodeMode::kLayer);
  std::set<std::uint64_t> seen;
  std::size_t count = 0;
  for (std::uint64_t device = 1; device <= 5; ++device) {
    numbers.add_device(device);
  }
  for (std::uint64_t device = 1; device <= 5; ++device) {
    for (std::uint64_t slot = 0; slot < 6; ++slot) {
      for (const std::uint64_t low : {1, 2, 1000}) {
        seen.insert(numbers.number_of({device, slot << 52 | low}, no_path()));
        ++count;
      }
    }
    for (const std::uint64_t high : {kMax, kMax >> 1, std::uint64_t{1} << 63}) {
      seen.insert(numbers.number_of({device, high}, no_path()));
      ++count;
    }
  }
  EXPECT_EQ(seen.size(), count);
}

TEST(LayerNumbers, NumberWithoutRoomForBitsStaysTheSame) {
  InodeNumbers numbers(InodeMode::kLayer);
  numbers.add_device(1);
  numbers.add_device(2);
  const ObjectKey wide{2, kMax - 3};

  EXPECT_EQ(numbers.number_of(wide, no_path()),
            numbers.number_of(wide, no_path()));
}

TEST(LayerNumbers, MoreFileSystemsThanBitsAreStillApart) {
  InodeNumbers numbers(InodeMode::kLayer);
  std::set<std::uint64_t> seen;
  for (std::uint64_t device = 1; device <= 3000; ++device) {
    seen.insert(numbers.number_of({device, 5}, no_path()));
  }
  EXPECT_EQ(seen.size(), 3000U);
}

// --- virtual ----------------------------------------------------------------

TEST(VirtualNumbers, CountInTheOrderOfFirstSight) {
  InodeNumbers numbers(InodeMode::kVirtual);
  EXPECT_FALSE(numbers.are_recorded());

  EXPECT_EQ(numbers.number_of({1, 77}, no_path()), 1U);
  EXPECT_EQ(numbers.number_of({2, 77}, no_path()), 2U);
  EXPECT_EQ(numbers.number_of({1, 77}, no_path()), 1U);
}

TEST(VirtualNumbers, CopyKeepsItsNumber) {
  InodeNumbers numbers(InodeMode::kVirtual);
  const std::uint64_t number = numbers.number_of({1, 77}, no_path());

  numbers.remember_copy({9, 500}, number);

  EXPECT_EQ(numbers.number_of({9, 500}, no_path()), number);
  EXPECT_EQ(numbers.number_of({9, 501}, no_path()), number + 1);
}

// --- persistent -------------------------------------------------------------

TEST(PersistentNumbers, AreTheHashOfTheFirstPath) {
  InodeNumbers numbers(InodeMode::kPersistent);
  EXPECT_TRUE(numbers.are_recorded());

  const std::uint64_t number = numbers.number_of({1, 7}, path("etc/motd"));

  EXPECT_EQ(number, fnv1a64("etc/motd"));
  EXPECT_EQ(numbers.number_of({1, 7}, path("another/name")), number);
}

TEST(PersistentNumbers, AreTheSameInEveryMount) {
  InodeNumbers one(InodeMode::kPersistent);
  InodeNumbers other(InodeMode::kPersistent);
  other.number_of({1, 1}, path("unrelated"));

  EXPECT_EQ(one.number_of({1, 7}, path("a")),
            other.number_of({5, 9}, path("a")));
}

TEST(PersistentNumbers, SecondObjectOfAPathGetsTheNextFreeOne) {
  InodeNumbers numbers(InodeMode::kPersistent);
  const std::uint64_t hash = fnv1a64("a");

  EXPECT_EQ(numbers.number_of({1, 1}, path("a")), hash);
  EXPECT_EQ(numbers.number_of({1, 2}, path("a")), hash + 1);
  EXPECT_EQ(numbers.reserve("a"), hash + 2);
  EXPECT_EQ(numbers.reserve("a"), hash + 3);
  EXPECT_EQ(numbers.number_of({1, 3}, path("a")), hash + 4);
}

TEST(PersistentNumbers, CopyKeepsItsNumber) {
  InodeNumbers numbers(InodeMode::kPersistent);
  const std::uint64_t number = numbers.number_of({1, 1}, path("a"));

  numbers.remember_copy({9, 500}, number);

  EXPECT_EQ(numbers.number_of({9, 500}, path("elsewhere")), number);
}

// A copy from an earlier mount carries the number that a lower object of the
// same path has here.
TEST(PersistentNumbers, RecordedOneGivesWayToWhoHasItAlready) {
  InodeNumbers numbers(InodeMode::kPersistent);
  const std::uint64_t hash = fnv1a64("a");
  ASSERT_EQ(numbers.number_of({1, 1}, path("a")), hash);

  EXPECT_EQ(numbers.number_recorded({9, 500}, hash), hash + 1);
  EXPECT_EQ(numbers.number_recorded({9, 500}, hash), hash + 1);
}

TEST(PersistentNumbers, RecordedOneIsTaken) {
  InodeNumbers numbers(InodeMode::kPersistent);
  const std::uint64_t hash = fnv1a64("a");

  EXPECT_EQ(numbers.number_recorded({9, 500}, hash), hash);

  EXPECT_EQ(numbers.number_of({1, 1}, path("a")), hash + 1);
}

TEST(PersistentNumbers, RecordedOneOfACopyIsTheOriginals) {
  InodeNumbers numbers(InodeMode::kPersistent);
  const std::uint64_t number = numbers.number_of({1, 1}, path("a"));

  numbers.remember_copy({9, 500}, number);

  EXPECT_EQ(numbers.number_recorded({9, 500}, number), number);
}

TEST(PersistentNumbers, ReservedOneIsForWhoCarriesIt) {
  InodeNumbers numbers(InodeMode::kPersistent);
  const std::uint64_t number = numbers.reserve("a");

  EXPECT_EQ(numbers.number_recorded({9, 500}, number), number);
  EXPECT_EQ(numbers.number_of({1, 1}, path("a")), number + 1);
}

// --- Threads ----------------------------------------------------------------

TEST(InodeNumbersThreads, AgreeOnEachObject) {
  for (const auto mode :
       {InodeMode::kLayer, InodeMode::kVirtual, InodeMode::kPersistent}) {
    InodeNumbers numbers(mode);
    constexpr std::uint64_t kObjects = 500;
    std::vector<std::uint64_t> seen[4];
    std::vector<std::thread> threads;
    for (auto& mine : seen) {
      threads.emplace_back([&] {
        for (std::uint64_t i = 0; i < kObjects; ++i) {
          mine.push_back(
              numbers.number_of({i % 3, i}, path("p" + std::to_string(i))));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& mine : seen) EXPECT_EQ(mine, seen[0]);
    EXPECT_EQ(std::set(seen[0].begin(), seen[0].end()).size(), kObjects);
  }
}

}  // namespace
}  // namespace veneer::overlay
