// SPDX-License-Identifier: MIT
//
// Whether the base was changed under a session.
//
// The base is not meant to change while it is a base. If it did all the same,
// a commit would overwrite what it has never seen. Copy-up records what the
// object was like (modification time, size, mode, owner); where there is no
// such record (names that were deleted or made anew, uppers written by the
// kernel) an object modified after the session began is taken for changed.

#pragma once

#include <string>

#include "finalize/change.h"
#include "finalize/trees.h"

namespace veneer::finalize {

/// A sentence, or "". `marks`: of the upper's object; null for a deleted name.
/// `same`: what the base has at the name; may be empty. Of a directory that
/// goes, all that is in it is looked at.
Result<std::string> find_conflict(Trees& trees, const Change& change,
                                  const Marks* marks,
                                  const BaseTree::Object& same);

}  // namespace veneer::finalize
