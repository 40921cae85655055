// SPDX-License-Identifier: MIT
//
// An overlay without FUSE: real directories, the real engine, called directly.
//
// Crash tests use it to stop an operation at each single change it makes to
// the disk, in a process of its own that is really killed, and then to look at
// what is left with a fresh engine, as the next mount would.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "overlay/filesystem.h"

namespace veneer::testing {

/// Everything a user can see, by path: type, mode, owner, size, link group,
/// content, target, xattrs. Times are left out.
using View = std::map<std::string, std::string>;

class Engine {
 public:
  /// Opens `<base>/lower1` (top), `<base>/lower0` and `<base>/upper` with
  /// `<base>/work`. Fails the test if that is refused.
  explicit Engine(const std::string& base, bool dotwh = false);

  overlay::Filesystem& fs() { return *fs_; }
  /// Follows a path from the root; ENOENT as an error.
  Result<overlay::NodeId> find(const std::string& path);
  View view();

 private:
  void describe(overlay::NodeId id, const std::string& path, View& view);
  std::unique_ptr<overlay::Filesystem> fs_;
};

inline const overlay::Caller kRoot{};

}  // namespace veneer::testing
