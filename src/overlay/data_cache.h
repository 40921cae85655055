// SPDX-License-Identifier: MIT
//
// Open files, a bounded number of them.
//
// Requests name a node, not a handle, so what is open is a matter of speed
// only: the least recently used is closed, and opened again when it is asked
// for. An entry says which side it is of, below or above copy-up, so one that
// a slow reader puts in too late is never found.
//
// Threads: thread-safe. Holding what find() returned keeps it open.

#pragma once

#include <optional>

#include "base/lru_map.h"
#include "base/mutex.h"
#include "overlay/types.h"

namespace veneer::overlay {

enum class DataSide : std::uint8_t { kLower, kUpperRead, kUpperWrite };

class DataCache {
 public:
  explicit DataCache(std::size_t capacity) : files_(capacity) {}

  std::optional<FileData> find(NodeId id, DataSide side) {
    const MutexLock lock(mu_);
    if (FileData* data = files_.find(key(id, side))) return *data;
    return std::nullopt;
  }

  void insert(NodeId id, DataSide side, FileData data) {
    // What has to go is closed after the lock.
    std::optional<std::pair<Key, FileData>> evicted;
    const MutexLock lock(mu_);
    evicted = files_.insert(key(id, side), std::move(data));
  }

  void erase(NodeId id) {
    std::optional<FileData> gone[3];
    const MutexLock lock(mu_);
    for (int side = 0; side < 3; ++side) {
      gone[side] = files_.erase(key(id, static_cast<DataSide>(side)));
    }
  }

  std::size_t size() {
    const MutexLock lock(mu_);
    return files_.size();
  }

 private:
  using Key = std::pair<std::uint64_t, DataSide>;
  static Key key(NodeId id, DataSide side) { return {raw(id), side}; }

  Mutex mu_{Rank::kLeaf};
  LruMap<Key, FileData> files_ GUARDED_BY(mu_);
};

}  // namespace veneer::overlay
