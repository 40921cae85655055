// SPDX-License-Identifier: MIT
//
// Who closes a descriptor: its one owner, when the owner goes.
//
// A UniqueFd is moved, never copied. A SharedFd is for descriptors in a cache,
// which users may hold while the cache lets go of them. A function that takes
// an int borrows the descriptor for the call.

#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "sys/call.h"
#include "veneer/result.h"

namespace veneer::sys {

class UniqueFd {
 public:
  UniqueFd() = default;
  /// Takes ownership of `fd`; a negative one means none.
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  ~UniqueFd() { reset(); }

  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

  /// Gives up ownership; the caller closes it.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  /// Closes what is owned, then owns `fd`. A failing close(2) has closed all
  /// the same; who must know about lost data calls fsync first.
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

using SharedFd = std::shared_ptr<const UniqueFd>;

inline SharedFd share(UniqueFd fd) {
  return std::make_shared<const UniqueFd>(std::move(fd));
}

/// A second descriptor of the same open file, O_PATH ones included.
inline Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return last_error("dup");
  return copy;
}

}  // namespace veneer::sys
