// SPDX-License-Identifier: MIT
//
// From what was asked for to what will be done: which directories are used,
// which of them are to be made, and whether they may be used together.
//
// make_plan() only looks. It refuses, with one sentence that names the
// directory and the remedy, whatever would lose or mix up data:
//
//   missing   a directory that was named and is not there, or is a file
//   overlap   a lower, the upper or the work directory inside one another, or
//             one directory twice, as kernel overlayfs does; the mount point
//             inside the upper or the work directory. (An image is a file, and
//             nothing is inside of it; named twice it does no harm.)
//   apart     upper and work directory on different file systems or mounts
//   foreign   a work directory with somebody's files in it
//   in use    a mount point with something mounted on it
//
// The mount point may be a lower directory, since layers are opened before they
// are covered; for root it may also lie inside of one. It need not be empty.

#pragma once

#include <string>
#include <vector>

#include "session/config.h"
#include "veneer/result.h"

namespace veneer::session {

struct Place {
  std::string path;   ///< absolute
  bool make = false;  ///< does not exist yet
};

struct Plan {
  std::vector<std::string> lowers;  ///< absolute, topmost first
  stack::Stores stores;             ///< absolute
  Place upper;                      ///< empty path: read-only, without one
  Place work;
  Place mount_point;
  /// The upper is shown, but nothing is written to it.
  bool read_only = false;
  /// Why there is no upper, or why it is where it is; for status.
  std::string upper_reason;
};

/// The directories `config` means, with nothing checked: absolute paths, and
/// the default ones filled in. With one lower and neither upper, work directory
/// nor mount point named, the upper is <lower>.upper.
///
/// Fails  EINVAL  no lower was named
Result<Plan> name_places(const Config& config);

/// name_places(), checked. Takes a dead mount for what it is; does not hang on
/// one that is not answered.
///
/// Fails  ENOENT, ENOTDIR, EACCES, ELOOP  about one of the directories
///        EINVAL, EXDEV, ENOTEMPTY, EBUSY, ENOTCONN  as listed above
Result<Plan> make_plan(const Config& config);

/// `path` without slashes at its end, from the root; if its last component is
/// "." or "..", resolved.
std::string to_absolute(const std::string& path);
/// The same of a lower as people name it.
std::string to_absolute_lower(const std::string& lower);

/// Does that to all directories named in `config`.
void make_absolute(Config& config);

/// The path by which the kernel knows `path`: its parent resolved. Its last
/// component is resolved too if that can be done without asking a dead mount.
Result<std::string> resolve_mount_point(const std::string& path);

}  // namespace veneer::session
