// SPDX-License-Identifier: MIT
//
// What the kernel may keep without asking again.
//
// The kernel should not need to ask: a cached answer costs a thirtieth of a
// message. All changes to the merged tree pass through the kernel, and the
// layers below do not change, so names (the absent ones too), attributes,
// listings, link targets and file contents are valid until the kernel itself
// changes or drops them. A shorter --timeout is for layers that do change.
//
// Two halves: the pure decision (decide_features), which a test can read, and
// negotiate(), which tells libfuse.
//
// Threads: immutable once negotiated; negotiate() runs before the first
// request is answered.

#pragma once

#include <cstdint>
#include <optional>

struct fuse_conn_info;

namespace veneer::fuse {

/// Seconds. A lifetime, and small enough for every clock on the way.
inline constexpr double kUnlimitedTimeout = 1e9;

/// What the user has a say in.
struct CacheOptions {
  /// How long names and attributes are valid, in seconds; none: for ever.
  std::optional<double> timeout;
  /// Written data may wait in the kernel (and be merged there).
  bool writeback = false;
  /// Requests travel through io_uring where the kernel and libfuse can.
  bool io_uring = false;
};

/// What is to be asked of the kernel; in libfuse's FUSE_CAP_ bits.
struct Features {
  std::uint64_t wanted = 0;
  std::uint64_t unwanted = 0;  ///< libfuse would ask for them by itself
};

/// Of the features in `capable` (what kernel and libfuse can), those wanted.
Features decide_features(const CacheOptions& options, std::uint64_t capable);

class CachePolicy {
 public:
  explicit CachePolicy(const CacheOptions& options);

  /// Fills in what we want of this connection.
  void negotiate(fuse_conn_info& connection);

  double entry_timeout() const { return timeout_; }
  double attr_timeout() const { return timeout_; }
  /// How long the kernel may believe that a name is absent.
  double negative_timeout() const { return timeout_; }

  /// OPEN and OPENDIR may be answered with ENOSYS: then neither they nor their
  /// RELEASE are sent again, and opening is free.
  bool zero_message_open() const { return zero_message_open_; }
  bool zero_message_opendir() const { return zero_message_opendir_; }

  /// A descriptor that can only write passes the page cache by. Small files
  /// get nothing from a page that is not full, and a write through the cache
  /// first asks for security.capability. Only where the kernel drops the pages
  /// that such a write makes stale (Linux 6.6).
  bool direct_writes() const;

  /// What came of the negotiation, in FUSE_CAP_ bits.
  std::uint64_t features() const { return features_; }
  bool uses_writeback() const;
  bool uses_io_uring() const;

 private:
  CacheOptions options_;
  double timeout_;
  bool zero_message_open_ = false;
  bool zero_message_opendir_ = false;
  std::uint64_t features_ = 0;
};

}  // namespace veneer::fuse
