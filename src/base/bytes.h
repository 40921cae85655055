// SPDX-License-Identifier: MIT
//
// The only way to touch bytes that came from, or go to, a disk or a peer.
//
// Everything is little-endian and may be unaligned. A ByteReader never reads
// outside its span: what does not fit is EUCLEAN with the offset, measured from
// the start of the file the bytes came from. A ByteWriter appends to a buffer
// and can go back to fill in what was not yet known.
//
// Threads: thread-compatible.

#pragma once

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "veneer/result.h"

namespace veneer {

static_assert(std::endian::native == std::endian::little,
              "loads and stores below assume a little-endian machine");

/// Requires sizeof(T) readable bytes at `from`.
template <std::unsigned_integral T>
T load_le(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

/// Requires sizeof(T) writable bytes at `to`.
template <std::unsigned_integral T>
void store_le(void* to, T value) {
  std::memcpy(to, &value, sizeof(value));
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ByteReader {
 public:
  /// `bytes` outlives the reader and all it returns. `origin` is where in the
  /// file they start; it is used in errors only.
  explicit ByteReader(std::span<const std::byte> bytes,
                      std::uint64_t origin = 0)
      : bytes_(bytes), origin_(origin) {}

  std::size_t size() const { return bytes_.size(); }
  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }
  bool at_end() const { return remaining() == 0; }

  /// The next value; moves on.
  template <std::unsigned_integral T>
  Result<T> read() {
    if (remaining() < sizeof(T)) [[unlikely]]
      return short_of(sizeof(T));
    const T value = load_le<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }
  Result<std::uint8_t> u8() { return read<std::uint8_t>(); }
  Result<std::uint16_t> u16() { return read<std::uint16_t>(); }
  Result<std::uint32_t> u32() { return read<std::uint32_t>(); }
  Result<std::uint64_t> u64() { return read<std::uint64_t>(); }

  /// The next `count` bytes; moves on.
  Result<std::span<const std::byte>> bytes(std::size_t count) {
    if (remaining() < count) [[unlikely]]
      return short_of(count);
    const auto found = bytes_.subspan(position_, count);
    position_ += count;
    return found;
  }
  Result<std::string_view> text(std::size_t count) {
    TRY_ASSIGN(const auto found, bytes(count));
    return as_text(found);
  }
  /// What stands before the next NUL; moves behind the NUL.
  Result<std::string_view> c_string() {
    const std::string_view rest = as_text(bytes_.subspan(position_));
    const std::size_t end = rest.find('\0');
    if (end == rest.npos) [[unlikely]] {
      return bad(fmt::format("no NUL after offset {}", offset(position_)));
    }
    position_ += end + 1;
    return rest.substr(0, end);
  }

  Result<void> skip(std::size_t count) {
    if (remaining() < count) [[unlikely]]
      return short_of(count);
    position_ += count;
    return {};
  }
  /// Moves to `position`, counted from the start of the span.
  Result<void> seek(std::uint64_t position) {
    if (position > bytes_.size()) [[unlikely]] {
      return bad(fmt::format("offset {} is behind the end at {}",
                             offset(position), offset(bytes_.size())));
    }
    position_ = static_cast<std::size_t>(position);
    return {};
  }

  /// The value at `position`; does not move.
  template <std::unsigned_integral T>
  Result<T> at(std::uint64_t position) const {
    TRY_ASSIGN(const auto found, slice(position, sizeof(T)));
    return load_le<T>(found.data());
  }
  /// `count` bytes at `position`; does not move.
  Result<std::span<const std::byte>> slice(std::uint64_t position,
                                           std::uint64_t count) const {
    if (position > bytes_.size() || count > bytes_.size() - position)
        [[unlikely]] {
      return bad(fmt::format("{} bytes at offset {} reach behind the end at {}",
                             count, offset(position), offset(bytes_.size())));
    }
    return bytes_.subspan(static_cast<std::size_t>(position),
                          static_cast<std::size_t>(count));
  }

 private:
  std::uint64_t offset(std::uint64_t position) const {
    return origin_ + position;
  }
  static Error bad(std::string what) {
    return Error(EUCLEAN, "read", std::move(what));
  }
  Error short_of(std::size_t count) const {
    return bad(fmt::format("offset {}: {} bytes wanted, {} left",
                           offset(position_), count, remaining()));
  }

  std::span<const std::byte> bytes_;
  std::uint64_t origin_;
  std::size_t position_ = 0;
};

class ByteWriter {
 public:
  std::size_t size() const { return buffer_.size(); }
  std::span<const std::byte> bytes() const { return buffer_; }
  std::vector<std::byte> take() && { return std::move(buffer_); }
  void reserve(std::size_t size) { buffer_.reserve(size); }

  template <std::unsigned_integral T>
  void write(T value) {
    const std::size_t at = buffer_.size();
    buffer_.resize(at + sizeof(T));
    store_le(buffer_.data() + at, value);
  }
  void u8(std::uint8_t value) { write(value); }
  void u16(std::uint16_t value) { write(value); }
  void u32(std::uint32_t value) { write(value); }
  void u64(std::uint64_t value) { write(value); }

  void bytes(std::span<const std::byte> more) {
    buffer_.insert(buffer_.end(), more.begin(), more.end());
  }
  void text(std::string_view more) { bytes(as_bytes(more)); }
  void zeros(std::size_t count) { buffer_.resize(buffer_.size() + count); }
  /// Zeros until size() is a multiple of `alignment`, a power of two.
  void align(std::size_t alignment) {
    buffer_.resize((buffer_.size() + alignment - 1) & ~(alignment - 1));
  }

  /// Overwrites what was written at `position`.
  /// Fails  EINVAL  nothing of that size is there
  template <std::unsigned_integral T>
  Result<void> patch(std::size_t position, T value) {
    if (position > size() || size() - position < sizeof(T)) [[unlikely]] {
      return Error(EINVAL, "patch");
    }
    store_le(buffer_.data() + position, value);
    return {};
  }

 private:
  std::vector<std::byte> buffer_;
};

}  // namespace veneer
