// SPDX-License-Identifier: MIT
//
// The directories an overlay makes for itself, and the promise that a failed
// mount leaves none of them behind.
//
// Only the last component of a path is made. A new upper gets the mode, the
// owner and the times of the topmost lower, as it will stand for it; a new work
// directory is its owner's alone.
//
// Threads: thread-compatible.

#pragma once

#include "session/plan.h"
#include "veneer/result.h"

namespace veneer::session {

class MadeDirectories {
 public:
  /// Makes those of `plan` that are missing, or none.
  /// Fails  EACCES, EROFS, ENOSPC, EEXIST, about the directory
  static Result<MadeDirectories> make(const Plan& plan);

  /// Takes everything back that keep() has not confirmed: removes what was
  /// made, and what was put into a work directory that was empty.
  ~MadeDirectories();
  MadeDirectories(MadeDirectories&&) noexcept;
  MadeDirectories& operator=(MadeDirectories&&) = delete;

  void keep() { plan_.reset(); }

  /// The upper held nothing when we came.
  bool upper_was_empty() const { return upper_was_empty_; }

 private:
  MadeDirectories() = default;
  Result<void> make_all(const Plan& plan);
  void undo() noexcept;

  std::optional<Plan> plan_;  // what to undo
  bool made_upper_ = false;
  bool made_work_ = false;
  bool made_mount_point_ = false;
  bool work_was_empty_ = false;
  bool upper_was_empty_ = false;
};

/// Removes the directory `path` if it is empty and not in use.
void remove_if_empty(const std::string& path);

/// Removes the directory at `path` and all below it; absent is as good.
Result<void> remove_dir_tree(const std::string& path);

}  // namespace veneer::session
