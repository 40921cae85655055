// SPDX-License-Identifier: MIT
//
// Three processes. The outermost owns the scratch directory and waits. Its
// child is the first of the new process namespace: it reaps the daemons that
// tests leave behind, and when it ends the kernel kills what still runs. The
// tests run in the child of that one, as an ordinary process with ordinary
// signals.

#include "test/support/isolation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace veneer::testing {
namespace {

std::string& scratch() {
  static std::string path;
  return path;
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool has_flag(int argc, char** argv, const char* flag) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], flag) == 0) return true;
  }
  return false;
}

bool set_up_mounts() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("proc", "/proc", "proc", 0, nullptr) == 0 &&
         ::mount("scratch", scratch().c_str(), "tmpfs", 0, "mode=0755") == 0;
}

int run_tests() {
  ::umask(0);
  return RUN_ALL_TESTS();
}

// The first process of the namespace: runs the tests in a child, reaps.
[[noreturn]] void be_init() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!set_up_mounts()) {
    std::perror("private mounts");
    ::_exit(1);
  }
  const pid_t tests = ::fork();
  if (tests == 0) ::exit(run_tests());
  int status = 0;
  while (true) {
    const pid_t done = ::waitpid(-1, &status, 0);
    if (done == tests || (done < 0 && errno == ECHILD)) break;
  }
  ::_exit(exit_code(status));
}

}  // namespace

const std::string& scratch_root() { return scratch(); }

int run_isolated(int argc, char** argv) {
  const bool only_lists = has_flag(argc, argv, "--gtest_list_tests");
  ::testing::InitGoogleMock(&argc, argv);
  if (only_lists) return RUN_ALL_TESTS();

  char path[] = "/tmp/veneer-test-XXXXXX";
  if (::mkdtemp(path) == nullptr) {
    std::perror("mkdtemp");
    return 1;
  }
  ::chmod(path, 0755);
  scratch() = path;
  int code = 0;
  if (::unshare(CLONE_NEWPID) != 0) {
    code = run_tests();
  } else {
    std::fflush(nullptr);
    const pid_t init = ::fork();
    if (init == 0) be_init();
    int status = 0;
    while (::waitpid(init, &status, 0) < 0 && errno == EINTR) {
    }
    code = exit_code(status);
  }
  ::rmdir(path);
  return code;
}

}  // namespace veneer::testing
