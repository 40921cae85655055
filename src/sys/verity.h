// SPDX-License-Identifier: MIT
//
// fs-verity: a file that the kernel refuses to read other than it was.

#pragma once

#include <optional>

#include "base/digest.h"
#include "veneer/result.h"

namespace veneer::sys {

/// Makes the file unchangeable for ever, with SHA-256 and blocks of 4096 bytes.
/// `fd` is read-only, and nobody has the file open for writing.
/// Fails  EOPNOTSUPP  the kernel or the filesystem cannot
///        ETXTBSY     somebody has it open for writing
///        EEXIST      it is so already
Result<void> enable_verity(int fd);

/// The digest that the kernel enforces; nothing where it enforces none.
/// Fails  EILSEQ  it is not of SHA-256
Result<std::optional<Digest256>> measure_verity(int fd);

/// The pure half: what an answer of the kernel means, `error` (0: none) with
/// the digest's algorithm and size.
Result<bool> decide_measured(int error, unsigned algorithm, unsigned size);

}  // namespace veneer::sys
