// SPDX-License-Identifier: MIT
//
// Building aside, and publishing.

#include "layerfs/staging_dir.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "sys/copy_data.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/remove_tree.h"

namespace veneer::layerfs {
namespace {

constexpr mode_t kDirMode = 0755;
constexpr mode_t kFileMode = 0644;
constexpr std::size_t kBuffer = std::size_t{256} << 10;
// Up to so many files are synced one by one, more by one sync of all there is.
constexpr std::size_t kFewFiles = 64;
// Another process may remove what we found, or make what we missed.
constexpr int kAttempts = 16;

Result<bool> is_empty(int parent, const char* name) {
  TRY_ASSIGN(const auto dir,
             sys::open_at(parent, name, O_RDONLY | O_DIRECTORY));
  bool empty = true;
  TRY(sys::read_dir(dir.get(), [&](std::string_view, std::uint64_t,
                                   std::uint8_t) { empty = false; }));
  return empty;
}

Result<void> check_free(int parent, const char* name) {
  TRY_ASSIGN(const auto attr, sys::find_at(parent, name));
  if (!attr) return {};
  if (!S_ISDIR(attr->mode)) return Error(EEXIST, "create");
  TRY_ASSIGN(const bool empty, is_empty(parent, name));
  if (!empty) return Error(EEXIST, "create");
  return {};
}

}  // namespace

Result<StagingDir> StagingDir::create(const std::string& out) {
  std::string path = out;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == path.npos ? path : path.substr(slash + 1);
  const std::string parent_path = slash == path.npos ? "."
                                  : slash == 0       ? "/"
                                                     : path.substr(0, slash);
  if (name.empty() || name == "." || name == "..") {
    return Error(EINVAL, "create", out);
  }
  TRY_ASSIGN(sys::UniqueFd parent, sys::open_dir(parent_path));
  if (auto free = check_free(parent.get(), name.c_str()); !free) {
    return free.error().about(out);
  }
  StagingDir dir(std::move(parent), name);
  if (auto made = dir.make(); !made) return made.error().about(out);
  return dir;
}

// Makes the directory and locks it, having removed one without an owner.
Result<void> StagingDir::make() {
  const std::string name = building();
  for (int i = 0; i < kAttempts; ++i) {
    const auto made = sys::make_dir_at(parent_.get(), name.c_str(), kDirMode);
    if (!made && made.error().code() != EEXIST) return made.error();
    auto dir = sys::open_at(parent_.get(), name.c_str(),
                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir && dir.error().code() == ENOENT) continue;
    if (!dir) return dir.error();
    TRY(sys::lock_dir(dir->get()));
    // Locked too late, it may be gone, or be another one.
    TRY_ASSIGN(const auto at, sys::find_at(parent_.get(), name.c_str()));
    TRY_ASSIGN(const Attr ours, sys::stat_fd(dir->get()));
    if (!at || at->ino != ours.ino) continue;
    if (made) {
      dir_ = *std::move(dir);
      return {};
    }
    TRY(sys::remove_tree_at(parent_.get(), name.c_str()));
  }
  return Error(EBUSY, "create");
}

StagingDir::~StagingDir() {
  if (!dir_) return;
  ignore_error(sys::remove_tree_at(parent_.get(), building().c_str()));
}

Result<sys::UniqueFd> StagingDir::create_file(const char* name) {
  ++files_;
  return sys::open_at(dir_.get(), name, O_RDWR | O_CREAT | O_EXCL, kFileMode);
}

Result<void> StagingDir::write_file(const char* name,
                                    std::span<const std::byte> bytes) {
  TRY_ASSIGN(const auto fd, create_file(name));
  TRY(sys::pwrite_full(fd.get(), bytes.data(), bytes.size(), 0));
  return {};
}

Result<void> StagingDir::take_file(int from, const char* name, bool may_link) {
  if (may_link && sys::link_at(from, name, dir_.get(), name)) {
    ++files_;
    return {};
  }
  TRY_ASSIGN(const auto in, sys::open_at(from, name, O_RDONLY | O_NOFOLLOW));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(in.get()));
  TRY_ASSIGN(const auto out, create_file(name));
  TRY(sys::copy_range(in.get(), out.get(), attr.size));
  return {};
}

Result<void> StagingDir::sync() {
  if (files_ > kFewFiles) return sys::sync_fs(dir_.get());
  Result<void> synced;
  TRY(sys::read_dir(
      dir_.get(), [&](std::string_view name, std::uint64_t, std::uint8_t) {
        if (!synced) return;
        // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): see
        // DirSink
        const auto fd = sys::open_at(dir_.get(), name.data(), O_RDONLY);
        synced = fd ? sys::fsync_fd(fd->get()) : fd.error();
      }));
  TRY(synced);
  return sys::fsync_fd(dir_.get());
}

Result<void> StagingDir::publish() {
  TRY(sync());
  // Takes the place of an empty directory, and of nothing else.
  if (auto moved = sys::rename_at(parent_.get(), building().c_str(),
                                  parent_.get(), name_.c_str());
      !moved) {
    const int code = moved.error().code();
    const bool taken = code == ENOTEMPTY || code == ENOTDIR;
    return Error(taken ? EEXIST : code, "publish", name_);
  }
  dir_.reset();
  TRY_ASSIGN(const auto parent,
             sys::reopen(parent_.get(), O_RDONLY | O_DIRECTORY));
  return sys::fsync_fd(parent.get());
}

// --- Tables ------------------------------------------------------------------

Result<void> TableWriter::open(StagingDir& dir, const char* name) {
  TRY_ASSIGN(fd_, dir.create_file(name));
  buffer_.reserve(kBuffer);
  return {};
}

Result<void> TableWriter::flush() {
  TRY(sys::pwrite_full(fd_.get(), buffer_.data(), buffer_.size(), flushed_));
  flushed_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<void> TableWriter::append(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > kBuffer) TRY(flush());
  if (bytes.size() > kBuffer) {
    TRY(sys::pwrite_full(fd_.get(), bytes.data(), bytes.size(), flushed_));
    flushed_ += bytes.size();
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
  hasher_.update(bytes);
  return {};
}

Result<void> TableWriter::patch(std::uint64_t at,
                                std::span<const std::byte> bytes) {
  patched_ = true;
  if (at >= flushed_) {
    std::ranges::copy(
        bytes, buffer_.begin() + static_cast<std::ptrdiff_t>(at - flushed_));
    return {};
  }
  if (at + bytes.size() > flushed_) TRY(flush());
  TRY(sys::pwrite_full(fd_.get(), bytes.data(), bytes.size(), at));
  return {};
}

Result<void> TableWriter::read(std::uint64_t at, std::span<std::byte> into) {
  if (at >= flushed_) {
    std::memcpy(into.data(), buffer_.data() + (at - flushed_), into.size());
    return {};
  }
  if (at + into.size() > flushed_) TRY(flush());
  TRY_ASSIGN(const std::size_t got,
             sys::pread_full(fd_.get(), into.data(), into.size(), at));
  if (got < into.size()) return Error(EIO, "read");
  return {};
}

Result<std::vector<Digest256>> TableWriter::finish() {
  TRY(flush());
  if (!patched_) return std::move(hasher_).finish();
  return digest_file(fd_.get());
}

Result<std::vector<Digest256>> digest_file(int fd) {
  ChunkHasher hasher;
  std::vector<std::byte> buffer(kBuffer);
  for (std::uint64_t at = 0;;) {
    TRY_ASSIGN(const std::size_t got,
               sys::pread_full(fd, buffer.data(), buffer.size(), at));
    hasher.update(std::span(buffer).first(got));
    at += got;
    if (got < buffer.size()) break;
  }
  return std::move(hasher).finish();
}

}  // namespace veneer::layerfs
