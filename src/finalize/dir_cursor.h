// SPDX-License-Identifier: MIT
//
// From paths to (directory, name) pairs, cheap where paths come in order.
//
// The directory of the last path stays open, so that ten thousand names in one
// directory cost one openat2(2). No more than one descriptor is held, however
// many directories there are. Whoever moves, makes or removes a directory says
// so with forget(), else the cursor would go on in the old one.

#pragma once

#include <cerrno>
#include <string>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::finalize {

/// One name. An empty one is `dir` itself.
struct Spot {
  int dir = -1;
  const char* name = "";

  /// For openat(2), which takes no empty name.
  const char* name_to_open() const { return *name == '\0' ? "." : name; }
};

inline bool is_absence(const Error& error) {
  return error.code() == ENOENT || error.code() == ENOTDIR;
}

class DirCursor {
 public:
  /// `root`: a directory that outlives the cursor.
  explicit DirCursor(int root) : root_(root) {}

  /// The spot of `path`, which has to outlive it; the directory is open until
  /// the next call.
  /// Fails  ENOENT, ENOTDIR  there is no such directory
  ///        ELOOP  a symbolic link is in the way
  Result<Spot> find(const std::string& path);

  /// `path` may not lead where it led.
  void forget(const std::string& path);

 private:
  const int root_;
  std::string path_;
  sys::UniqueFd dir_;  // of path_; none: nothing is open
};

}  // namespace veneer::finalize
