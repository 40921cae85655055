// SPDX-License-Identifier: MIT
//
// The runner's parent is process 1 of a new pid namespace: all it does is reap.
// Its end is the end of everything below it.

#include "test/differential/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

namespace veneer::testing::differential {
namespace {

using Body = std::function<std::string(const std::string&, Progress&)>;

[[noreturn]] void give_up(int pipe_fd, const char* what) {
  const std::string text = std::string(what) + ": " + std::strerror(errno);
  [[maybe_unused]] const auto sent = write(pipe_fd, text.data(), text.size());
  _exit(2);
}

// Mounts of ours must stay ours, and /proc must show our processes, for the
// daemon looks up its callers there.
void make_private(const std::string& base, int pipe_fd) {
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    give_up(pipe_fd, "private mounts");
  }
  if (mount("proc", "/proc", "proc", 0, nullptr) != 0) {
    give_up(pipe_fd, "mount proc");
  }
  if (mount("tmpfs", base.c_str(), "tmpfs", MS_NOATIME, "size=2g") != 0) {
    give_up(pipe_fd, "mount tmpfs");
  }
}

[[noreturn]] void run_body(const std::string& base, int pipe_fd,
                           Progress& progress, const Body& body) {
  umask(022);
  syscall(SYS_setgroups, 0, nullptr);
  const std::string text = body(base, progress);
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t n = write(pipe_fd, text.data() + sent, text.size() - sent);
    if (n <= 0) break;
    sent += static_cast<std::size_t>(n);
  }
  _exit(0);
}

[[noreturn]] void reap_until_done(const std::string& base, int pipe_fd,
                                  Progress& progress, const Body& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  make_private(base, pipe_fd);
  const pid_t runner = fork();
  if (runner < 0) give_up(pipe_fd, "fork");
  if (runner == 0) run_body(base, pipe_fd, progress, body);
  while (true) {
    int status = 0;
    if (wait(&status) != runner) continue;
    if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
    _exit(100 + WTERMSIG(status));
  }
}

// Reads until the writers are gone or the time is over.
bool drain(int pipe_fd, pid_t child, std::chrono::seconds limit,
           std::string& text, int& status) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::string chunk(65536, '\0');
  bool over = false;
  while (true) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    ssize_t got = 0;
    while ((got = read(pipe_fd, chunk.data(), chunk.size())) > 0) {
      text.append(chunk, 0, static_cast<std::size_t>(got));
    }
    if (ended == child) return !over;
    if (!over && std::chrono::steady_clock::now() > deadline) {
      over = true;
      kill(child, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

SandboxReport run_in_sandbox(std::chrono::seconds limit, const Body& body) {
  const char* tmp = std::getenv("TMPDIR");
  std::string base = std::string(tmp != nullptr ? tmp : "/tmp") +
                     "/veneer-differential.XXXXXX";
  int ends[2] = {-1, -1};
  void* shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (mkdtemp(base.data()) == nullptr ||
      pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0 || shared == MAP_FAILED) {
    return {.text = std::string("sandbox: ") + std::strerror(errno)};
  }
  auto& progress = *new (shared) Progress;
  const auto child = static_cast<pid_t>(
      syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | SIGCHLD, nullptr, nullptr,
              nullptr, nullptr));
  if (child == 0) reap_until_done(base, ends[1], progress, body);
  ::close(ends[1]);

  SandboxReport report;
  if (child < 0) {
    report.text = std::string("clone: ") + std::strerror(errno);
  } else {
    int status = 0;
    const bool in_time = drain(ends[0], child, limit, report.text, status);
    report.finished = in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!in_time) {
      report.text = "no end after " + std::to_string(limit.count()) + " s";
    } else if (!report.finished && report.text.empty()) {
      report.text = "the runner died of signal " +
                    std::to_string(WEXITSTATUS(status) - 100);
    }
  }
  report.line = progress.line;
  ::close(ends[0]);
  munmap(shared, sizeof(Progress));
  rmdir(base.c_str());
  return report;
}

std::string missing_for_sandbox() {
  if (geteuid() != 0) return "root, to mount";
  return {};
}

}  // namespace veneer::testing::differential
