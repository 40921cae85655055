// SPDX-License-Identifier: MIT
//
// The bytes of an image, from its plan, in one pass from front to end.
//
// The digest by which the image is known is computed while it is written, on a
// thread of its own: making the next piece, hashing and writing the last one
// take place at once. An image that is not wanted, only its digest, goes to no
// descriptor.

#pragma once

#include <cstdint>

#include "base/digest.h"
#include "composefs/plan.h"
#include "veneer/result.h"

namespace veneer::composefs {

struct WrittenImage {
  Digest256 digest;  ///< fs-verity's
  std::uint64_t size = 0;
};

/// Writes to `fd` from where it stands; -1: nowhere.
/// Fails  ENOSPC, EIO, EPIPE, ...: a part has been written
Result<WrittenImage> write_image(const Plan& plan, int fd);

}  // namespace veneer::composefs
