// SPDX-License-Identifier: MIT
//
// Many at once: first writers share one copy-up and lose nothing, makers of
// one name agree on a winner, and nobody waits for a stranger's big copy.

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr int kThreads = 64;

void in_parallel(int count, const std::function<void(int)>& action) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) threads.emplace_back(action, i);
  for (std::thread& thread : threads) thread.join();
}

class ConcurrencyTest : public OverlayTest {};

// Row 65
TEST_P(ConcurrencyTest, SixtyFourFirstWritersLoseNothing) {
  const std::string before(1 << 20, '.');
  mount({.lower = {{{"d", Dir()}, {"d/f", File(before)}}}, .upper = {}});

  in_parallel(kThreads, [this](int i) {
    const Fd fd = open("d/f", O_WRONLY);
    EXPECT_THAT(::pwrite(fd.get(), "W", 1, i * 16'000), SyscallReturns(1));
  });

  std::string after = before;
  for (int i = 0; i < kThreads; ++i) {
    after[static_cast<std::size_t>(i) * 16'000] = 'W';
  }
  EXPECT_TRUE(read_file("d/f") == after);
  EXPECT_EQ(upper().entries().size(), 3U);
}

// Row 65
TEST_P(ConcurrencyTest, AppendersThroughTwoHardLinksLoseNothing) {
  mount({.lower = {{{"a", File("")}, {"b", HardLink("a")}}}, .upper = {}});

  in_parallel(kThreads, [this](int i) {
    EXPECT_THAT(append(i % 2 == 0 ? "a" : "b", "0123456789"), Succeeds());
  });

  EXPECT_EQ(read_file("a").size(), 640U);
  EXPECT_EQ(lstat("a").st_ino, lstat("b").st_ino);
}

TEST_P(ConcurrencyTest, ExclusiveCreateHasOneWinner) {
  mount({.lower = {{{"f", File("old")}}}, .upper = {}});
  ASSERT_THAT(unlink("f"), Succeeds());
  std::atomic<int> winners = 0;

  in_parallel(kThreads, [&](int) {
    const Outcome made = try_open("f", O_CREAT | O_EXCL | O_WRONLY);
    if (made.ok()) {
      ++winners;
    } else {
      EXPECT_EQ(made.error, EEXIST);
    }
  });

  EXPECT_EQ(winners, 1);
}

TEST_P(ConcurrencyTest, EachNameIsRemovedByOneOnly) {
  Tree lower0;
  for (int i = 0; i < 50; ++i) lower0.set("f" + std::to_string(i), File());
  mount({.lower = {lower0}, .upper = {}});
  std::atomic<int> removed = 0;

  in_parallel(8, [&](int) {
    for (int i = 0; i < 50; ++i) {
      if (unlink("f" + std::to_string(i)).ok()) ++removed;
    }
  });

  EXPECT_EQ(removed, 50);
  EXPECT_THAT(merged(), TreeIs(Tree{}));
}

TEST_P(ConcurrencyTest, CreatorsInOneDirectoryAllSucceed) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}});

  in_parallel(16, [&](int thread) {
    for (int i = 0; i < 50; ++i) {
      const std::string path =
          "d/" + std::to_string(thread) + "-" + std::to_string(i);
      EXPECT_THAT(write_file(path, path), Succeeds());
    }
  });

  EXPECT_EQ(list("d").size(), 800U);
  EXPECT_EQ(read_file("d/7-31"), "d/7-31");
}

TEST_P(ConcurrencyTest, RenamesBackAndForthLeaveEveryFileOnce) {
  Tree lower0 = {{"a", Dir()}, {"b", Dir()}};
  for (int i = 0; i < 16; ++i) {
    lower0.set("a/f" + std::to_string(i), File(std::to_string(i)));
  }
  mount({.lower = {lower0}, .upper = {}});

  in_parallel(16, [&](int i) {
    const std::string name = "f" + std::to_string(i);
    for (int round = 0; round < 10; ++round) {
      EXPECT_THAT(rename("a/" + name, "b/" + name), Succeeds());
      EXPECT_THAT(rename("b/" + name, "a/" + name), Succeeds());
    }
  });

  EXPECT_THAT(merged(), TreeIs(lower0));
  remount();
  EXPECT_THAT(merged(), TreeIs(lower0));
}

// Row 70
TEST_P(ConcurrencyTest, LookupsProceedDuringABigCopyUp) {
  Tree lower0 = {{"big", File(std::string(96 << 20, 'b'))}, {"d", Dir()}};
  for (int i = 0; i < 400; ++i) lower0.set("d/" + std::to_string(i), File());
  mount({.lower = {lower0}, .upper = {}, .apart = true});
  std::atomic<bool> is_done = false;
  std::thread copier([&] {
    EXPECT_THAT(append("big", "!"), Succeeds());
    is_done = true;
  });

  int seen = 0;
  while (!is_done && seen < 400) {
    EXPECT_TRUE(exists("d/" + std::to_string(seen)));
    ++seen;
  }
  copier.join();

  // A server that does one thing at a time would have answered one.
  EXPECT_GE(seen, 5) << "names nobody had looked up before";
}

VENEER_ON_EVERY_TARGET(ConcurrencyTest);

}  // namespace
}  // namespace veneer::testing
