// SPDX-License-Identifier: MIT
//
// BlobStore: files come in under `.incoming-N`, already by their digest, and
// move to the store once they are synced.
//
// Who adds holds a lock on its own incoming directory. One that nobody holds is
// what a crash has left, and goes when the store is next opened.

#include <absl/container/btree_map.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/digest.h"
#include "sys/copy_data.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/remove_tree.h"
#include "veneer/layerfs.h"

namespace veneer::layerfs {
namespace {

constexpr std::string_view kIncoming = ".incoming-";
constexpr mode_t kBlobMode = 0444;
constexpr std::size_t kBuffer = std::size_t{256} << 10;
// Smaller files are read once, into memory.
constexpr std::uint64_t kSmall = std::uint64_t{1} << 20;
// Up to so many blobs are synced one by one, more by one sync of all there is.
constexpr std::size_t kFewBlobs = 64;

bool is_unchanged(const Attr& before, const Attr& after) {
  const auto same = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  return before.size == after.size && same(before.mtime, after.mtime);
}

// What stands there may be a link to somebody's file, so it is never written.
Result<sys::UniqueFd> create_new(int dir, const std::string& name) {
  ignore_error(sys::unlink_at(dir, name.c_str()));
  return sys::open_at(dir, name.c_str(), O_WRONLY | O_CREAT | O_EXCL,
                      kBlobMode);
}

// The incoming directories that nobody holds any more.
Result<void> sweep(int store) {
  TRY_ASSIGN(const auto dir, sys::reopen(store, O_RDONLY | O_DIRECTORY));
  std::vector<std::string> found;
  TRY(sys::read_dir(dir.get(),
                    [&](std::string_view name, std::uint64_t, std::uint8_t) {
                      if (name.starts_with(kIncoming)) found.emplace_back(name);
                    }));
  for (const std::string& name : found) {
    const auto left =
        sys::open_at(store, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!left || !sys::lock_dir(left->get())) continue;
    TRY(sys::remove_tree_at(store, name.c_str()));
  }
  return {};
}

}  // namespace

struct BlobStore::Impl {
  std::string path;
  sys::UniqueFd dir;       // O_PATH
  sys::UniqueFd incoming;  // locked; none until something is added
  std::string incoming_name;
  absl::btree_map<Sha256Digest, std::uint64_t> pending;
  std::uint64_t next = 0;

  ~Impl() {
    if (!incoming) return;
    ignore_error(sys::remove_tree_at(dir.get(), incoming_name.c_str()));
  }

  Result<int> ensure_incoming();
  Result<std::optional<std::uint64_t>> find(const Sha256Digest& sha256) const;
  Result<bool> has(const Blob& blob) const {
    TRY_ASSIGN(const auto size, find(blob.sha256));
    return size == blob.size;
  }
  Result<Blob> add_bytes(std::span<const std::byte> bytes);
  Result<Blob> add_large(int fd, const Attr& attr, How how);
  Result<void> sync();
};

Result<int> BlobStore::Impl::ensure_incoming() {
  while (!incoming) {
    std::string name = fmt::format("{}{}", kIncoming, next++);
    const auto made = sys::make_dir_at(dir.get(), name.c_str(), 0700);
    if (!made && made.error().code() == EEXIST) continue;
    TRY(made);
    auto fd = sys::open_at(dir.get(), name.c_str(), O_RDONLY | O_DIRECTORY);
    if (!fd) continue;  // swept before it was locked
    if (!sys::lock_dir(fd->get())) continue;
    TRY_ASSIGN(const auto at, sys::find_at(dir.get(), name.c_str()));
    TRY_ASSIGN(const Attr ours, sys::stat_fd(fd->get()));
    if (!at || at->ino != ours.ino) continue;
    incoming = *std::move(fd);
    incoming_name = std::move(name);
  }
  return incoming.get();
}

Result<std::optional<std::uint64_t>> BlobStore::Impl::find(
    const Sha256Digest& sha256) const {
  const auto waiting = pending.find(sha256);
  if (waiting != pending.end()) return std::optional(waiting->second);
  const std::string name = to_hex(sha256);
  TRY_ASSIGN(const auto attr, sys::find_at(dir.get(), name.c_str()));
  if (!attr) return std::optional<std::uint64_t>();
  if (S_ISREG(attr->mode)) return std::optional(attr->size);
  // A link into somebody's files counts while it leads to one.
  const auto fd = sys::open_file(path + "/" + name, O_RDONLY | O_NONBLOCK);
  if (!fd) return std::optional<std::uint64_t>();
  TRY_ASSIGN(const Attr target, sys::stat_fd(fd->get()));
  if (!S_ISREG(target.mode)) return std::optional<std::uint64_t>();
  return std::optional(target.size);
}

Result<BlobStore::Blob> BlobStore::Impl::add_bytes(
    std::span<const std::byte> bytes) {
  const Blob blob{sha256(bytes), bytes.size()};
  TRY_ASSIGN(const bool known, has(blob));
  if (known) return blob;
  TRY_ASSIGN(const int to, ensure_incoming());
  const std::string name = to_hex(blob.sha256);
  TRY_ASSIGN(const auto fd, create_new(to, name));
  TRY(sys::pwrite_full(fd.get(), bytes.data(), bytes.size(), 0));
  pending.insert_or_assign(blob.sha256, blob.size);
  return blob;
}

Result<BlobStore::Blob> BlobStore::Impl::add_large(int fd, const Attr& attr,
                                                   How how) {
  Sha256 hasher;
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  for (std::uint64_t at = 0; at < attr.size;) {
    TRY_ASSIGN(const std::size_t got,
               sys::pread_full(fd, buffer.data(), buffer.size(), at));
    if (got == 0) return Error(EBUSY, "add");
    hasher.update(std::span(buffer).first(got));
    at += got;
  }
  const Blob blob{hasher.finish(), attr.size};
  TRY_ASSIGN(const bool known, has(blob));
  if (known) return blob;
  TRY_ASSIGN(const int to, ensure_incoming());
  const std::string name = to_hex(blob.sha256);
  if (how == How::kCopy || !sys::link_fd(fd, to, name.c_str())) {
    TRY_ASSIGN(const auto out, create_new(to, name));
    TRY(sys::copy_range(fd, out.get(), attr.size));
  }
  TRY_ASSIGN(const Attr after, sys::stat_fd(fd));
  if (!is_unchanged(attr, after)) {
    ignore_error(sys::unlink_at(to, name.c_str()));
    return Error(EBUSY, "add");
  }
  pending.insert_or_assign(blob.sha256, blob.size);
  return blob;
}

Result<void> BlobStore::Impl::sync() {
  if (pending.size() > kFewBlobs) return sys::sync_fs(incoming.get());
  for (const auto& [sha256, size] : pending) {
    TRY_ASSIGN(const auto fd,
               sys::open_at(incoming.get(), to_hex(sha256).c_str(), O_RDONLY));
    TRY(sys::fsync_fd(fd.get()));
  }
  return {};
}

// --- Pieces ------------------------------------------------------------------

struct BlobStore::Writer::Impl {
  BlobStore::Impl& store;
  std::string name;
  sys::UniqueFd fd;
  Sha256 hasher;
  std::uint64_t size = 0;
  std::vector<std::byte> buffer;

  ~Impl() {
    if (!fd || !store.incoming) return;
    ignore_error(sys::unlink_at(store.incoming.get(), name.c_str()));
  }
  Result<void> flush() {
    TRY(sys::pwrite_full(fd.get(), buffer.data(), buffer.size(), size));
    hasher.update(buffer);
    size += buffer.size();
    buffer.clear();
    return {};
  }
};

BlobStore::Writer::Writer(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
BlobStore::Writer::~Writer() = default;
BlobStore::Writer::Writer(Writer&&) noexcept = default;
BlobStore::Writer& BlobStore::Writer::operator=(Writer&&) noexcept = default;

Result<void> BlobStore::Writer::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t room = kBuffer - impl_->buffer.size();
    const auto piece = bytes.first(std::min(room, bytes.size()));
    impl_->buffer.insert(impl_->buffer.end(), piece.begin(), piece.end());
    bytes = bytes.subspan(piece.size());
    if (impl_->buffer.size() == kBuffer) TRY(impl_->flush());
  }
  return {};
}

Result<BlobStore::Blob> BlobStore::Writer::finish() && {
  const std::unique_ptr<Impl> impl = std::move(impl_);
  TRY(impl->flush());
  const Blob blob{impl->hasher.finish(), impl->size};
  TRY_ASSIGN(const bool known, impl->store.has(blob));
  if (known) return blob;
  const int incoming = impl->store.incoming.get();
  TRY(sys::rename_at(incoming, impl->name.c_str(), incoming,
                     to_hex(blob.sha256).c_str()));
  impl->fd.reset();
  impl->store.pending.insert_or_assign(blob.sha256, blob.size);
  return blob;
}

// --- The store ---------------------------------------------------------------

BlobStore::BlobStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BlobStore::~BlobStore() = default;
BlobStore::BlobStore(BlobStore&&) noexcept = default;
BlobStore& BlobStore::operator=(BlobStore&&) noexcept = default;

Result<BlobStore> BlobStore::open(const std::string& path, bool create) {
  auto dir = sys::open_dir(path);
  if (!dir && dir.error().code() == ENOENT && create) {
    if (auto made = sys::make_dir_at(AT_FDCWD, path.c_str(), 0755); !made) {
      return made.error().about(path);
    }
    dir = sys::open_dir(path);
  }
  if (!dir) return dir.error();
  // A store that may only be read has nothing to sweep.
  ignore_error(sweep(dir->get()));
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->dir = *std::move(dir);
  return BlobStore(std::move(impl));
}

const std::string& BlobStore::path() const { return impl_->path; }

Result<BlobStore::Blob> BlobStore::add_file(const std::string& path, How how) {
  TRY_ASSIGN(const auto fd, sys::open_file(path, O_RDONLY | O_NONBLOCK));
  auto blob = add_fd(fd.get(), how);
  if (!blob) return blob.error().about(path);
  return blob;
}

Result<BlobStore::Blob> BlobStore::add_fd(int fd, How how) {
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd));
  if (!S_ISREG(attr.mode)) return Error(EINVAL, "add");
  if (attr.size > kSmall || how == How::kLink) {
    return impl_->add_large(fd, attr, how);
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(attr.size));
  TRY_ASSIGN(const std::size_t got,
             sys::pread_full(fd, bytes.data(), bytes.size(), 0));
  TRY_ASSIGN(const Attr after, sys::stat_fd(fd));
  if (got < bytes.size() || !is_unchanged(attr, after)) {
    return Error(EBUSY, "add");
  }
  return impl_->add_bytes(bytes);
}

Result<BlobStore::Blob> BlobStore::add_bytes(std::span<const std::byte> bytes) {
  return impl_->add_bytes(bytes);
}

Result<BlobStore::Writer> BlobStore::begin() {
  TRY_ASSIGN(const int to, impl_->ensure_incoming());
  std::string name = fmt::format("writing-{}", impl_->next++);
  TRY_ASSIGN(
      sys::UniqueFd fd,
      sys::open_at(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL, kBlobMode));
  std::unique_ptr<Writer::Impl> writer(new Writer::Impl{.store = *impl_,
                                                        .name = std::move(name),
                                                        .fd = std::move(fd),
                                                        .hasher = {},
                                                        .size = 0,
                                                        .buffer = {}});
  writer->buffer.reserve(kBuffer);
  return Writer(std::move(writer));
}

Result<std::optional<std::uint64_t>> BlobStore::find(
    const Sha256Digest& sha256) const {
  return impl_->find(sha256);
}

Result<void> BlobStore::publish() {
  if (impl_->pending.empty()) return {};
  TRY(impl_->sync());
  while (!impl_->pending.empty()) {
    const auto first = impl_->pending.begin();
    const std::string name = to_hex(first->first);
    TRY(sys::rename_at(impl_->incoming.get(), name.c_str(), impl_->dir.get(),
                       name.c_str()));
    impl_->pending.erase(first);
  }
  TRY_ASSIGN(const auto dir,
             sys::reopen(impl_->dir.get(), O_RDONLY | O_DIRECTORY));
  return sys::fsync_fd(dir.get());
}

}  // namespace veneer::layerfs
