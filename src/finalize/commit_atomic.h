// SPDX-License-Identifier: MIT
//
// A commit in one step: a second tree is made ready, then the two change
// places. What is promised: commit.h.

#pragma once

#include <string>

#include "finalize/commit.h"
#include "finalize/ground.h"
#include "finalize/selection.h"

namespace veneer::finalize {

/// Whether the base can change places with another directory. Only looks.
/// Fails  EBUSY  it is a mount point, or the root directory; the subject is a
///               sentence
Result<void> check_exchange(const std::string& base);

/// `plan` and `method` are filled in with what was done. Whether the file
/// system can exchange directories is tried before anything is copied.
/// Fails  EROFS, EACCES  the directory above cannot be written
///        EOPNOTSUPP     no RENAME_EXCHANGE
Result<void> commit_atomic(const Ground& ground, Trees& trees,
                           const Selection& selection,
                           const OnProgress& progress, Plan& plan,
                           std::string& method);
Result<Recovered> resume_atomic(const Ground& ground, Journal journal,
                                const OnProgress& progress);

}  // namespace veneer::finalize
