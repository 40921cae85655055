// SPDX-License-Identifier: MIT
//
// All that an object is besides its contents: owner, xattrs and ACLs, mode,
// capabilities, times, flags.
//
// In this order, because chown(2) clears set-id bits and capabilities, an ACL
// changes the mode, xattrs cannot be set on what forbids its owner to write,
// and all of it would touch the times. Immutable and append-only are not set
// here (protection.h), and taken off if they are in the way.
//
// Afterwards the xattrs are those of the source and no others, but for the
// overlay's own of both and for labels that a security module has put on. What
// the file system cannot hold, or an unprivileged owner may not set, is left
// out, as in a copy-up.

#pragma once

#include "finalize/dir_cursor.h"
#include "finalize/plan.h"
#include "layer/host/overlay_xattrs.h"
#include "veneer/attr.h"
#include "veneer/result.h"

namespace veneer::finalize {

struct MetadataSource {
  Spot object;  ///< xattrs and flags are this one's
  Attr attr;
  const Metadata& metadata;  ///< all else
  layer::XattrNamespace own = layer::XattrNamespace::kNone;
  int file = -1;  ///< a readable descriptor of it, if there is one
};

/// `file`: a readable descriptor of `to`, if there is one.
/// Fails  ESTALE  `to` is of another type
Result<void> copy_metadata(const MetadataSource& from, const Spot& to,
                           int file = -1);

/// Owner, mode and times alone; capabilities and ACLs stay.
Result<void> set_metadata(const Spot& to, const Metadata& metadata);

}  // namespace veneer::finalize
