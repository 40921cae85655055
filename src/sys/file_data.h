// SPDX-License-Identifier: MIT
//
// The bytes of a layer's file, wherever it has them (FileData in
// veneer/layer.h): read, or copied into a file of this machine. The one place
// that knows the forms.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::sys {

/// The bytes from `offset` on, as many as `room` has, fewer only at the end.
/// What is in memory already is not copied: the answer is then valid as long as
/// `data` is.
/// Fails  EIO  a file ends before the part of it that `data` is
Result<std::span<const std::byte>> read_data(const FileData& data,
                                             std::uint64_t offset,
                                             std::span<std::byte> room);

/// Fills the empty file `out` with the first `length` bytes of `data`, and a
/// hole where that has fewer. Holes and shared extents are kept where it is a
/// file as a whole.
/// Fails  EIO  as above
Result<void> copy_data(const FileData& data, int out, std::uint64_t length);

}  // namespace veneer::sys
