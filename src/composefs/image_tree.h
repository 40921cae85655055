// SPDX-License-Identifier: MIT
//
// The tree that an image was made of, read back: what a dump of it prints.
//
// The stubs of composefs are left out, whiteouts are devices again, names of
// xattrs are unescaped. Written anew with the same version it gives the same
// image.

#pragma once

#include "composefs/image.h"
#include "composefs/tree.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// Fails  EUCLEAN  the image contradicts itself: a directory that is in two
///                 places, names that stand twice, more than 2048 levels
///        ENOTSUP  what no dump can say: content in the image of more than
///                 5000 bytes, digests other than SHA-256
Result<TreePtr> read_image_tree(const Image& image);

}  // namespace veneer::composefs
