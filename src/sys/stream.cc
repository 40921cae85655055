// SPDX-License-Identifier: MIT

#include "sys/stream.h"

#include <poll.h>
#include <unistd.h>

#include "sys/call.h"

namespace veneer::sys {

Result<void> write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = retry_interrupted(
        [&] { return ::write(fd, bytes.data(), bytes.size()); });
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      continue;
    }
    if (errno != EAGAIN) return last_error("write");
    pollfd full{.fd = fd, .events = POLLOUT};
    TRY(check(retry_interrupted([&] { return ::poll(&full, 1, -1); }), "poll"));
  }
  return {};
}

Result<std::size_t> read_some(int fd, std::span<std::byte> room) {
  const ssize_t n =
      retry_interrupted([&] { return ::read(fd, room.data(), room.size()); });
  if (n < 0) return last_error("read");
  return static_cast<std::size_t>(n);
}

}  // namespace veneer::sys
