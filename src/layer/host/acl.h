// SPDX-License-Identifier: MIT
//
// POSIX ACL inheritance, for objects that are built in the work directory.
//
// A file system gives a new file the ACL that its directory's default ACL
// asks for. An object that is assembled aside, to replace a whiteout by one
// rename, gets it from here instead. The arithmetic is the kernel's
// (posix_acl_create_masq in fs/posix_acl.c); the bytes are those of the
// system.posix_acl_* xattrs. Pure.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace veneer::layer {

inline constexpr const char* kAccessAcl = "system.posix_acl_access";
inline constexpr const char* kDefaultAcl = "system.posix_acl_default";

struct InheritedAcl {
  /// Permissions after the ACL's mask.
  mode_t mode;
  /// The access ACL to set; without one the mode says all.
  std::optional<std::string> access;
};

/// What an object created with `mode` (umask not applied) gets under
/// `default_acl`. nullopt: those bytes are no ACL.
std::optional<InheritedAcl> inherit_acl(std::string_view default_acl,
                                        mode_t mode);

}  // namespace veneer::layer
