// SPDX-License-Identifier: MIT
//
// One file: what it is, what is in it, and changing both.
//
// Functions ending in _fd take any descriptor, O_PATH ones too where that can
// work; those ending in _at take a directory and one name in it and never
// follow a symbolic link.

#pragma once

#include <sys/statvfs.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>

#include "sys/fd.h"
#include "veneer/attr.h"
#include "veneer/result.h"

struct fsxattr;  // <linux/fs.h>

namespace veneer::sys {

// --- What it is ---

/// statx(2) of `name` in `dir`, or of `fd`. mnt_id needs Linux 5.8.
Result<Attr> stat_at(int dir, const char* name);
Result<Attr> stat_fd(int fd);

/// The same, where absence is an answer: nothing on ENOENT.
Result<std::optional<Attr>> find_at(int dir, const char* name);

/// The target of a symbolic link, of any length. With an empty name `dir` is an
/// O_PATH descriptor of the link itself.
Result<std::string> read_link_at(int dir, const char* name);

// --- What is in it ---

/// Reads until `size` bytes are there or the file ends; returns how many.
Result<std::size_t> pread_full(int fd, void* buffer, std::size_t size,
                               std::uint64_t offset);

/// Writes all of `size` bytes or fails; returns `size`.
Result<std::size_t> pwrite_full(int fd, const void* buffer, std::size_t size,
                                std::uint64_t offset);

/// Writes what fits; fails only if not one byte did. What write(2) does when
/// the disk fills up on the way.
Result<std::size_t> pwrite_some(int fd, const void* buffer, std::size_t size,
                                std::uint64_t offset);

Result<void> truncate_fd(int fd, std::uint64_t size);
Result<void> fallocate_fd(int fd, int mode, std::uint64_t offset,
                          std::uint64_t length);
/// Fails  ENXIO  SEEK_DATA or SEEK_HOLE from an offset behind the end
Result<std::uint64_t> seek_fd(int fd, std::int64_t offset, int whence);

Result<void> fsync_fd(int fd);
Result<void> fdatasync_fd(int fd);
/// The whole filesystem that `fd` is on. `fd` is no O_PATH descriptor.
Result<void> sync_fs(int fd);

// --- Changing what it is ---

/// Fails  EOPNOTSUPP  it is a symbolic link
Result<void> chmod_fd(int fd, mode_t mode);
/// -1 leaves that id as it is. An empty name means `dir` itself.
Result<void> chown_at(int dir, const char* name, uid_t uid, gid_t gid);
Result<void> chown_fd(int fd, uid_t uid, gid_t gid);
/// Access and modification time; UTIME_NOW and UTIME_OMIT as in utimensat(2).
Result<void> utimens_fd(int fd, const timespec times[2]);

/// FS_*_FL, as chattr(1) sets them. `fd` is no O_PATH descriptor.
/// Fails  ENOTTY, EOPNOTSUPP  the filesystem knows none
Result<unsigned> get_flags(int fd);
Result<void> set_flags(int fd, unsigned flags);
Result<fsxattr> get_fsxattr(int fd);
Result<void> set_fsxattr(int fd, const fsxattr& value);

// --- The filesystem under it ---

Result<struct statvfs> stat_fs(int fd);
/// "ext4", "tmpfs", "fuse"; an unknown one by its number, "0x1badface".
Result<std::string> fs_type_name(int fd);
/// Fails  ENOTTY, EOPNOTSUPP  before Linux 6.9, or the filesystem has none
Result<std::array<std::uint8_t, 16>> fs_uuid(int fd);

// --- A name for it that survives renames ---

struct FileHandle {
  int type = 0;
  std::string bytes;
  int mount_id = 0;

  bool operator==(const FileHandle&) const = default;
};

/// An empty name means `dir` itself.
/// Fails  EOPNOTSUPP  the filesystem has no handles
Result<FileHandle> file_handle(int dir, const char* name);

/// `mount_fd` is anything in the filesystem that made `handle`.
/// Fails  ESTALE  the file is gone
///        EPERM   without CAP_DAC_READ_SEARCH
Result<UniqueFd> open_handle(int mount_fd, const FileHandle& handle, int flags);

// --- Keeping others out ---

/// Locks a directory against other processes until all copies of `fd` are
/// closed. `fd` is no O_PATH descriptor.
/// Fails  EBUSY  another one holds it
Result<void> lock_dir(int fd);
/// The same against those who lock it; others may share it too.
Result<void> share_dir(int fd);

}  // namespace veneer::sys
