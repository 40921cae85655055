// SPDX-License-Identifier: MIT
//
// Opening the objects that an image names, and making sure they are what it
// says.
//
// An object is reached from the directories of the store in one openat2 that
// follows no link and leaves no directory. It must be a regular file of the
// size that the image says. Where it is to be verified its fs-verity digest is
// asked of the kernel, which then guards each later read as well; where the
// kernel has none the whole object is hashed when it is first opened. An object
// once found right is remembered by its inode and change time.
//
// What was opened may be changed afterwards by who may write to the store; that
// is noticed when it is opened again. Only fs-verity of the kernel prevents it.
//
// Threads: thread-safe. Nothing is locked while an object is read.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/lru_map.h"
#include "base/mutex.h"
#include "sys/fd.h"
#include "veneer/composefs.h"
#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// What an image says about an object.
struct ObjectRef {
  std::string redirect;
  std::string metacopy;
  std::uint64_t size = 0;
};

class ObjectReader {
 public:
  /// Seconds since the epoch.
  using Clock = std::function<std::int64_t()>;
  static std::int64_t system_time();

  /// Fails  ENOENT, ENOTDIR, EACCES  about one of `dirs`
  static Result<std::unique_ptr<ObjectReader>> open(
      const std::vector<std::string>& dirs, Verify verify,
      Clock clock = system_time);

  /// Fails  EIO  it is missing, or not what the image says; logged
  ///        EMFILE, ENFILE, ENOMEM
  Result<FileData> open_object(const ObjectRef& object);

  /// How often an object was hashed.
  std::uint64_t hashed() const {
    return hashed_.load(std::memory_order_relaxed);
  }

 private:
  // Of an object that has a digest: which content it is of.
  struct Key {
    std::uint64_t dev, ino;
    std::int64_t ctime, ctime_nsec;
    bool operator==(const Key&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Key& key) {
      return H::combine(std::move(hash), key.dev, key.ino, key.ctime,
                        key.ctime_nsec);
    }
  };

  ObjectReader(Verify verify, Clock clock);
  Result<sys::UniqueFd> find(const std::string& path) const;
  Result<void> check(int fd, const Attr& attr, const ObjectRef& object);
  Result<Digest256> digest_of(int fd, const Attr& attr);
  bool is_known(const Key& key, const Digest256& digest);
  bool changed_lately(const Attr& attr) const;

  const Verify verify_;
  const Clock clock_;
  std::vector<sys::UniqueFd> dirs_;
  std::atomic<std::uint64_t> hashed_{0};
  Mutex mu_{Rank::kLeaf};
  LruMap<Key, Digest256> known_ GUARDED_BY(mu_);
};

}  // namespace veneer::composefs
