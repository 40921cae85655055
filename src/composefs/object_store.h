// SPDX-License-Identifier: MIT
//
// A directory of file contents, each named after its fs-verity digest: xx/yyyy,
// where xxyyyy are the digest's 64 digits.
//
// Promises made here:
//
//   Whole     An object is assembled under a temporary name (.tmp-*), synced,
//             and appears by one rename: under its name there is never a part.
//   Kept      What is there is not written again, and nothing is removed but by
//             remove().
//   Readable  Objects are regular files with mode 0644. Where the filesystem
//             can, fs-verity makes them unchangeable.
//   Alone     While a store is open, nobody can open it exclusively, as
//             collecting garbage does, and the other way round.
//
// Threads: thread-safe.

#pragma once

#include <absl/functional/function_ref.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// How an object gets its content.
enum class Transfer : std::uint8_t {
  kReflink,  ///< shared extents where they can be, else a copy
  kLink,     ///< the source itself if its mode is 0644, else as kReflink
  kCopy,     ///< bytes of its own
};

/// What a source has: a descriptor, and the bytes themselves where they were
/// read already.
struct ObjectContent {
  int fd = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::optional<std::span<const std::byte>> bytes;
};

/// An object on its way into the store. Dropping it removes it.
class NewObject {
 public:
  ~NewObject();
  NewObject(NewObject&& other) noexcept;
  NewObject& operator=(NewObject&&) = delete;

  int fd() const { return fd_.get(); }

 private:
  friend class ObjectStore;
  NewObject(int dir, std::string name, sys::UniqueFd fd)
      : dir_(dir), name_(std::move(name)), fd_(std::move(fd)) {}

  int dir_;
  std::string name_;  // empty once it is no longer ours
  sys::UniqueFd fd_;
};

class ObjectStore {
 public:
  enum class Access : std::uint8_t { kShared, kExclusive };

  /// The directory must exist, unless `make` is given.
  /// Fails  EBUSY  it is open the other way
  static Result<ObjectStore> open(const std::string& path, Access access,
                                  bool make = false);
  ObjectStore(ObjectStore&& other) noexcept;
  ObjectStore& operator=(ObjectStore&&) = delete;

  const std::string& path() const { return path_; }

  /// Whether there is a regular file at `object`, a path in the store.
  Result<bool> has(const std::string& object) const;
  Result<sys::UniqueFd> open_object(const std::string& object) const;

  /// Puts what is not there yet. The content is what `digest` says; whoever
  /// gives a descriptor makes sure of that.
  Result<void> put(const Digest256& digest, const ObjectContent& content,
                   Transfer transfer);

  // The same in steps, for content whose digest is known only at its end.

  Result<NewObject> begin();
  Result<void> publish(NewObject object, const Digest256& digest);

  /// Calls `sink` for each object, in no order. Whatever else is in the
  /// directory (temporary files among it) is left out.
  struct StoredObject {
    std::string path;  ///< in the store
    std::uint64_t size = 0;
  };
  Result<void> for_each(
      absl::FunctionRef<Result<void>(const StoredObject&)> sink) const;
  Result<void> remove(const std::string& object);

 private:
  ObjectStore(std::string path, sys::UniqueFd dir)
      : path_(std::move(path)), dir_(std::move(dir)) {}

  Result<void> ensure_dir(const Digest256& digest);
  Result<bool> put_link(const Digest256& digest, int fd);
  Result<void> fill(int out, const ObjectContent& content, Transfer transfer);

  std::string path_;
  sys::UniqueFd dir_;
  std::array<std::atomic<bool>, 256> has_dir_ = {};
};

}  // namespace veneer::composefs
