// SPDX-License-Identifier: MIT
//
// The work directory: where things are built before they get their name.
//
//   work/work/     temporaries "#<n>"; swept at mount, since what is there was
//                  never published (or was taken out of the tree already)
//   work/index/    the inode index, hard links named by origin
//
// Publishing is one rename or link out of here. A crash therefore leaves the
// old state or the new one, and at most a temporary.
//
// Threads: all methods from any thread.

#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::layer {

class WorkDir {
 public:
  /// `work`: the user's work directory, O_PATH. Creates and sweeps work/work,
  /// and opens work/index if `index`.
  static Result<std::unique_ptr<WorkDir>> open(int work, bool index);

  int fd() const { return fd_.get(); }
  /// -1 if there is no index.
  int index_fd() const { return index_.get(); }

  /// A name that is free in fd().
  std::string fresh_name();

  /// A whiteout under a fresh name: a link to the one that is kept, since a
  /// character device 0:0 can stand in any number of places.
  Result<std::string> make_whiteout();

  /// Removes the entry and, if it is a directory, all in it. Best effort: what
  /// stays is swept at the next mount.
  void discard(const std::string& name);
  /// Links the kept whiteout to where it is wanted; EEXIST if that is taken.
  Result<void> link_whiteout(int dir, const char* name);

 private:
  WorkDir(sys::UniqueFd fd, sys::UniqueFd index)
      : fd_(std::move(fd)), index_(std::move(index)) {}
  Result<std::string> kept_whiteout(const std::string& worn_out);

  const sys::UniqueFd fd_;
  const sys::UniqueFd index_;
  std::atomic<std::uint64_t> next_{1};
  Mutex whiteout_mu_{Rank::kLeaf};
  std::string whiteout_ GUARDED_BY(whiteout_mu_);
};

/// Removes all that is below `dir` (readable); used for sweeping. Follows no
/// link and crosses no mount. Fails on the first thing it cannot remove.
Result<void> remove_contents(int dir);

}  // namespace veneer::layer
