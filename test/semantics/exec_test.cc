// SPDX-License-Identifier: MIT
//
// Programs run from the mount: started from every layer, and not writable
// while they run.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

std::string program_bytes(const char* path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

class ExecTest : public OverlayTest {
 protected:
  // Starts `path` as "sleep 60" and returns when it has been executed.
  pid_t start_sleep(const std::string& path) {
    int ends[2];
    EXPECT_THAT(::pipe2(ends, O_CLOEXEC), Succeeds());
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl(m(path).c_str(), "sleep", "60", nullptr);
      ::_exit(127);
    }
    // The pipe closes when exec succeeds, or when the child gives up.
    writer.reset();
    char byte = 0;
    EXPECT_THAT(::read(reader.get(), &byte, 1), SyscallReturns(0));
    return child;
  }
  static void stop(pid_t child) {
    ::kill(child, SIGKILL);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the program did not run";
  }
};

// Row 61
TEST_P(ExecTest, RunningLowerProgramIsBusy) {
  mount({.lower = {{{"sleep", File(program_bytes("/bin/sleep")).mode(0755)}}},
         .upper = {}});
  const pid_t child = start_sleep("sleep");

  EXPECT_THAT(try_open("sleep", O_WRONLY), FailsWith(ETXTBSY));

  stop(child);
  EXPECT_THAT(try_open("sleep", O_WRONLY), Succeeds());
}

// Row 61
TEST_P(ExecTest, RunningUpperProgramIsBusy) {
  mount({.lower = {{}},
         .upper = {{"sleep", File(program_bytes("/bin/sleep")).mode(0755)}}});
  const pid_t child = start_sleep("sleep");

  EXPECT_THAT(try_open("sleep", O_WRONLY), FailsWith(ETXTBSY));

  stop(child);
}

// Row 61
TEST_P(ExecTest, FileOpenForWritingIsNotExecuted) {
  mount({.lower = {{{"sleep", File(program_bytes("/bin/sleep")).mode(0755)}}},
         .upper = {}});
  const Fd writer = open("sleep", O_WRONLY);

  const Finished started = run({m("sleep"), "0"});

  EXPECT_EQ(started.status, 127) << "execve must fail with ETXTBSY";
}

TEST_P(ExecTest, RunningProgramIsReplacedByRename) {
  mount({.lower = {{{"sleep", File(program_bytes("/bin/sleep")).mode(0755)},
                    {"new", File("#!/bin/sh\necho new\n").mode(0755)}}},
         .upper = {}});
  const pid_t child = start_sleep("sleep");

  EXPECT_THAT(rename("new", "sleep"), Succeeds());

  EXPECT_EQ(run({m("sleep")}).out, "new\n");
  stop(child);
}

TEST_P(ExecTest, SetuidProgramOfAMountByRootRunsAsItsOwner) {
  mount({.lower = {{{"id", File(program_bytes("/usr/bin/id"))
                               .mode(04755)
                               .owner(4242, 0)}}},
         .upper = {}});

  const Finished id = run({m("id"), "-u"});

  EXPECT_EQ(id.out, "4242\n") << id.err;
}

VENEER_ON_EVERY_TARGET(ExecTest);

}  // namespace
}  // namespace veneer::testing
