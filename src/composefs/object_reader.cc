// SPDX-License-Identifier: MIT

#include "composefs/object_reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <memory>

#include "base/log.h"
#include "base/verity_digest.h"
#include "composefs/metacopy.h"
#include "sys/file.h"
#include "sys/open.h"
#include "sys/verity.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kKnownObjects = 1U << 16;
constexpr std::size_t kReadSize = 1U << 20;
// A change within the grain of the file system's clock leaves the change time
// as it was.
constexpr std::int64_t kGrainSeconds = 2;

bool is_shortage(int code) {
  return code == EMFILE || code == ENFILE || code == ENOMEM;
}

Result<Digest256> hash_file(int fd) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadSize);
  VerityHasher hasher;
  for (std::uint64_t at = 0;;) {
    TRY_ASSIGN(const std::size_t count,
               sys::pread_full(fd, buffer.get(), kReadSize, at));
    hasher.update({buffer.get(), count});
    at += count;
    if (count < kReadSize) return hasher.finish();
  }
}

}  // namespace

ObjectReader::ObjectReader(Verify verify, Clock clock)
    : verify_(verify), clock_(std::move(clock)), known_(kKnownObjects) {}

std::int64_t ObjectReader::system_time() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool ObjectReader::changed_lately(const Attr& attr) const {
  return attr.ctime.tv_sec + kGrainSeconds > clock_();
}

Result<std::unique_ptr<ObjectReader>> ObjectReader::open(
    const std::vector<std::string>& dirs, Verify verify, Clock clock) {
  std::unique_ptr<ObjectReader> reader(
      new ObjectReader(verify, std::move(clock)));
  for (const std::string& dir : dirs) {
    TRY_ASSIGN(sys::UniqueFd fd, sys::open_dir(dir));
    reader->dirs_.push_back(std::move(fd));
  }
  return reader;
}

Result<sys::UniqueFd> ObjectReader::find(const std::string& path) const {
  for (const sys::UniqueFd& dir : dirs_) {
    constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    auto fd = sys::open_beneath(dir.get(), path, kFlags | O_NOATIME);
    if (!fd && fd.error().code() == EPERM) {
      fd = sys::open_beneath(dir.get(), path, kFlags);
    }
    if (fd || fd.error().code() != ENOENT) return fd;
  }
  return Error(ENOENT, "open object");
}

bool ObjectReader::is_known(const Key& key, const Digest256& digest) {
  const MutexLock lock(mu_);
  const Digest256* const known = known_.find(key);
  return known != nullptr && *known == digest;
}

// What the file is now; EIO if it changes while it is read.
Result<Digest256> ObjectReader::digest_of(int fd, const Attr& attr) {
  const auto measured = sys::measure_verity(fd);
  if (measured && *measured) return **measured;
  // The kernel may guard it by another algorithm than the image.
  if (!measured && measured.error().code() != EILSEQ) return measured.error();
  hashed_.fetch_add(1, std::memory_order_relaxed);
  TRY_ASSIGN(const Digest256 digest, hash_file(fd));
  TRY_ASSIGN(const Attr after, sys::stat_fd(fd));
  if (after.ctime.tv_sec != attr.ctime.tv_sec ||
      after.ctime.tv_nsec != attr.ctime.tv_nsec) {
    return Error(EIO, "verify", "it changes while it is read");
  }
  return digest;
}

Result<void> ObjectReader::check(int fd, const Attr& attr,
                                 const ObjectRef& object) {
  if (!S_ISREG(attr.mode)) return Error(EIO, "open", "it is no regular file");
  if (attr.size != object.size) {
    return Error(EIO, "open", "its size is not what the image says");
  }
  if (verify_ == Verify::kOff) return {};
  TRY_ASSIGN(const auto wanted, decode_metacopy(object.metacopy));
  if (!wanted) {
    if (verify_ == Verify::kOn) return {};
    return Error(EIO, "verify", "the image has no digest for it");
  }
  const Key key{.dev = attr.dev,
                .ino = attr.ino,
                .ctime = attr.ctime.tv_sec,
                .ctime_nsec = attr.ctime.tv_nsec};
  if (is_known(key, *wanted)) return {};
  TRY_ASSIGN(const Digest256 digest, digest_of(fd, attr));
  if (digest != *wanted) {
    return Error(EIO, "verify", "its fs-verity digest is " + to_hex(digest));
  }
  if (changed_lately(attr)) return {};
  const MutexLock lock(mu_);
  static_cast<void>(known_.insert(key, *wanted));
  return {};
}

Result<FileData> ObjectReader::open_object(const ObjectRef& object) {
  const auto open = [&]() -> Result<sys::UniqueFd> {
    TRY_ASSIGN(const std::string path, object_path(object.redirect));
    TRY_ASSIGN(sys::UniqueFd fd, find(path));
    TRY_ASSIGN(const Attr attr, sys::stat_fd(fd.get()));
    TRY(check(fd.get(), attr, object));
    return fd;
  };
  auto fd = open();
  if (!fd) {
    if (is_shortage(fd.error().code())) return fd.error();
    log_error("object {:?}: {}", object.redirect, fd.error().message());
    return Error(EIO, "open object");
  }
  FileData data;
  data.fd = fd->get();
  data.owner = sys::share(*std::move(fd));
  return data;
}

}  // namespace veneer::composefs
