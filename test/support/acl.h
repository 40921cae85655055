// SPDX-License-Identifier: MIT
//
// POSIX access control lists as the kernel takes them in an xattr, so that the
// tests need no library for them.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace veneer::testing {

inline constexpr char kAccessAcl[] = "system.posix_acl_access";
inline constexpr char kDefaultAcl[] = "system.posix_acl_default";

/// One line of a list. Entries must be in the order of these tags.
struct AclEntry {
  enum Tag : std::uint16_t {
    kOwner = 0x01,
    kUser = 0x02,
    kGroup = 0x04,
    kNamedGroup = 0x08,
    kMask = 0x10,
    kOther = 0x20,
  };
  Tag tag;
  std::uint16_t permissions;  ///< 4 read, 2 write, 1 execute
  std::uint32_t id = 0xffffffff;
};

/// The xattr's value: version 2, then each entry, little-endian.
inline std::string acl(std::initializer_list<AclEntry> entries) {
  std::string bytes;
  const auto put = [&bytes](std::uint32_t value, int width) {
    for (int i = 0; i < width; ++i) {
      bytes += static_cast<char>(value >> (8 * i) & 0xff);
    }
  };
  put(2, 4);
  for (const AclEntry& entry : entries) {
    put(entry.tag, 2);
    put(entry.permissions, 2);
    put(entry.id, 4);
  }
  return bytes;
}

}  // namespace veneer::testing
