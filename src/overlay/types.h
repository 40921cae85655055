// SPDX-License-Identifier: MIT
//
// The small words of the overlay: ids, callers, entries, options, counters.

#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "veneer/attr.h"
#include "veneer/layer.h"

namespace veneer::overlay {

/// A node, as the kernel names it. Never reused: an index into the table in
/// the low half, that slot's generation in the high half. The root is 1.
enum class NodeId : std::uint64_t {};
inline constexpr NodeId kRootId{1};
constexpr std::uint64_t raw(NodeId id) {
  return static_cast<std::uint64_t>(id);
}

/// Who asks. Rights have been checked by the kernel (default_permissions).
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  mode_t umask = 0;
  /// Whether one of the caller's groups is this one; asked for rarely.
  std::function<bool(gid_t)> in_group = {};

  bool is_outsider(gid_t group) const {
    return uid != 0 && gid != group && !(in_group && in_group(group));
  }
};

/// An answer that carries one lookup count for `id`, to be given back by
/// Filesystem::forget() if it does not reach the kernel.
struct Entry {
  NodeId id{};
  Attr attr;  ///< ino is the overlay's number, nlink and size the merged ones
};

/// Who writes: a caller, or the kernel, pages that somebody has changed.
enum class WriteKind : std::uint8_t {
  kCall,
  kMapping,   ///< the kernel's page cache, of what a mapping has changed
  kHeldBack,  ///< the same of what write(2) has: the kernel keeps its time
};

enum class InodeMode { kLayer, kVirtual, kPersistent };
enum class FsyncPolicy {
  kAuto,      ///< data of a copy-up are synced before it is published
  kStrict,    ///< metadata-only copies and directories too
  kVolatile,  ///< nothing is ever synced
};

struct Options {
  InodeMode inode_mode = InodeMode::kLayer;
  FsyncPolicy fsync = FsyncPolicy::kAuto;
  /// Open files kept for data, and directories kept for lookups.
  std::size_t open_files = 1024;
};

/// Counted since mount. Relaxed atomics; read by `veneer status`.
struct Stats {
  std::atomic<std::uint64_t> copy_ups{0};
  std::atomic<std::uint64_t> copy_up_bytes{0};
  std::atomic<std::uint64_t> metadata_copy_ups{0};
  std::atomic<std::uint64_t> layer_lookups{0};
  std::atomic<std::uint64_t> listings_built{0};
  std::atomic<std::uint64_t> listing_hits{0};
  std::atomic<std::uint64_t> file_cache_hits{0};
  std::atomic<std::uint64_t> file_cache_misses{0};
  std::atomic<std::uint64_t> bytes_read{0};
  std::atomic<std::uint64_t> bytes_written{0};
};

}  // namespace veneer::overlay
