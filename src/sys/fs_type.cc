// SPDX-License-Identifier: MIT
//
// Filesystems by name. The kernel tells a number (linux/magic.h); names are
// what people and the options of mount(8) use.

#include <fmt/format.h>
#include <sys/vfs.h>

#include <algorithm>
#include <string_view>

#include "sys/call.h"
#include "sys/file.h"

namespace veneer::sys {
namespace {

struct Type {
  std::uint32_t magic;
  std::string_view name;
};

constexpr Type kTypes[] = {
    {0xef53, "ext4"},  // ext2 and ext3 have the same number
    {0x58465342, "xfs"},      {0x9123683e, "btrfs"},
    {0x01021994, "tmpfs"},    {0x858458f6, "ramfs"},
    {0x65735546, "fuse"},     {0x794c7630, "overlay"},
    {0x6969, "nfs"},          {0xfe534d42, "smb2"},
    {0xff534d42, "cifs"},     {0x01021997, "9p"},
    {0x00c36400, "ceph"},     {0xe0f5e1e2, "erofs"},
    {0x73717368, "squashfs"}, {0xf2f52010, "f2fs"},
    {0xca451a4e, "bcachefs"}, {0x2fc12fc1, "zfs"},
    {0x4d44, "vfat"},         {0x2011bab0, "exfat"},
    {0x7366746e, "ntfs3"},    {0x9660, "iso9660"},
    {0x24051905, "ubifs"},    {0x3153464a, "jfs"},
    {0x52654973, "reiserfs"}, {0x3434, "nilfs2"},
    {0xf15f, "ecryptfs"},     {0x28cd3d45, "cramfs"},
    {0x9fa0, "proc"},         {0x62656572, "sysfs"},
};

}  // namespace

Result<std::string> fs_type_name(int fd) {
  struct statfs found;
  if (retry_interrupted([&] { return ::fstatfs(fd, &found); }) < 0) {
    return last_error("fstatfs");
  }
  const auto magic = static_cast<std::uint32_t>(found.f_type);
  const auto* const type = std::ranges::find(kTypes, magic, &Type::magic);
  if (type != std::end(kTypes)) return std::string(type->name);
  return fmt::format("{:#x}", magic);
}

}  // namespace veneer::sys
