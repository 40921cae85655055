// SPDX-License-Identifier: MIT
//
// veneer run: the whole cycle in one line.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/finish/session_fixture.h"
#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class RunCommandTest : public SessionTest {
 protected:
  // In the base, as a user would.
  Finished run_here(std::vector<std::string> options,
                    const std::string& script) const {
    options.insert(options.begin(), "run");
    options.insert(options.end(), {"--", "sh", "-c", script});
    return veneer(options, base());
  }
};

TEST_F(RunCommandTest, CommandWorksInAnOverlayOfTheCurrentDirectory) {
  const Tree before = read_tree(base());

  const Finished end =
      run_here({"--on-exit", "discard"}, "cat etc/motd; rm -r old; ls");

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_EQ(end.out, "hello\netc\nrun\n");
  EXPECT_THAT(end.err, HasSubstr("D  old/\n"));
  EXPECT_THAT(read_tree(base()), TreeIs(before));
  EXPECT_THAT(list(""), ElementsAre("base"));
}

TEST_F(RunCommandTest, StatusIsTheCommandsOwn) {
  EXPECT_EQ(run_here({}, "exit 7").status, 7);
  EXPECT_EQ(run_here({}, "kill -TERM $$").status, 128 + SIGTERM);
  EXPECT_EQ(run_here({"--on-exit", "discard"}, "echo > x; exit 7").status, 7);
}

TEST_F(RunCommandTest, NothingChangedLeavesNothing) {
  const Finished end = run_here({}, "cat run");

  EXPECT_EQ(end.status, 0);
  EXPECT_THAT(end.err, HasSubstr("nothing was changed"));
  EXPECT_THAT(list(""), ElementsAre("base"));
}

TEST_F(RunCommandTest, WithoutATerminalTheChangesAreKept) {
  const Finished end = run_here({}, "echo n > new");

  EXPECT_EQ(end.status, 0);
  EXPECT_THAT(end.err, HasSubstr("the changes are in " + upper()));
  EXPECT_EQ(veneer({"diff", upper()}).out, "A  new\n");
}

TEST_F(RunCommandTest, ChangesOfAnEarlierRunAreNotMixedIn) {
  ASSERT_EQ(run_here({}, "echo n > new").status, 0);

  EXPECT_TRUE(is_refused(run_here({}, "echo m > more"), upper()));
  EXPECT_FALSE(exists("base.upper/more"));

  EXPECT_EQ(run_here({"--upper", upper()}, "cat new").out, "n\n");
}

TEST_F(RunCommandTest, CommitsOnExit) {
  for (const char* const action : {"commit", "commit-atomic"}) {
    const Finished end =
        run_here({"--on-exit", action}, std::string("echo > ") + action);

    EXPECT_EQ(end.status, 0) << end.err;
    EXPECT_TRUE(exists(std::string("base/") + action));
    EXPECT_THAT(list(""), ElementsAre("base"));
  }
}

TEST_F(RunCommandTest, CommandStandsAsDeepAsTheUser) {
  const Finished end = veneer(
      {"run", "-q", "--lower", base(), "--", "sh", "-c", "pwd; cat motd"},
      path("base/etc"));

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(end.out,
              AllOf(HasSubstr("/base/etc\nhello\n"), Not(HasSubstr(base()))));
  EXPECT_EQ(end.err, "");
}

TEST_F(RunCommandTest, CommandsOptionsAreItsOwn) {
  const Finished end =
      veneer({"run", "--", "sh", "-c", "echo $0", "--upper"}, base());

  EXPECT_EQ(end.out, "--upper\n") << end.err;
}

TEST_F(RunCommandTest, WhatCannotBeRunIsNamed) {
  const Finished end = veneer({"run", "--", "no-such-program"}, base());

  EXPECT_EQ(end.status, 127);
  EXPECT_THAT(end.err, HasSubstr("no-such-program"));
  EXPECT_EQ(veneer({"run", "--", "./etc/motd"}, base()).status, 126);
  EXPECT_THAT(list(""), ElementsAre("base"));
}

TEST_F(RunCommandTest, WrongUsageIsNamed) {
  EXPECT_TRUE(is_refused(veneer({"run"}), "COMMAND is required", 2));
  EXPECT_TRUE(is_refused(veneer({"run", "--on-exit", "forget", "--", "true"}),
                         "forget", 2));
  EXPECT_TRUE(is_refused(veneer({"run", "--lower", path("none"), "--", "true"}),
                         path("none")));
}

TEST_F(RunCommandTest, SignalsReachTheCommandAndTheChangesAreKept) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(2);
    ::execl(veneer_program().c_str(), "veneer", "run", "--lower",
            base().c_str(), "--", "sh", "-c",
            "trap 'exit 9' TERM; echo > ready; while :; do sleep 0.01; done",
            nullptr);
    ::_exit(127);
  }
  const double deadline = monotonic_seconds() + 30;
  while (!exists("base.upper/ready") && monotonic_seconds() < deadline) {
    ::usleep(1000);
  }
  ASSERT_EQ(::kill(child, SIGTERM), 0);

  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);

  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 9);
  EXPECT_TRUE(exists("base.upper/ready"));
  EXPECT_EQ(veneer({"diff", upper()}).out, "A  ready\n");
}

}  // namespace
}  // namespace veneer::testing
