// SPDX-License-Identifier: MIT
//
// Which image it is: the fs-verity digest of the whole file.
//
// Where the kernel guards the file by fs-verity it knows the digest, and the
// image cannot change. Where it does not, the digest is computed in one pass
// and says what the image was then.

#pragma once

#include "base/digest.h"
#include "composefs/image_file.h"
#include "veneer/result.h"

namespace veneer::composefs {

Result<Digest256> image_digest(const ImageFile& file);

/// Fails  EILSEQ  the image has another digest
Result<void> check_image_digest(const ImageFile& file, const Digest256& wanted);

}  // namespace veneer::composefs
