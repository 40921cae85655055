// SPDX-License-Identifier: MIT

#include "composefs/object_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>
#include <vector>

#include "composefs/tree.h"
#include "sys/copy_data.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/verity.h"

namespace veneer::composefs {
namespace {

constexpr mode_t kObjectMode = 0644;
constexpr mode_t kDirMode = 0755;
constexpr std::size_t kBuffer = std::size_t{256} << 10;

// No two threads or processes come to the same one, but by a miracle.
std::string temporary_name() {
  thread_local std::mt19937_64 random = [] {
    std::random_device seed;
    return std::mt19937_64((std::uint64_t{seed()} << 32) | seed());
  }();
  return fmt::format(".tmp-{:016x}", random());
}

Result<void> copy_by_hand(int in, std::uint64_t from, int out,
                          std::uint64_t size) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(size, kBuffer));
  for (std::uint64_t done = 0; done < size;) {
    const std::size_t wanted = std::min<std::uint64_t>(size - done, kBuffer);
    TRY_ASSIGN(const std::size_t got,
               sys::pread_full(in, buffer.data(), wanted, from + done));
    if (got == 0) return Error(EIO, "copy: the file became shorter");
    TRY(sys::pwrite_full(out, buffer.data(), got, done));
    done += got;
  }
  return {};
}

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

}  // namespace

NewObject::~NewObject() {
  if (!name_.empty()) ignore_error(sys::unlink_at(dir_, name_.c_str()));
}

NewObject::NewObject(NewObject&& other) noexcept
    : dir_(other.dir_),
      name_(std::exchange(other.name_, {})),
      fd_(std::move(other.fd_)) {}

ObjectStore::ObjectStore(ObjectStore&& other) noexcept
    : path_(std::move(other.path_)), dir_(std::move(other.dir_)) {}

Result<ObjectStore> ObjectStore::open(const std::string& path, Access access,
                                      bool make) {
  if (make) {
    const auto made = sys::make_dir_at(AT_FDCWD, path.c_str(), kDirMode);
    if (!made && made.error().code() != EEXIST) return made.error().about(path);
  }
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(path));
  TRY_ASSIGN(sys::UniqueFd readable,
             sys::reopen(dir.get(), O_RDONLY | O_DIRECTORY));
  const auto locked = access == Access::kExclusive
                          ? sys::lock_dir(readable.get())
                          : sys::share_dir(readable.get());
  if (!locked && locked.error().code() == EBUSY) {
    return Error(EBUSY, "",
                 path +
                     ": another program works on these objects (wait for "
                     "it to end)");
  }
  TRY(std::move(locked));
  return ObjectStore(path, std::move(readable));
}

Result<bool> ObjectStore::has(const std::string& object) const {
  const auto fd = sys::open_beneath(dir_.get(), object, O_PATH | O_NOFOLLOW);
  if (!fd) {
    const int code = fd.error().code();
    if (code == ENOENT || code == ENOTDIR || code == ELOOP || code == EXDEV) {
      return false;
    }
    return fd.error().about(path_ + "/" + object);
  }
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd->get()));
  return S_ISREG(attr.mode);
}

Result<sys::UniqueFd> ObjectStore::open_object(
    const std::string& object) const {
  return sys::open_beneath(dir_.get(), object,
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

// --- Putting -----------------------------------------------------------------

Result<void> ObjectStore::ensure_dir(const Digest256& digest) {
  std::atomic<bool>& known = has_dir_[digest[0]];
  if (known.load(std::memory_order_relaxed)) return {};
  const std::string name = to_hex(std::span(digest).first(1));
  const auto made = sys::make_dir_at(dir_.get(), name.c_str(), kDirMode);
  if (!made && made.error().code() != EEXIST) {
    return made.error().about(path_ + "/" + name);
  }
  known.store(true, std::memory_order_relaxed);
  return {};
}

Result<void> ObjectStore::put(const Digest256& digest,
                              const ObjectContent& content, Transfer transfer) {
  const std::string object = object_name(digest);
  TRY_ASSIGN(const auto there, sys::find_at(dir_.get(), object.c_str()));
  if (there) return {};
  if (transfer == Transfer::kLink && content.fd >= 0) {
    TRY_ASSIGN(const bool is_linked, put_link(digest, content.fd));
    if (is_linked) return {};
  }
  TRY_ASSIGN(NewObject made, begin());
  TRY(fill(made.fd(), content, transfer));
  return publish(std::move(made), digest);
}

// False where it cannot be a link. A link has the source's mode for ever, so
// that must be an object's already.
Result<bool> ObjectStore::put_link(const Digest256& digest, int fd) {
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd));
  if ((attr.mode & 07777) != kObjectMode) return false;
  TRY(ensure_dir(digest));
  TRY(sys::fsync_fd(fd));
  const auto linked = sys::link_fd(fd, dir_.get(), object_name(digest).c_str());
  return linked || linked.error().code() == EEXIST;
}

Result<void> ObjectStore::fill(int out, const ObjectContent& content,
                               Transfer transfer) {
  if (content.bytes) {
    TRY(sys::pwrite_full(out, content.bytes->data(), content.bytes->size(), 0));
    return {};
  }
  // Only whole files share extents.
  if (transfer == Transfer::kCopy || content.offset != 0) {
    return copy_by_hand(content.fd, content.offset, out, content.size);
  }
  TRY(sys::copy_range(content.fd, out, content.size));
  return {};
}

Result<NewObject> ObjectStore::begin() {
  std::string name = temporary_name();
  auto fd = sys::open_at(dir_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL,
                         kObjectMode);
  if (!fd) return fd.error().about(path_ + "/" + name);
  return NewObject(dir_.get(), std::move(name), *std::move(fd));
}

Result<void> ObjectStore::publish(NewObject object, const Digest256& digest) {
  TRY(sys::chmod_fd(object.fd(), kObjectMode));
  TRY(sys::fsync_fd(object.fd()));
  // fs-verity wants nobody to have it open for writing.
  object.fd_.reset();
  TRY_ASSIGN(const sys::UniqueFd readable,
             sys::open_at(dir_.get(), object.name_.c_str(), O_RDONLY));
  ignore_error(sys::enable_verity(readable.get()));
  TRY(ensure_dir(digest));
  TRY(sys::rename_at(dir_.get(), object.name_.c_str(), dir_.get(),
                     object_name(digest).c_str()));
  object.name_.clear();
  return {};
}

// --- What is there -----------------------------------------------------------

Result<void> ObjectStore::for_each(
    absl::FunctionRef<Result<void>(const StoredObject&)> sink) const {
  std::vector<std::string> dirs;
  TRY(sys::read_dir(
      dir_.get(), [&dirs](std::string_view name, std::uint64_t, std::uint8_t) {
        if (name.size() == 2 && is_hex(name)) dirs.emplace_back(name);
      }));
  constexpr std::size_t kRest = 2 * sizeof(Digest256) - 2;
  for (const std::string& dir : dirs) {
    TRY_ASSIGN(const sys::UniqueFd fd,
               sys::open_at(dir_.get(), dir.c_str(), O_RDONLY | O_DIRECTORY));
    std::vector<std::string> names;
    TRY(sys::read_dir(
        fd.get(), [&names](std::string_view name, std::uint64_t, std::uint8_t) {
          if (name.size() == kRest && is_hex(name)) names.emplace_back(name);
        }));
    for (const std::string& name : names) {
      TRY_ASSIGN(const auto attr, sys::find_at(fd.get(), name.c_str()));
      if (!attr || !S_ISREG(attr->mode)) continue;
      TRY(sink({dir + "/" + name, attr->size}));
    }
  }
  return {};
}

Result<void> ObjectStore::remove(const std::string& object) {
  TRY_ASSIGN(const sys::UniqueFd dir,
             sys::open_at(dir_.get(), object.substr(0, 2).c_str(),
                          O_PATH | O_DIRECTORY));
  return sys::unlink_at(dir.get(), object.substr(3).c_str());
}

}  // namespace veneer::composefs
