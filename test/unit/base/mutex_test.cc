// SPDX-License-Identifier: MIT
//
// Mutual exclusion, and in debug builds the order of locks.

#include "base/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

namespace veneer {
namespace {

TEST(Mutex, OnlyOneThreadIsInside) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 2000;
  Mutex mutex(Rank::kLeaf);
  int inside = 0;
  int rounds = 0;
  bool was_alone = true;

  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const MutexLock lock(mutex);
        was_alone = was_alone && ++inside == 1;
        ++rounds;
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_TRUE(was_alone);
  EXPECT_EQ(rounds, kThreads * kRounds);
}

TEST(Mutex, ReadersShareAndKeepWritersOut) {
  Mutex mutex(Rank::kTopology);
  const ReaderLock here(mutex);
  bool reader_got_in = false;
  bool writer_got_in = true;

  std::thread([&] {
    {
      const ReaderLock too(mutex);
      reader_got_in = true;
    }
    if (mutex.try_lock()) {
      mutex.unlock();
    } else {
      writer_got_in = false;
    }
  }).join();

  EXPECT_TRUE(reader_got_in);
  EXPECT_FALSE(writer_got_in);
}

TEST(Mutex, TryLockMayGoAgainstTheOrder) {
  Mutex table(Rank::kTable);
  Mutex dir(Rank::kDir);
  const MutexLock lock(table);

  bool got_in = false;
  if (dir.try_lock()) {
    got_in = true;
    dir.unlock();
  }

  EXPECT_TRUE(got_in);
}

TEST(Mutex, LocksMayBeGivenBackInAnyOrder) {
  Mutex dir(Rank::kDir);
  Mutex table(Rank::kTable);

  dir.lock();
  table.lock();
  dir.unlock();
  table.unlock();

  const MutexLock again(dir);  // nothing is left over from before
}

TEST(Mutex, DirectoriesMayBeHeldTogether) {
  Mutex parent(Rank::kDir);
  Mutex child(Rank::kDir);
  Mutex copy(Rank::kCopy);
  Mutex copy_of_child(Rank::kCopy);

  const std::scoped_lock dirs(parent, child);
  const MutexLock first(copy);
  const MutexLock second(copy_of_child);
}

TEST(CondVar, WaitGivesTheLockAwayMeanwhile) {
  Mutex mutex(Rank::kLeaf);
  CondVar changed;
  bool is_done = false;

  std::thread other([&] {
    const MutexLock lock(mutex);
    is_done = true;
    changed.notify_one();
  });
  {
    const MutexLock lock(mutex);
    while (!is_done) changed.wait(mutex);
  }
  other.join();

  EXPECT_TRUE(is_done);
}

TEST(CondVar, WaitForEndsByItself) {
  Mutex mutex(Rank::kLeaf);
  CondVar never;
  const MutexLock lock(mutex);

  // Spurious wake-ups are allowed; waiting for ever is not.
  while (never.wait_for(mutex, std::chrono::milliseconds(1))) {
  }
}

#ifndef NDEBUG
TEST(MutexDeathTest, UpwardsIsRefused) {
  Mutex table(Rank::kTable);
  Mutex dir(Rank::kDir);
  const MutexLock lock(table);

  EXPECT_DEATH(const MutexLock up(dir),
               "out of order: rank 2, while holding 4");
}

TEST(MutexDeathTest, SharedLocksHaveTheSameOrder) {
  Mutex table(Rank::kTable);
  Mutex topology(Rank::kTopology);
  const ReaderLock lock(table);

  EXPECT_DEATH(const ReaderLock up(topology), "out of order");
}

TEST(MutexDeathTest, TwoTablesAreRefused) {
  Mutex one(Rank::kTable);
  Mutex two(Rank::kTable);
  const MutexLock lock(one);

  EXPECT_DEATH(const MutexLock second(two), "out of order");
}

TEST(MutexDeathTest, AssertHeldTellsTheDifference) {
  Mutex mutex(Rank::kLeaf);

  EXPECT_DEATH(mutex.assert_held(), "");

  const MutexLock lock(mutex);
  mutex.assert_held();
}
#endif

}  // namespace
}  // namespace veneer
