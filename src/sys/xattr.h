// SPDX-License-Identifier: MIT
//
// Extended attributes, of anything, without opening it and without following
// it.
//
// Linux 6.13 can do that by (directory, name). Before, an O_PATH descriptor and
// its path in /proc do; which of the two is found out once. Values of any size
// are returned whole, even when they grow in between.
//
// With an empty name the _at functions mean `dir` itself, which is what the _fd
// functions do; `fd` may be an O_PATH descriptor, of a symbolic link too.
//
// Where the directory and the name are at hand they are the faster way.
//
// Fails  EOPNOTSUPP  the filesystem has no attributes of that kind

#pragma once

#include <sys/xattr.h>

#include <optional>
#include <string>
#include <string_view>

#include "veneer/result.h"

namespace veneer::sys {

/// Nothing if there is no such attribute (ENODATA).
Result<std::optional<std::string>> get_xattr_at(int dir, const char* name,
                                                const char* xattr);
Result<std::optional<std::string>> get_xattr_fd(int fd, const char* xattr);

/// The names, each followed by a NUL; empty if there are none.
Result<std::string> list_xattrs_at(int dir, const char* name);
Result<std::string> list_xattrs_fd(int fd);
/// The same where `fd` is no O_PATH descriptor, for half the time.
Result<std::string> list_xattrs_open(int fd);

/// `flags` are XATTR_CREATE (fails EEXIST) and XATTR_REPLACE (fails ENODATA).
Result<void> set_xattr_at(int dir, const char* name, const char* xattr,
                          std::string_view value, int flags = 0);
Result<void> set_xattr_fd(int fd, const char* xattr, std::string_view value,
                          int flags = 0);

/// Fails  ENODATA  there is no such attribute
Result<void> remove_xattr_at(int dir, const char* name, const char* xattr);
Result<void> remove_xattr_fd(int fd, const char* xattr);

}  // namespace veneer::sys
