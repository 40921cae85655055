// SPDX-License-Identifier: MIT
//
// Messages that carry an ioctl: file flags, as chattr(1) sets them, and the
// status of the mount.
//
// The kernel has copied the argument according to the request's number. The
// numbers of the flag requests say "long" although an int is meant, so both
// sizes come.

#include <linux/fs.h>

#include <cerrno>
#include <cstring>

#include "fuse/dispatcher.h"
#include "fuse/libfuse.h"

namespace veneer::fuse {

namespace {

template <typename T>
std::span<const std::byte> bytes_of(const T& value, std::size_t size) {
  return std::as_bytes(std::span(&value, 1)).first(std::min(size, sizeof(T)));
}

// What was copied in, or nothing if that is less than a T.
template <typename T>
std::optional<T> argument_of(const void* in, std::size_t in_size) {
  if (in == nullptr || in_size < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, in, sizeof(T));
  return value;
}

}  // namespace

void Dispatcher::ioctl(Reply& reply, std::uint64_t id, unsigned command,
                       void* /*argument*/, fuse_file_info* /*info*/,
                       unsigned /*flags*/, const void* in, std::size_t in_size,
                       std::size_t out_size) {
  switch (command) {
    case FS_IOC_GETFLAGS:
    case FS_IOC32_GETFLAGS: {
      if (out_size < sizeof(unsigned)) return reply.error(EINVAL);
      const Result<unsigned> flags = filesystem_.get_flags(node(id));
      if (!flags) return reply.error(flags.error());
      const unsigned long wide = *flags;
      return reply.ioctl(0, bytes_of(wide, out_size));
    }
    case FS_IOC_SETFLAGS:
    case FS_IOC32_SETFLAGS: {
      const auto flags = argument_of<unsigned>(in, in_size);
      if (!flags) return reply.error(EINVAL);
      const Result<void> set =
          filesystem_.set_flags(reply.caller(), node(id), *flags);
      if (!set) return reply.error(set.error());
      return reply.ioctl(0);
    }
    case FS_IOC_FSGETXATTR: {
      fsxattr value{};
      if (out_size < sizeof(value)) return reply.error(EINVAL);
      const Result<void> got = filesystem_.get_fsxattr(node(id), value);
      if (!got) return reply.error(got.error());
      return reply.ioctl(0, bytes_of(value, sizeof(value)));
    }
    case FS_IOC_FSSETXATTR: {
      const auto value = argument_of<fsxattr>(in, in_size);
      if (!value) return reply.error(EINVAL);
      const Result<void> set =
          filesystem_.set_fsxattr(reply.caller(), node(id), *value);
      if (!set) return reply.error(set.error());
      return reply.ioctl(0);
    }
    case kStatusIoctl:
      return answer_status(reply, id, in, in_size, out_size);
    default:
      return reply.error(ENOTTY);
  }
}

void Dispatcher::answer_status(Reply& reply, std::uint64_t id, const void* in,
                               std::size_t in_size, std::size_t out_size) {
  if (node(id) != overlay::kRootId) return reply.error(ENOTTY);
  std::optional<StatusPage> page = argument_of<StatusPage>(in, in_size);
  if (!page || out_size < sizeof(StatusPage)) return reply.error(EINVAL);

  if (reply.came_by_io_uring()) {
    uses_io_uring_.store(true, std::memory_order_relaxed);
  }
  const Result<void> answered = status_pages_.answer(*page);
  if (!answered) return reply.error(answered.error());
  reply.ioctl(0, bytes_of(*page, sizeof(StatusPage)));
}

}  // namespace veneer::fuse
