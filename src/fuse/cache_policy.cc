// SPDX-License-Identifier: MIT

#include "fuse/cache_policy.h"

#include "fuse/libfuse.h"

namespace veneer::fuse {

namespace {

constexpr unsigned kMaxRequestBytes = 1u << 20;

// Read-ahead and asynchronous requests that may be under way. The kernel's own
// default, 12, stalls a parallel reader.
constexpr unsigned kMaxBackground = 128;

std::uint64_t capable_of(const fuse_conn_info& connection) {
#ifdef VENEER_FUSE_HAS_FEATURE_FLAGS
  return connection.capable_ext;
#else
  return connection.capable;
#endif
}

void apply(const Features& features, fuse_conn_info& connection) {
#ifdef VENEER_FUSE_HAS_FEATURE_FLAGS
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t flag = std::uint64_t{1} << bit;
    if (features.wanted & flag) fuse_set_feature_flag(&connection, flag);
    if (features.unwanted & flag) fuse_unset_feature_flag(&connection, flag);
  }
#else
  connection.want |= static_cast<unsigned>(features.wanted);
  connection.want &= ~static_cast<unsigned>(features.unwanted);
#endif
}

}  // namespace

Features decide_features(const CacheOptions& options, std::uint64_t capable) {
  Features features;

  // Zero-message opens, listings that bring their entries' attributes along
  // where they are likely wanted, link targets in the page cache.
  features.wanted |= FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT |
                     FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                     FUSE_CAP_CACHE_SYMLINKS;

  // Nothing needs to wait for anything else.
  features.wanted |=
      FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS;

  // What a local file system does itself: the umask (a default ACL replaces
  // it), ACLs, clearing set-id bits, lookups by file handle, chattr(1).
  features.wanted |= FUSE_CAP_DONT_MASK | FUSE_CAP_POSIX_ACL |
                     FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_IOCTL_DIR;
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
  features.wanted |= FUSE_CAP_HANDLE_KILLPRIV_V2;
#endif

  // Every change passes through the kernel. It must not drop cached contents
  // because an attribute it asks for shows a newer modification time.
  features.wanted |= FUSE_CAP_EXPLICIT_INVAL_DATA;
  features.unwanted |= FUSE_CAP_AUTO_INVAL_DATA;

  // Opens are not seen, so O_TRUNC has to come as a SETATTR.
  features.unwanted |= FUSE_CAP_ATOMIC_O_TRUNC;

  // Locks are between processes of this kernel: it keeps them best itself.
  features.unwanted |= FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;

  // Requests of file data are as large as read-ahead makes them, 128 KiB. A
  // copy of that stays in the processor's cache and costs what a splice costs.
  features.unwanted |=
      FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_SPLICE_READ;

#ifdef FUSE_CAP_DIRECT_IO_ALLOW_MMAP
  features.wanted |= FUSE_CAP_DIRECT_IO_ALLOW_MMAP;
#endif

  const auto choose = [&features](bool on, std::uint64_t flags) {
    (on ? features.wanted : features.unwanted) |= flags;
  };
  choose(options.writeback, FUSE_CAP_WRITEBACK_CACHE);
#ifdef VENEER_FUSE_HAS_IO_URING
  choose(options.io_uring, FUSE_CAP_OVER_IO_URING);
#endif

  features.wanted &= capable;
  return features;
}

CachePolicy::CachePolicy(const CacheOptions& options)
    : options_(options),
      timeout_(options.timeout.value_or(kUnlimitedTimeout)) {}

void CachePolicy::negotiate(fuse_conn_info& connection) {
  const Features features = decide_features(options_, capable_of(connection));
  apply(features, connection);
  features_ = features.wanted;
  zero_message_open_ = (features_ & FUSE_CAP_NO_OPEN_SUPPORT) != 0;
  zero_message_opendir_ = (features_ & FUSE_CAP_NO_OPENDIR_SUPPORT) != 0;

  connection.max_write = kMaxRequestBytes;
  if (connection.max_readahead > kMaxRequestBytes) {
    connection.max_readahead = kMaxRequestBytes;
  }
  connection.max_background = kMaxBackground;
  connection.congestion_threshold = kMaxBackground / 4 * 3;
  connection.time_gran = 1;
#ifdef VENEER_FUSE_HAS_NO_INTERRUPT
  // No operation of ours can be broken off half-way, so a message that asks for
  // it would only cost time.
  connection.no_interrupt = 1;
#endif
}

bool CachePolicy::uses_writeback() const {
  return (features_ & FUSE_CAP_WRITEBACK_CACHE) != 0;
}

bool CachePolicy::direct_writes() const {
#ifdef FUSE_CAP_DIRECT_IO_ALLOW_MMAP
  return (features_ & FUSE_CAP_DIRECT_IO_ALLOW_MMAP) != 0 && !uses_writeback();
#else
  return false;
#endif
}

bool CachePolicy::uses_io_uring() const {
#ifdef VENEER_FUSE_HAS_IO_URING
  return (features_ & FUSE_CAP_OVER_IO_URING) != 0;
#else
  return false;
#endif
}

}  // namespace veneer::fuse
