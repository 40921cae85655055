// SPDX-License-Identifier: MIT
//
// The two forms of a commit, from a plan on. What both promise: commit.h.

#pragma once

#include "finalize/commit.h"
#include "finalize/ground.h"

namespace veneer::finalize {

/// `partial`: what the plan leaves out stays in the upper.
Result<void> commit_in_place(const Ground& ground, const Plan& plan,
                             bool partial, const OnProgress& progress);
/// Goes on with an earlier run, by its journal.
Result<Recovered> resume_in_place(const Ground& ground, const Journal& journal,
                                  const OnProgress& progress);

}  // namespace veneer::finalize
