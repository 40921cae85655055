// SPDX-License-Identifier: MIT
//
// st_ino: one number for an object, whatever becomes of it.
//
//   layer       the layer's own number, with the number of its file system in
//               the top bits where there are several (the kernel's xino)
//   virtual     1, 2, 3 ... in the order of first sight, for this mount
//   persistent  FNV-1a 64 of the path at which the object was first seen; the
//               next free one where two paths collide, as those of one path in
//               two layers or at two times do: which of the two gets it then
//               depends on which is seen first, and may change with a remount
//
// Layer and persistent numbers are recorded at copy-up, so a number survives
// copy-up, rename and remount. A virtual number survives as long as the mount.
//
// Threads: thread-safe. Memory: virtual and persistent keep 32 bytes for each
// object ever seen; layer keeps nothing.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "overlay/node.h"
#include "overlay/types.h"

namespace veneer::overlay {

class InodeNumbers {
 public:
  explicit InodeNumbers(InodeMode mode) : mode_(mode) {}

  InodeMode mode() const { return mode_; }
  /// True if copies and moved objects carry their number with them.
  bool are_recorded() const { return mode_ != InodeMode::kVirtual; }

  /// Gives file systems their bits in the order of these calls; the first gets
  /// none.
  void add_device(std::uint64_t device);

  /// The number of an object that carries none. `path` is asked for in
  /// persistent mode only.
  std::uint64_t number_of(ObjectKey object,
                          const std::function<std::string()>& path);

  /// Persistent mode: a number for what is about to be created at `path`.
  std::uint64_t reserve(const std::string& path);

  /// The number of an object that carries `number`: that, or in persistent mode
  /// the next free one if another object has been given it in this mount.
  std::uint64_t number_recorded(ObjectKey object, std::uint64_t number);

  /// `copy` is where the object with `number` now lives.
  void remember_copy(ObjectKey copy, std::uint64_t number);

 private:
  std::uint64_t layer_number(ObjectKey object) REQUIRES(mu_);
  std::uint64_t next_virtual(ObjectKey object) REQUIRES(mu_);

  const InodeMode mode_;
  Mutex mu_{Rank::kLeaf};
  absl::flat_hash_map<std::uint64_t, std::uint64_t> slots_ GUARDED_BY(mu_);
  absl::flat_hash_map<ObjectKey, std::uint64_t> numbers_ GUARDED_BY(mu_);
  absl::flat_hash_map<std::uint64_t, ObjectKey> taken_ GUARDED_BY(mu_);
  std::uint64_t next_ GUARDED_BY(mu_) = 1;
};

}  // namespace veneer::overlay
