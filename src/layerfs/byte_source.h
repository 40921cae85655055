// SPDX-License-Identifier: MIT
//
// A file that is read from front to back, with a name for errors.
//
// What a file says of its own lengths is not believed: a ByteSource knows how
// many bytes there are, and a Window never holds more than that. Where the
// bytes come from is a function, so that tests and fuzzers need no file.
//
// Threads: thread-compatible.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/result.h"

namespace veneer::layerfs {

struct ByteSource {
  /// Fills `into` from `offset` on; how many bytes there were, less than asked
  /// for only at the end.
  using ReadAt = std::function<Result<std::size_t>(std::span<std::byte> into,
                                                   std::uint64_t offset)>;

  std::string name;
  std::uint64_t size = 0;
  ReadAt read_at;

  /// All that the regular file `fd` holds now; it stays the caller's.
  /// Fails  EINVAL  it is no regular file
  static Result<ByteSource> from_fd(int fd, std::string name);
  /// `bytes` outlive the source.
  static ByteSource from_bytes(std::string_view bytes, std::string name);

  /// "NAME: offset 17: WHAT"
  Error bad(std::uint64_t offset, std::string_view what) const;
};

/// A piece of a source that moves forward through it.
class Window {
 public:
  explicit Window(const ByteSource& source) : source_(source) {}

  /// Offset of the next byte.
  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return source_.size - position_; }

  /// The next `count` bytes, or as many as are left; does not move. Valid until
  /// the next call.
  /// Fails  EIO  the file has become shorter; others from reading
  Result<std::string_view> peek(std::uint64_t count);
  /// Moves by `count`, at most to the end.
  void skip(std::uint64_t count);

 private:
  Result<void> fill(std::uint64_t count);

  const ByteSource& source_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  ///< of the next byte in the buffer
  std::uint64_t position_ = 0;
};

}  // namespace veneer::layerfs
