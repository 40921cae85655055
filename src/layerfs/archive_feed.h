// SPDX-License-Identifier: MIT
//
// A ByteSource for libarchive, and its handles with an owner.
//
// The offsets that libarchive counts are offsets of the source, since nothing
// is between them; what it skips is never read. An error of the source is kept,
// because libarchive would turn it into words of its own.

#pragma once

#include <archive.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layerfs/byte_source.h"
#include "veneer/result.h"

namespace veneer::layerfs {

struct FreeArchive {
  void operator()(archive* handle) const { archive_read_free(handle); }
};
using ArchiveReader = std::unique_ptr<archive, FreeArchive>;

class ArchiveFeed {
 public:
  explicit ArchiveFeed(const ByteSource& source) : source_(source) {}
  ArchiveFeed(const ArchiveFeed&) = delete;
  ArchiveFeed& operator=(const ArchiveFeed&) = delete;

  /// `handle` reads from here until it is freed.
  int open(archive* handle);

  /// Bytes of the source, without disturbing libarchive; valid until the next
  /// call of anything.
  Result<std::string_view> peek(std::uint64_t offset, std::uint64_t count);

  /// The error that a callback met.
  const std::optional<Error>& error() const { return error_; }
  /// Offset of what libarchive gets next.
  std::uint64_t position() const { return position_; }

 private:
  static la_ssize_t read(archive* handle, void* self, const void** buffer);
  static la_int64_t skip(archive* handle, void* self, la_int64_t count);

  const ByteSource& source_;
  std::vector<std::byte> buffer_;
  std::uint64_t buffer_start_ = 0;
  std::vector<std::byte> peeked_;
  std::uint64_t position_ = 0;
  std::optional<Error> error_;
};

/// What libarchive says went wrong, on one line.
std::string archive_complaint(archive* handle);

}  // namespace veneer::layerfs
