// SPDX-License-Identifier: MIT
//
// A file's bytes into another file, by the cheapest way there is.
//
// In this order: share the extents (reflink); let the filesystem copy, extent
// by extent, so that holes stay holes; read and write. Whatever a filesystem or
// a pair of them cannot do leads to the next way and is not an error.

#pragma once

#include <cstddef>
#include <cstdint>

#include "veneer/result.h"

namespace veneer::sys {

struct CopyStats {
  std::uint64_t bytes_copied = 0;  ///< holes not counted; 0 if cloned
  bool cloned = false;             ///< the extents are shared
};

/// Makes the empty file `out` the first `length` bytes of `in`, from offset 0
/// of both. Where `in` is shorter, zeros follow. File offsets of `in` may move.
///
/// Requires  `in` readable, `out` writable, neither O_PATH, no O_APPEND
/// Fails     ENOSPC, EDQUOT, EIO: `out` then holds a part
Result<CopyStats> copy_range(int in, int out, std::uint64_t length);

/// copy_file_range(2) once: how many bytes it took, 0 at the end of `in`.
/// Fails  EXDEV, EOPNOTSUPP  the two filesystems cannot; copy by hand
Result<std::size_t> copy_file_range(int in, std::uint64_t from, int out,
                                    std::uint64_t to, std::size_t size);

}  // namespace veneer::sys
