// SPDX-License-Identifier: MIT

#include "layerfs/byte_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "sys/file.h"

namespace veneer::layerfs {
namespace {
constexpr std::size_t kStep = 256 * 1024;
}

Result<ByteSource> ByteSource::from_fd(int fd, std::string name) {
  const auto attr = sys::stat_fd(fd);
  if (!attr) return attr.error().about(std::move(name));
  if (!S_ISREG(attr->mode)) {
    return Error(EINVAL, "read what is no regular file", std::move(name));
  }
  ByteSource source{.name = std::move(name), .size = attr->size, .read_at = {}};
  source.read_at = [fd](std::span<std::byte> into, std::uint64_t offset) {
    return sys::pread_full(fd, into.data(), into.size(), offset);
  };
  return source;
}

ByteSource ByteSource::from_bytes(std::string_view bytes, std::string name) {
  ByteSource source{
      .name = std::move(name), .size = bytes.size(), .read_at = {}};
  source.read_at = [bytes](std::span<std::byte> into,
                           std::uint64_t offset) -> Result<std::size_t> {
    if (offset >= bytes.size()) return 0;
    const std::string_view rest =
        bytes.substr(static_cast<std::size_t>(offset), into.size());
    std::memcpy(into.data(), rest.data(), rest.size());
    return rest.size();
  };
  return source;
}

Error ByteSource::bad(std::uint64_t offset, std::string_view what) const {
  return Error(EUCLEAN, "",
               fmt::format("{}: offset {}: {}", name, offset, what));
}

Result<void> Window::fill(std::uint64_t count) {
  const std::size_t kept = buffer_.size() - begin_;
  const auto wanted = static_cast<std::size_t>(
      std::min(std::max<std::uint64_t>(count, kStep), remaining()));
  if (begin_ != 0) {
    buffer_.erase(buffer_.begin(),
                  buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
  // One giant does not keep its room for all that follow.
  if (wanted <= kStep && buffer_.capacity() > 4 * kStep) {
    buffer_.shrink_to_fit();
  }
  buffer_.resize(wanted);
  const auto into = std::span(buffer_).subspan(kept);
  const auto got = source_.read_at(into, position_ + kept);
  if (!got) return got.error().about(source_.name);
  if (*got != into.size()) {
    return Error(EIO, "read", source_.name + ": it became shorter");
  }
  return {};
}

Result<std::string_view> Window::peek(std::uint64_t count) {
  count = std::min(count, remaining());
  if (buffer_.size() - begin_ < count) TRY(fill(count));
  return as_text(
      std::span(buffer_).subspan(begin_, static_cast<std::size_t>(count)));
}

void Window::skip(std::uint64_t count) {
  count = std::min(count, remaining());
  position_ += count;
  const std::size_t held = buffer_.size() - begin_;
  if (count <= held) {
    begin_ += static_cast<std::size_t>(count);
  } else {
    buffer_.clear();
    begin_ = 0;
  }
}

}  // namespace veneer::layerfs
