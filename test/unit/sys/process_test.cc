// SPDX-License-Identifier: MIT
//
// A daemon's first word reaches whoever started it.

#include "sys/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <string>

namespace veneer::sys {
namespace {

// Starts a daemon that does `work`, which must not return, and waits for it.
template <typename Work>
Result<void> start(Work&& work) {
  auto forked = fork_daemon();
  if (!forked) return forked.error();
  if (!forked->is_parent()) {
    work(*forked);
    ::_exit(0);
  }
  const auto result = forked->wait_ready();
  ::waitpid(forked->child(), nullptr, 0);
  return result;
}

TEST(Daemon, ReadyLetsTheParentGo) {
  EXPECT_TRUE(
      start([](Forked& forked) { ignore_error(forked.report_ready()); }));
}

TEST(Daemon, FailureIsPassedOnInItsWords) {
  const auto result = start([](Forked& forked) {
    forked.report_failure(Error(ENOENT, "open", "/no/lower"));
  });

  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(),
            "open /no/lower: No such file or directory");
}

TEST(Daemon, DeathWithoutAWordIsNoticed) {
  const auto result = start([](Forked&) {});

  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "the daemon died before it was ready");
}

TEST(Daemon, HasASessionOfItsOwn) {
  EXPECT_TRUE(start([](Forked& forked) {
    if (::getsid(0) == ::getpid()) ignore_error(forked.report_ready());
  }));
}

TEST(Daemon, TalksToNobodyAfterRedirection) {
  EXPECT_TRUE(start([](Forked& forked) {
    if (!redirect_to_null()) return;
    char byte;
    const bool is_null = ::read(STDIN_FILENO, &byte, 1) == 0 &&
                         ::write(STDOUT_FILENO, "lost", 4) == 4 &&
                         ::lseek(STDERR_FILENO, 0, SEEK_CUR) == 0;
    if (is_null) ignore_error(forked.report_ready());
  }));
}

TEST(Limits, OpenFilesGoUpToTheHardLimit) {
  const auto limit = raise_open_files_limit();

  rlimit now;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
  ASSERT_TRUE(limit);
  EXPECT_EQ(*limit, now.rlim_cur);
  EXPECT_EQ(now.rlim_cur, now.rlim_max);
}

// The size of this process's table of descriptors.
int table_size() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "FDSize:") {
      int size = 0;
      status >> size;
      return size;
    }
  }
  return 0;
}

TEST(Limits, TheTableOfDescriptorsHasRoomBeforeItIsNeeded) {
  ASSERT_TRUE(raise_open_files_limit());

  reserve_descriptors(1000);

  EXPECT_GE(table_size(), 1000);
}

TEST(Limits, NoMoreRoomIsMadeThanTheLimitAllows) {
  const auto limit = raise_open_files_limit();
  ASSERT_TRUE(limit);

  reserve_descriptors(std::numeric_limits<std::uint64_t>::max());

  EXPECT_GE(table_size(), static_cast<int>(*limit));
}

}  // namespace
}  // namespace veneer::sys
