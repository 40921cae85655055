// SPDX-License-Identifier: MIT

#include "sys/service.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>

#include "sys/call.h"
#include "sys/mount.h"

namespace veneer::sys {
namespace {

// As poll(2) wants it; a longer wait than it knows is no wait too short.
int to_poll_timeout(std::chrono::milliseconds timeout) {
  return static_cast<int>(
      std::min<std::int64_t>(timeout.count(), std::int64_t{1} << 30));
}

// File actions of posix_spawn, which must be destroyed.
class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

Result<std::string> read_to_end(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = retry_interrupted(
        [&] { return ::read(fd, buffer.data(), buffer.size()); });
    if (n < 0) return last_error("read");
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace

Result<void> unmount_at(const std::string& path, bool lazily) {
  return umount_at(path, UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0));
}

Result<void> change_to_root() { return check(::chdir("/"), "chdir"); }

Result<void> append_stderr_to(const std::string& path) {
  const UniqueFd file(retry_interrupted([&] {
    return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                  0644);
  }));
  if (!file) return last_error("open").about(path);
  return check(::dup2(file.get(), STDERR_FILENO), "dup2");
}

Result<CapturedStderr> CapturedStderr::start() {
  UniqueFd before(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!before) return last_error("fcntl");
  UniqueFd kept(::memfd_create("stderr", MFD_CLOEXEC));
  if (!kept) return last_error("memfd_create");
  TRY(check(::dup2(kept.get(), STDERR_FILENO), "dup2"));
  return CapturedStderr(std::move(before), std::move(kept));
}

CapturedStderr::~CapturedStderr() {
  if (before_) ::dup2(before_.get(), STDERR_FILENO);
}

std::string CapturedStderr::text() const {
  std::array<char, 1024> buffer{};
  const ssize_t n = ::pread(kept_.get(), buffer.data(), buffer.size(), 0);
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n))
               : std::string();
}

Result<UniqueFd> open_process(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return last_error("pidfd_open");
  return fd;
}

Result<bool> wait_for_end(const UniqueFd& process,
                          std::chrono::milliseconds timeout) {
  pollfd fd{process.get(), POLLIN, 0};
  const int ready = retry_interrupted(
      [&] { return ::poll(&fd, 1, to_poll_timeout(timeout)); });
  if (ready < 0) return last_error("poll");
  return ready > 0;
}

Result<ProgramEnd> run_program(const std::vector<std::string>& argv) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return last_error("pipe2");
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);

  SpawnActions actions;
  posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null",
                                   O_RDWR, 0);
  posix_spawn_file_actions_adddup2(actions.get(), STDIN_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(actions.get(), write_end.get(),
                                   STDERR_FILENO);
  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (const std::string& word : argv) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, words[0], actions.get(), nullptr,
                                   words.data(), environ);
  if (error != 0) return Error(error, "posix_spawn", argv.front());
  write_end.reset();

  auto errors = read_to_end(read_end.get());
  int status = 0;
  if (retry_interrupted([&] { return ::waitpid(child, &status, 0); }) < 0) {
    return last_error("waitpid");
  }
  if (!errors) return errors.error();
  return ProgramEnd{
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
      *std::move(errors)};
}

}  // namespace veneer::sys
