// SPDX-License-Identifier: MIT

#include "layerfs/manifest_writer.h"

#include "base/bytes.h"
#include "base/utf8.h"
#include "layerfs/manifest.h"
#include "layerfs/manifest_text.h"
#include "sys/stream.h"

namespace veneer::layerfs {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;

bool is_below(std::string_view path, std::string_view dir) {
  return dir.empty() || (path.size() > dir.size() && path.starts_with(dir) &&
                         path[dir.size()] == '/');
}

bool has_utf8_names(const Entry& entry) {
  const auto* const link = std::get_if<HardLinkEntry>(&entry.data);
  return is_utf8(entry.path) && (link == nullptr || is_utf8(link->target));
}

}  // namespace

ManifestWriter::ManifestWriter(int fd, bool as_text)
    : fd_(fd),
      as_text_(as_text),
      buffer_(as_text ? std::string(kManifestTextHeader) : manifest_header()) {}

Result<void> ManifestWriter::add(Entry&& entry) {
  if (held_ && !is_below(entry.path, held_->path)) TRY(put(*held_));
  held_.reset();
  const auto* const dir = std::get_if<DirectoryEntry>(&entry.data);
  if (dir != nullptr && dir->implicit && !dir->opaque) {
    held_ = std::move(entry);
    return {};
  }
  return put(entry);
}

Result<void> ManifestWriter::put(const Entry& entry) {
  if (as_text_) {
    TRY_ASSIGN(const std::string line, to_manifest_text(entry));
    buffer_ += line;
  } else {
    TRY(append_to_manifest(buffer_, entry));
  }
  ++report_.entries;
  if (!has_utf8_names(entry)) ++report_.not_utf8;
  return buffer_.size() < kBuffer ? Result<void>() : flush();
}

Result<void> ManifestWriter::flush() {
  TRY(sys::write_all(fd_, as_bytes(buffer_)));
  buffer_.clear();
  return {};
}

Result<ManifestReport> ManifestWriter::finish() {
  // A layer's root is there whether one says so or not.
  if (held_ && !held_->path.empty()) TRY(put(*held_));
  held_.reset();
  TRY(flush());
  return report_;
}

}  // namespace veneer::layerfs
