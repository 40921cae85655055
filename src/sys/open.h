// SPDX-License-Identifier: MIT
//
// Opening files without ever leaving the tree one was given.
//
// Only open_dir() and open_file() take a path of the user's and follow links,
// since the user may point wherever they like; open_setting() takes one of the
// kernel's. All else starts at a descriptor and follows no symbolic link: a
// layer is not trusted, and its links mean something only in the merged tree.
// Every descriptor is close-on-exec.

#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <string>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::sys {

/// The directory at `path`, as an O_PATH descriptor: good as a starting point,
/// not for listing or syncing (see reopen).
/// Fails  ENOENT, ENOTDIR, EACCES, ELOOP, about `path`
Result<UniqueFd> open_dir(const std::string& path);

/// The file at `path`; by default to read it, without waiting for the other end
/// of a FIFO.
/// Fails  ENOENT, EACCES, ELOOP, about `path`
Result<UniqueFd> open_file(const std::string& path,
                           int flags = O_RDONLY | O_NONBLOCK);

/// The kernel's file at `path` in /proc or /sys, whose way goes over links.
/// Fails  ENOENT, EACCES, EROFS, about `path`
Result<UniqueFd> open_setting(const std::string& path, int flags);

/// The entry `name` of `dir`: one component, "." allowed.
/// Fails  EINVAL  `name` is "..", or has a slash in it
///        ELOOP   it is a symbolic link, and O_PATH is not among `flags`
Result<UniqueFd> open_at(int dir, const char* name, int flags, mode_t mode = 0);

/// What `relative` leads to from `root`, without passing a symbolic link; with
/// O_PATH the last component may be one. An empty path is the root itself.
/// Any length is accepted. Cost: one system call per 4000 bytes; before Linux
/// 5.6, one per component.
/// Fails  EXDEV  `relative` is absolute or has ".." in it
///        ELOOP  a symbolic link is in the way
Result<UniqueFd> open_beneath(int root, const std::string& relative, int flags,
                              mode_t mode = 0);

/// A second descriptor, with its own offset and `flags`, for what `fd` refers
/// to; `fd` may be an O_PATH one. Needs /proc, except for directories asked for
/// with O_DIRECTORY.
/// Fails  ELOOP  `fd` is a symbolic link
Result<UniqueFd> reopen(int fd, int flags);

/// A nameless file in the filesystem of `dir`; link_fd() gives it a name.
/// Fails  EOPNOTSUPP, EISDIR  the filesystem has no such thing
Result<UniqueFd> open_tmpfile(int dir, int flags, mode_t mode);

}  // namespace veneer::sys
