// SPDX-License-Identifier: MIT
//
// A buffer of this thread's own, for answers that are built before they are
// sent: a read, a page of a listing. It grows to the largest answer and stays.

#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace veneer::fuse {

/// `size` bytes, valid until the thread asks again. Their values are unset.
inline std::span<std::byte> scratch(std::size_t size) {
  thread_local std::unique_ptr<std::byte[]> buffer;
  thread_local std::size_t capacity = 0;
  if (capacity < size) {
    capacity = 0;
    buffer = std::make_unique_for_overwrite<std::byte[]>(size);
    capacity = size;
  }
  return {buffer.get(), size};
}

}  // namespace veneer::fuse
