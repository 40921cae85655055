// SPDX-License-Identifier: MIT
//
// Are the bytes of two files the same?
//
// Both are read side by side to the first difference. A digest of each would
// have to read both to the end, and is slower than comparing; there is none
// stored that could be trusted. Large files are shared out among threads. They
// are read and not mapped, so that one that is cut off meanwhile differs and
// does not kill the process.

#pragma once

#include <cstdint>

#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::finalize {

/// The first `size` bytes of both. One that is shorter differs from one that
/// is not. Threads: the call starts some, and they have ended when it returns.
Result<bool> same_bytes(const FileData& a, const FileData& b,
                        std::uint64_t size);

}  // namespace veneer::finalize
