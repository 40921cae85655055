// SPDX-License-Identifier: MIT
//
// A program run in our place: its status, its directory, its signals.

#include "sys/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "sys/terminal.h"
#include "test/support/scratch_dir.h"

namespace veneer::sys {
namespace {

using veneer::testing::ScratchDir;

Result<ChildEnd> run_shell(const std::string& script,
                           const std::string& directory = "/") {
  TRY_ASSIGN(SignalRelay relay, SignalRelay::start());
  return relay.run({"sh", "-c", script}, directory);
}

TEST(SignalRelay, StatusIsTheProgramsOwn) {
  EXPECT_EQ(run_shell("exit 0")->status, 0);
  EXPECT_EQ(run_shell("exit 7")->status, 7);
  EXPECT_EQ(run_shell("kill -KILL $$")->status, 128 + SIGKILL);
}

TEST(SignalRelay, ProgramStandsInTheDirectory) {
  const ScratchDir dir;

  const auto end = run_shell("pwd > out; echo $PWD >> out", dir.path());

  ASSERT_TRUE(end) << end.error().message();
  std::ifstream out(dir.path("out"));
  std::string first;
  std::string second;
  std::getline(out, first);
  std::getline(out, second);
  EXPECT_EQ(first, dir.path());
  EXPECT_EQ(second, dir.path());
}

TEST(SignalRelay, WhatCannotBeRunIsNamed) {
  auto relay = SignalRelay::start();
  ASSERT_TRUE(relay);

  const auto missing = relay->run({"/no/such/program"}, "/");
  const auto no_program = relay->run({"/etc/passwd"}, "/");

  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ENOENT);
  EXPECT_EQ(missing.error().subject(), "/no/such/program");
  ASSERT_FALSE(no_program);
  EXPECT_EQ(no_program.error().code(), EACCES);
}

TEST(SignalRelay, SignalsArePassedOn) {
  const ScratchDir dir;
  auto relay = SignalRelay::start();
  ASSERT_TRUE(relay);
  std::thread sender([&] {
    // The program says when it can be sent one.
    while (!std::ifstream(dir.path("ready"))) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ::kill(::getpid(), SIGTERM);
  });

  const auto end = relay->run(
      {"sh", "-c", "trap 'exit 42' TERM; touch ready; while :; do :; done"},
      dir.path());
  sender.join();

  ASSERT_TRUE(end);
  EXPECT_EQ(end->status, 42);
  EXPECT_EQ(end->relayed, SIGTERM);
}

TEST(SignalRelay, ProgramHasItsSignalsUnblocked) {
  EXPECT_EQ(run_shell("kill -TERM $$; exit 3")->status, 128 + SIGTERM);
}

TEST(SignalRelay, MaskComesBackInTheEnd) {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  ASSERT_EQ(::sigismember(&before, SIGTERM), 0);

  {
    auto relay = SignalRelay::start();
    sigset_t during;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &during);
    EXPECT_EQ(::sigismember(&during, SIGTERM), 1);
  }

  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(::sigismember(&after, SIGTERM), 0);
}

TEST(Terminal, PipeIsNoneAndHasTheUsualWidth) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);

  EXPECT_FALSE(is_terminal(ends[0]));
  EXPECT_EQ(terminal_width(ends[0]), 80);

  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Terminal, PseudoTerminalIsOne) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) GTEST_SKIP() << "this machine has no pseudo terminals";

  EXPECT_TRUE(is_terminal(terminal));

  ::close(terminal);
}

TEST(Terminal, ClosedStreamsDoNotTakeInFiles) {
  const int before = ::dup(STDERR_FILENO);
  ::close(STDERR_FILENO);

  open_standard_streams();
  const int next = ::open("/", O_RDONLY | O_CLOEXEC);

  EXPECT_GT(next, STDERR_FILENO);
  ::close(next);
  ::dup2(before, STDERR_FILENO);
  ::close(before);
}

}  // namespace
}  // namespace veneer::sys
