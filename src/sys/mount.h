// SPDX-License-Identifier: MIT
//
// Mounts: private copies of them, taking them away, and what there is.

#pragma once

#include <sys/mount.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::sys {

/// The mount under `path`, from `path` on, once more: read-only, without access
/// times, attached nowhere and seen by nobody else. What is mounted below
/// `path` is not part of it. It lives as long as the descriptor, an O_PATH one.
/// Fails  EPERM   without CAP_SYS_ADMIN in the mount's namespace
///        ENOSYS  before Linux 5.12
Result<UniqueFd> clone_tree(const std::string& path);

/// `flags` are MNT_DETACH, MNT_FORCE, UMOUNT_NOFOLLOW.
Result<void> umount_at(const std::string& path, int flags);

/// A line of /proc/self/mountinfo.
struct MountEntry {
  int mount_id = 0;
  int parent_id = 0;
  std::uint64_t dev = 0;  ///< as makedev(3) packs it
  std::string root;       ///< which directory of the filesystem is mounted
  std::string mount_point;
  std::string options;  ///< of the mount: "rw,nosuid,relatime"
  std::string fs_type;  ///< "ext4", "fuse.veneer"
  std::string source;
  std::string super_options;  ///< of the filesystem: "rw,size=8192k"
};

/// All mounts that this process sees, in the order they were made.
Result<std::vector<MountEntry>> read_mounts();

/// What is mounted at `path`, the topmost if there are several. The path is
/// absolute and compared as text: it is not resolved, so a hanging mount does
/// not hang the caller.
Result<std::optional<MountEntry>> find_mount(const std::string& path);

/// The pure half of read_mounts(). Lines it cannot understand are left out.
std::vector<MountEntry> parse_mountinfo(std::string_view text);

}  // namespace veneer::sys
