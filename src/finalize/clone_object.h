// SPDX-License-Identifier: MIT
//
// An object of a tree once more, exactly as it is stored: with the marks of an
// overlay, unlike metadata_copy.h.

#pragma once

#include "veneer/attr.h"
#include "veneer/result.h"

namespace veneer::finalize {

/// Owner, xattrs, mode, flags, times, in an order in which none undoes another.
/// Any descriptors, O_PATH ones too.
Result<void> clone_metadata(int from, int to, const Attr& attr);

/// A copy of `name`, which is no directory, with its metadata.
Result<void> clone_object(int from_dir, const char* name, const Attr& attr,
                          int to_dir);

}  // namespace veneer::finalize
