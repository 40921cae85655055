// SPDX-License-Identifier: MIT
//
// The blob directory as a layer reads it: files named by SHA-256.
//
// A blob may be a symbolic link, which Maelstrom's own caches have; it is
// followed, as the directory is the user's, and no layer's. Those open are
// kept, a bounded number: a tar's files are all in one.
//
// Threads: thread-safe. The lock is not held over a system call.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/lru_map.h"
#include "base/mutex.h"
#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::layerfs {

class BlobDir {
 public:
  /// `path` may be empty: there are no blobs then.
  explicit BlobDir(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string path_of(const Digest256& sha256) const;

  struct Blob {
    sys::SharedFd fd;
    std::uint64_t size = 0;
  };
  /// Open for reading.
  /// Fails  ENOENT  it is not there; EIO: it is no file. About its path.
  Result<Blob> open(const Digest256& sha256) const;
  /// The same, from the cache if it is there.
  Result<Blob> get(const Digest256& sha256);

 private:
  static constexpr std::size_t kMostOpen = 64;

  const std::string path_;
  Mutex mu_{Rank::kLeaf};
  LruMap<Digest256, sys::SharedFd> open_ GUARDED_BY(mu_){kMostOpen};
};

}  // namespace veneer::layerfs
