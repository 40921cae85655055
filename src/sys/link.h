// SPDX-License-Identifier: MIT
//
// Making, moving and removing names.
//
// Each function is one system call and has its errors. Names are relative to a
// directory's descriptor (O_PATH will do), and links are never followed. Modes
// pass through the umask, which the program sets to 0.

#pragma once

#include <sys/types.h>

#include <cstdint>

#include "veneer/result.h"

namespace veneer::sys {

Result<void> make_dir_at(int dir, const char* name, mode_t mode);
/// Device, FIFO, socket or regular file, by the type in `mode`. `rdev` as
/// makedev(3) packs it.
Result<void> make_node_at(int dir, const char* name, mode_t mode,
                          std::uint64_t rdev);
Result<void> symlink_at(const char* target, int dir, const char* name);

Result<void> unlink_at(int dir, const char* name);
Result<void> remove_dir_at(int dir, const char* name);

Result<void> link_at(int old_dir, const char* old_name, int new_dir,
                     const char* new_name);
/// A name for what `fd` refers to: an O_TMPFILE, or an O_PATH descriptor of
/// anything that is no directory.
/// Fails  ENOENT  it has been unlinked (and is no O_TMPFILE)
Result<void> link_fd(int fd, int new_dir, const char* new_name);

/// `flags` are RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT.
Result<void> rename_at(int old_dir, const char* old_name, int new_dir,
                       const char* new_name, unsigned flags = 0);

}  // namespace veneer::sys
