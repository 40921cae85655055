// SPDX-License-Identifier: MIT
//
// A whole file in memory, read-only.
//
// Layers do not change while they are mounted. One that is cut short under us
// all the same kills the reader with SIGBUS: map what is trusted to stay, such
// as an image that is only ever replaced by rename.
//
// Threads: immutable.

#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "veneer/result.h"

namespace veneer::sys {

class MappedFile {
 public:
  /// Maps all that `fd` holds now; the descriptor may be closed afterwards.
  /// Fails  ENODEV, EACCES  it is no regular file, or not readable
  static Result<MappedFile> map(int fd);

  MappedFile() = default;
  ~MappedFile() { unmap(); }
  MappedFile(MappedFile&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    if (this != &other) {
      unmap();
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }

  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return bytes_.size(); }
  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

  /// Tells the kernel how it will be read: MADV_RANDOM, MADV_WILLNEED, ...
  void advise(int advice) const noexcept;

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  void unmap() noexcept;

  std::span<const std::byte> bytes_;
};

}  // namespace veneer::sys
