// SPDX-License-Identifier: MIT
//
// What stands before an entry's data in a tar: a ustar header, and before that
// a pax extended header where ustar cannot say it all (POSIX.1-2017, pax).
//
// Extended are: names that are long or not ASCII, times that are not whole
// seconds, big numbers, xattrs (SCHILY.xattr.*) and ACLs. Those are written
// twice, since readers differ: as text (SCHILY.acl.*), which is what tar(1)
// restores by --acls, and with the other xattrs as the kernel's bytes, which is
// all that image tools look at. The mode stays what stat(2) says, its group
// bits the ACL's mask; libarchive has the owning group's there, and who sets
// the mode after the ACL would then change the mask.
//
// Owners have numbers alone, and there is no time but that of modification, so
// the bytes depend on the entry and on nothing else. Pure.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "veneer/result.h"

namespace veneer::finalize {

/// All of a tar is in pieces of this size.
inline constexpr std::size_t kTarBlock = 512;

struct TarEntry {
  std::string path;        ///< "" is the root; no slash at the end
  std::uint32_t mode = 0;  ///< type and permissions
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  timespec mtime = {};
  std::uint64_t size = 0;  ///< of a regular file that is no hard link
  std::uint64_t rdev = 0;
  std::string target;     ///< of a symbolic link
  std::string hard_link;  ///< not empty: one more name of what is there
  std::vector<std::pair<std::string, std::string>> xattrs;
};

/// A multiple of kTarBlock long.
/// Fails  EINVAL  a socket, or what is no type at all
Result<std::string> tar_header(const TarEntry& entry);

/// "user::rw-,user:1000:r--,...", from the bytes of a system.posix_acl_* xattr;
/// nullopt: they are no ACL.
std::optional<std::string> acl_text(std::string_view bytes);

}  // namespace veneer::finalize
