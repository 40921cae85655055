// SPDX-License-Identifier: MIT

#include "bench/macro/machine.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "sys/fd.h"

namespace veneer::bench {
namespace {

using sys::UniqueFd;
namespace fs = std::filesystem;

pid_t first_process = 0;

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void pause_for(double seconds) {
  const timespec time{.tv_sec = 0, .tv_nsec = static_cast<long>(seconds * 1e9)};
  ::nanosleep(&time, nullptr);
}

bool set_up_mounts(const std::string& scratch) {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("proc", "/proc", "proc", 0, nullptr) == 0 &&
         ::mount("bench", scratch.c_str(), "tmpfs", 0, "mode=0755,size=80%") ==
             0;
}

std::string read_from_start(const UniqueFd& fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t count = ::pread(fd.get(), buffer, sizeof(buffer),
                                  static_cast<off_t>(text.size()));
    if (count <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

[[noreturn]] void become(const std::vector<std::string>& argv,
                         const UniqueFd& out, const UniqueFd& err) {
  std::vector<char*> args;
  for (const std::string& arg : argv) {
    args.push_back(const_cast<char*>(arg.c_str()));
  }
  args.push_back(nullptr);
  const UniqueFd null(::open("/dev/null", O_RDWR));
  ::dup2(null.get(), 0);
  ::dup2(out.get(), 1);
  ::dup2(err.get(), 2);
  ::execvp(args[0], args.data());
  ::_exit(127);
}

// Calls `visit` with each process of the namespace but this one.
void for_each_other(const std::function<void(pid_t)>& visit) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name.front())) == 0) continue;
    const pid_t pid = static_cast<pid_t>(std::stol(name));
    if (pid != ::getpid()) visit(pid);
  }
}

}  // namespace

int run_isolated(const std::function<int(const std::string&)>& body) {
  char path[] = "/tmp/veneer-bench-XXXXXX";
  if (::mkdtemp(path) == nullptr) {
    std::perror("mkdtemp");
    return 1;
  }
  int code = 1;
  if (::unshare(CLONE_NEWPID) != 0) {
    std::perror("unshare (the measurements mount: run them as root)");
  } else {
    std::fflush(nullptr);
    const pid_t first = ::fork();
    if (first == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (!set_up_mounts(path)) {
        std::perror("private mounts");
        ::_exit(1);
      }
      const int result = body(path);
      std::fflush(nullptr);
      ::_exit(result);
    }
    // The first process of a namespace gets no signal that it does not handle;
    // its end is the end of all in it.
    first_process = first;
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      ::signal(number, [](int) { ::kill(first_process, SIGKILL); });
    }
    int status = 0;
    while (::waitpid(first, &status, 0) < 0 && errno == EINTR) {
    }
    code = exit_code(status);
  }
  ::rmdir(path);
  return code;
}

// Output goes to memory files rather than pipes: a daemon that inherits them
// cannot make us wait.
Finished run(const std::vector<std::string>& argv) {
  const UniqueFd out(::memfd_create("out", MFD_CLOEXEC));
  const UniqueFd err(::memfd_create("err", MFD_CLOEXEC));
  const pid_t child = ::fork();
  if (child == 0) become(argv, out, err);
  int status = 0;
  const double deadline = now() + 60;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (now() > deadline) ::kill(child, SIGKILL);
    pause_for(0.0001);
  }
  return {exit_code(status), read_from_start(out), read_from_start(err)};
}

void reap_daemons() {
  const double deadline = now() + 10;
  for (;;) {
    const pid_t done = ::waitpid(-1, nullptr, WNOHANG);
    if (done < 0 && errno == ECHILD) return;
    if (done > 0) continue;
    if (now() > deadline) {
      for_each_other([](pid_t pid) { ::kill(pid, SIGKILL); });
    }
    pause_for(0.001);
  }
}

std::uint64_t daemon_memory() {
  std::uint64_t pages = 0;
  for_each_other([&](pid_t pid) {
    std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    if (statm >> size >> resident) pages += resident;
  });
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Result<void> drop_dentries() {
  const UniqueFd fd(::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), "2", 1) != 1) return failed("drop_caches");
  return {};
}

std::string find_program(const std::string& name) {
  const char* const path = ::getenv("PATH");
  std::string rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const std::size_t end = rest.find(':');
    const std::string candidate = rest.substr(0, end) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest = end == rest.npos ? "" : rest.substr(end + 1);
  }
  return {};
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace veneer::bench
