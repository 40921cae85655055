// SPDX-License-Identifier: MIT

#include "sys/file_data.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "sys/copy_data.h"
#include "sys/file.h"

namespace veneer::sys {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;

// What is left of `size` bytes from `offset` on, at most `most`.
std::size_t rest_of(std::uint64_t size, std::uint64_t offset,
                    std::size_t most) {
  if (offset >= size) return 0;
  return std::min<std::uint64_t>(size - offset, most);
}

}  // namespace

Result<std::span<const std::byte>> read_data(const FileData& data,
                                             std::uint64_t offset,
                                             std::span<std::byte> room) {
  if (data.reader) {
    TRY_ASSIGN(const std::size_t count, data.reader->read(offset, room));
    return room.first(count);
  }
  if (data.fd < 0) {
    const std::size_t size = rest_of(data.bytes.size(), offset, room.size());
    return size == 0 ? data.bytes.first(0) : data.bytes.subspan(offset, size);
  }
  const std::size_t wanted =
      data.length ? rest_of(*data.length, offset, room.size()) : room.size();
  TRY_ASSIGN(const std::size_t count,
             pread_full(data.fd, room.data(), wanted, data.offset + offset));
  if (data.length && count < wanted) return Error(EIO, "read");
  return room.first(count);
}

Result<void> copy_data(const FileData& data, int out, std::uint64_t length) {
  const bool is_whole = data.offset == 0 && !data.length;
  if (data.fd >= 0 && is_whole && !data.reader) {
    TRY(copy_range(data.fd, out, length));
    return {};
  }
  const auto room = std::make_unique_for_overwrite<std::byte[]>(
      std::min<std::uint64_t>(length, kPiece));
  std::uint64_t done = 0;
  while (done < length) {
    const std::size_t wanted = std::min<std::uint64_t>(length - done, kPiece);
    TRY_ASSIGN(const auto bytes, read_data(data, done, {room.get(), wanted}));
    if (bytes.empty()) return truncate_fd(out, length);
    TRY(pwrite_full(out, bytes.data(), bytes.size(), done));
    done += bytes.size();
  }
  return {};
}

}  // namespace veneer::sys
