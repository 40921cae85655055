// SPDX-License-Identifier: MIT
//
// The bytes of an image, read piece by piece as they are wanted.
//
// The image is read with pread(2), not mapped: one that is cut short or written
// to while it is served then gives an error or other bytes, where a mapping
// kills the server with SIGBUS; and what is looked at is a copy that cannot
// change between the check and the use. It costs a microsecond for a block in
// the page cache (docs/formats/composefs.md has the measurement).
//
// Threads: an ImageFile is immutable; a Window is of one thread.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::composefs {

class ImageFile {
 public:
  /// `name` is what errors call the image.
  /// Fails  EINVAL  it is no regular file
  static Result<ImageFile> open(sys::UniqueFd fd, std::string name);

  int fd() const { return fd_.get(); }
  /// As it was at the start.
  std::uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }

  /// Fills all of `into`.
  /// Fails  EUCLEAN  it reaches behind the end
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) const;

  /// True if `size` bytes from `offset` on are inside the image.
  bool has(std::uint64_t offset, std::uint64_t size) const {
    return offset <= size_ && size <= size_ - offset;
  }

  /// EUCLEAN about the image, with the offset where it is wrong.
  Error bad(std::uint64_t offset, std::string_view what) const;

 private:
  ImageFile(sys::UniqueFd fd, std::uint64_t size, std::string name)
      : fd_(std::move(fd)), size_(size), name_(std::move(name)) {}

  sys::UniqueFd fd_;
  std::uint64_t size_ = 0;
  std::string name_;
};

/// The part of an image that an operation looks at. What lies close together,
/// as an inode, its xattrs and its tail do, is read at once.
class Window {
 public:
  explicit Window(const ImageFile& file) : file_(file) {}

  /// Valid until the next call.
  /// Fails  EUCLEAN  it reaches behind the end
  Result<std::span<const std::byte>> get(std::uint64_t offset,
                                         std::size_t size);

 private:
  const ImageFile& file_;
  std::uint64_t start_ = 0;
  std::size_t held_ = 0;
  std::array<std::byte, 4096> block_;
  std::vector<std::byte> large_;
};

}  // namespace veneer::composefs
