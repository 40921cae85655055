// SPDX-License-Identifier: MIT
//
// A tar as a stream: entries and their data go out in order, in pieces of
// 256 KiB, and are hashed on the way. Threads: one.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/digest.h"
#include "finalize/tar_header.h"
#include "veneer/result.h"

namespace veneer::finalize {

class TarWriter {
 public:
  /// Writes to `fd`, which stays the caller's and may be a pipe.
  explicit TarWriter(int fd) : fd_(fd) { buffer_.reserve(kBuffer); }

  /// Requires that all data of the entry before have been appended.
  /// Fails  as tar_header() and as writing
  Result<void> add(const TarEntry& entry);
  /// Data of the entry added last: its `size` bytes in all, in any pieces.
  Result<void> append(std::span<const std::byte> bytes);
  /// The end mark. Nothing comes after it.
  Result<void> finish();

  /// So far, what is in the buffer included.
  std::uint64_t size() const { return size_; }
  /// After finish(), once.
  Digest256 digest() { return sha256_.finish(); }

 private:
  static constexpr std::size_t kBuffer = std::size_t{256} << 10;

  Result<void> put(std::span<const std::byte> bytes);
  Result<void> flush();

  int fd_;
  std::vector<std::byte> buffer_;
  std::uint64_t size_ = 0;
  std::uint64_t data_left_ = 0;  ///< of the entry added last
  Sha256 sha256_;
};

}  // namespace veneer::finalize
