// SPDX-License-Identifier: MIT
//
// Big-endian numbers, as LayerFS and its manifests have them.
//
// Loads require that the bytes are there: whoever calls has compared the item's
// length with what the item must hold. A BeWriter appends.

#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace veneer::layerfs {

/// Requires sizeof(T) readable bytes at `from`.
template <std::unsigned_integral T>
T load_be(const void* from) {
  return std::byteswap(load_le<T>(from));
}

/// Requires sizeof(T) writable bytes at `to`.
template <std::unsigned_integral T>
void store_be(void* to, T value) {
  store_le(to, std::byteswap(value));
}

class BeWriter {
 public:
  std::size_t size() const { return buffer_.size(); }
  std::span<const std::byte> bytes() const { return buffer_; }
  std::vector<std::byte> take() && { return std::move(buffer_); }
  void clear() { buffer_.clear(); }
  void reserve(std::size_t size) { buffer_.reserve(size); }

  template <std::unsigned_integral T>
  void write(T value) {
    const std::size_t at = buffer_.size();
    buffer_.resize(at + sizeof(T));
    store_be(buffer_.data() + at, value);
  }
  void u8(std::uint8_t value) { buffer_.push_back(std::byte{value}); }
  void u32(std::uint32_t value) { write(value); }
  void u64(std::uint64_t value) { write(value); }
  void i64(std::int64_t value) { write(static_cast<std::uint64_t>(value)); }
  void raw(std::span<const std::byte> more) {
    buffer_.insert(buffer_.end(), more.begin(), more.end());
  }
  void raw(std::span<const std::uint8_t> more) { raw(std::as_bytes(more)); }
  /// A length and that many bytes.
  void text(std::string_view more) {
    u64(more.size());
    raw(as_bytes(more));
  }

 private:
  std::vector<std::byte> buffer_;
};

}  // namespace veneer::layerfs
