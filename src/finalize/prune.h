// SPDX-License-Identifier: MIT
//
// What a commit of a part leaves in the upper: the other part.
//
// Whatever no longer differs from the base is taken out of the upper, whichever
// commit put it there: files that are in the base as they are, whiteouts of
// names that the base does not have, directories with nothing in them. So it
// can be done again at any time, and once more does nothing.

#pragma once

#include <vector>

#include "finalize/ground.h"
#include "finalize/plan.h"

namespace veneer::finalize {

/// What comes after all steps are done and on disk: the upper is emptied, or
/// pruned if other changes stay in it; then the journal goes.
Result<void> finish_upper(const Ground& ground, bool partial,
                          const std::vector<Step>& steps);

/// `steps`: those that were done. Directories made or moved by them lose the
/// marks by which the upper hid the base's or followed it elsewhere; files that
/// were moved lose their place in the inode index.
Result<void> prune_upper(const Ground& ground, const std::vector<Step>& steps);

}  // namespace veneer::finalize
