// SPDX-License-Identifier: MIT

#include "layerfs/archive_feed.h"

#include <algorithm>

#include "base/bytes.h"

namespace veneer::layerfs {
namespace {
// Small members follow each other in one piece; of large ones little more than
// the headers is read.
constexpr std::size_t kPiece = 64 * 1024;
}  // namespace

int ArchiveFeed::open(archive* handle) {
  archive_read_set_callback_data(handle, this);
  archive_read_set_read_callback(handle, &ArchiveFeed::read);
  archive_read_set_skip_callback(handle, &ArchiveFeed::skip);
  return archive_read_open1(handle);
}

la_ssize_t ArchiveFeed::read(archive* handle, void* self, const void** buffer) {
  auto& feed = *static_cast<ArchiveFeed*>(self);
  const std::uint64_t left = feed.source_.size - feed.position_;
  feed.buffer_.resize(
      static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece)));
  const auto got = feed.source_.read_at(feed.buffer_, feed.position_);
  if (!got || *got != feed.buffer_.size()) {
    feed.error_ =
        got ? Error(EIO, "read", feed.source_.name + ": it became shorter")
            : got.error().about(feed.source_.name);
    archive_set_error(handle, EIO, "cannot read");
    return -1;
  }
  feed.buffer_start_ = feed.position_;
  feed.position_ += *got;
  *buffer = feed.buffer_.data();
  return static_cast<la_ssize_t>(*got);
}

la_int64_t ArchiveFeed::skip(archive* /*handle*/, void* self,
                             la_int64_t count) {
  auto& feed = *static_cast<ArchiveFeed*>(self);
  const std::uint64_t left = feed.source_.size - feed.position_;
  const std::uint64_t skipped = std::min(
      left, static_cast<std::uint64_t>(std::max<la_int64_t>(count, 0)));
  feed.position_ += skipped;
  return static_cast<la_int64_t>(skipped);
}

Result<std::string_view> ArchiveFeed::peek(std::uint64_t offset,
                                           std::uint64_t count) {
  count = std::min(count, source_.size - std::min(source_.size, offset));
  if (offset >= buffer_start_ &&
      offset - buffer_start_ + count <= buffer_.size()) {
    return as_text(std::span(buffer_).subspan(
        static_cast<std::size_t>(offset - buffer_start_),
        static_cast<std::size_t>(count)));
  }
  peeked_.resize(static_cast<std::size_t>(count));
  const auto got = source_.read_at(peeked_, offset);
  if (!got) return got.error().about(source_.name);
  return as_text(std::span(peeked_).first(*got));
}

std::string archive_complaint(archive* handle) {
  const char* const text = archive_error_string(handle);
  std::string line = text != nullptr ? text : "damaged";
  std::ranges::replace(line, '\n', ' ');
  return line;
}

}  // namespace veneer::layerfs
