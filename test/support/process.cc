// SPDX-License-Identifier: MIT
//
// Output goes to unlinked memory files rather than pipes: a daemon that
// inherits them cannot make us wait, and no reader is needed meanwhile.

#include "test/support/process.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "test/support/fd.h"

namespace veneer::testing {
namespace {

std::string read_from_start(const Fd& fd) {
  std::string text;
  char buffer[4096];
  off_t at = 0;
  while (true) {
    const ssize_t n = ::pread(fd.get(), buffer, sizeof(buffer), at);
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
    at += n;
  }
}

[[noreturn]] void exec_child(const std::vector<std::string>& argv,
                             const Fd& out, const Fd& err) {
  std::vector<char*> args;
  for (const std::string& arg : argv) {
    args.push_back(const_cast<char*>(arg.c_str()));
  }
  args.push_back(nullptr);
  const Fd null(::open("/dev/null", O_RDWR));
  ::dup2(null.get(), 0);
  ::dup2(out.get(), 1);
  ::dup2(err.get(), 2);
  ::execvp(args[0], args.data());
  ::_exit(127);
}

// Waits for `child` at most `seconds`, then kills it.
int wait_for(pid_t child, int seconds) {
  const double deadline = monotonic_seconds() + seconds;
  int status = 0;
  while (true) {
    const pid_t done = ::waitpid(child, &status, WNOHANG);
    if (done == child) break;
    if (done < 0 && errno != EINTR) return -1;
    if (monotonic_seconds() > deadline) ::kill(child, SIGKILL);
    constexpr timespec kPoll{.tv_sec = 0, .tv_nsec = 1'000'000};
    ::nanosleep(&kPoll, nullptr);
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool become(const User& user) {
  return ::setgroups(user.groups.size(), user.groups.data()) == 0 &&
         ::setresgid(user.gid, user.gid, user.gid) == 0 &&
         ::setresuid(user.uid, user.uid, user.uid) == 0;
}

double seconds_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) / 1e9;
}

}  // namespace

Finished run(const std::vector<std::string>& argv, int seconds) {
  const Fd out(::memfd_create("out", MFD_CLOEXEC));
  const Fd err(::memfd_create("err", MFD_CLOEXEC));
  const pid_t child = ::fork();
  if (child == 0) exec_child(argv, out, err);
  const int status = wait_for(child, seconds);
  return {status, read_from_start(out), read_from_start(err)};
}

Outcome as_user(const User& user, const std::function<Outcome()>& action) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return outcome(-1);
  const Fd reader(ends[0]);
  Fd writer(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    ::umask(user.umask);
    const Outcome result =
        become(user) ? action() : Outcome{.value = -1, .error = EPERM};
    const ssize_t n = ::write(writer.get(), &result, sizeof(result));
    ::_exit(n == sizeof(result) ? 0 : 1);
  }
  writer.reset();
  Outcome result{.value = -1, .error = ECHILD};
  if (::read(reader.get(), &result, sizeof(result)) != sizeof(result)) {
    ADD_FAILURE() << "the child process for uid " << user.uid << " died";
  }
  ::waitpid(child, nullptr, 0);
  return result;
}

void drop_caches() {
  const Fd fd(::open("/proc/sys/vm/drop_caches", O_WRONLY));
  if (::write(fd.get(), "3", 1) != 1) {
    ADD_FAILURE() << "drop_caches: " << error_name(errno);
  }
}

double monotonic_seconds() { return seconds_of(CLOCK_MONOTONIC); }

double thread_seconds() { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace veneer::testing
