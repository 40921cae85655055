// SPDX-License-Identifier: MIT
//
// What the daemon tells its parent is one message through a pipe: empty words
// for "ready", else the error in words. A pipe closed without a message means
// that it died, so the message starts with a byte that says there is one.

#include "sys/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "sys/call.h"

namespace veneer::sys {
namespace {

// Fits into one atomic write to a pipe.
constexpr std::size_t kLongestWord = 4096;

Result<void> send(int pipe, std::string_view reason) {
  std::string word = ":";
  word += reason.substr(0, kLongestWord - word.size());
  const ssize_t sent = retry_interrupted(
      [&] { return ::write(pipe, word.data(), word.size()); });
  return check(sent, "write");
}

}  // namespace

Result<std::uint64_t> raise_open_files_limit() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return last_error("getrlimit");
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      return last_error("setrlimit");
    }
  }
  return limit.rlim_cur;
}

void reserve_descriptors(std::uint64_t count) {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto last = std::min<std::uint64_t>(count, limit.rlim_cur) - 1;
  const UniqueFd any(::open("/", O_PATH | O_CLOEXEC));
  // The table does not shrink when this one is closed.
  UniqueFd(::fcntl(any.get(), F_DUPFD_CLOEXEC,
                   static_cast<int>(std::min<std::uint64_t>(last, 1u << 20))));
}

Result<Forked> fork_daemon() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return last_error("pipe2");
  UniqueFd from_child(ends[0]);
  UniqueFd to_parent(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return last_error("fork");
  if (child > 0) return Forked(child, std::move(from_child));
  ::setsid();  // cannot fail: a fresh child leads no group
  return Forked(0, std::move(to_parent));
}

Result<void> Forked::wait_ready() {
  char word[kLongestWord];
  const ssize_t length = retry_interrupted(
      [&] { return ::read(pipe_.get(), word, sizeof(word)); });
  if (length < 0) return last_error("read");
  pipe_.reset();
  if (length == 0) {
    return Error(0, "start", "the daemon died before it was ready");
  }
  if (length == 1) return {};
  return Error(0, "start",
               std::string(word + 1, static_cast<std::size_t>(length) - 1));
}

Result<void> Forked::report_ready() {
  const auto sent = send(pipe_.get(), "");
  pipe_.reset();
  return sent;
}

void Forked::report_failure(const Error& error) {
  ignore_error(send(pipe_.get(), error.message()));
  pipe_.reset();
}

Result<void> redirect_to_null(bool keep_stderr) {
  UniqueFd null(::open("/dev/null", O_RDWR));
  if (!null) return Error(errno, "open", "/dev/null");
  const int last = keep_stderr ? STDOUT_FILENO : STDERR_FILENO;
  for (int fd = STDIN_FILENO; fd <= last; ++fd) {
    TRY(check(retry_interrupted([&] { return ::dup2(null.get(), fd); }),
              "dup2"));
  }
  // If one of the three was closed before, it is this very descriptor.
  if (null.get() <= STDERR_FILENO) static_cast<void>(null.release());
  return {};
}

}  // namespace veneer::sys
