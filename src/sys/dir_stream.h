// SPDX-License-Identifier: MIT
//
// Listing a directory, in as few system calls as it takes.

#pragma once

#include <absl/functional/function_ref.h>
#include <dirent.h>

#include <cstdint>
#include <string_view>

#include "veneer/result.h"

namespace veneer::sys {

/// Gets the name, the inode number, and DT_* for the type, which may be
/// DT_UNKNOWN. The name is valid during the call and followed by a NUL, so its
/// data() serves as a C string. May list other directories meanwhile.
using DirSink = absl::FunctionRef<void(std::string_view name, std::uint64_t ino,
                                       std::uint8_t type)>;

/// All entries of `dir` except "." and "..", from the first on, in the
/// filesystem's order. `dir` is readable (no O_PATH) and its offset is moved:
/// two threads do not list through one descriptor.
Result<void> read_dir(int dir, DirSink sink);

}  // namespace veneer::sys
