// SPDX-License-Identifier: MIT
//
// Reading and writing where there is no offset: pipes, terminals, sockets, and
// files from where their descriptor stands.

#pragma once

#include <cstddef>
#include <span>

#include "veneer/result.h"

namespace veneer::sys {

/// Writes all of `bytes` or fails; waits where a non-blocking one is full.
/// Fails  EPIPE  nobody reads any more (unless SIGPIPE has its way)
Result<void> write_all(int fd, std::span<const std::byte> bytes);

/// Reads what there is, at least one byte; returns how many, 0 at the end.
Result<std::size_t> read_some(int fd, std::span<std::byte> room);

}  // namespace veneer::sys
