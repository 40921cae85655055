// SPDX-License-Identifier: MIT
//
// What belongs together in a change list: a name that went and one that came,
// and the names of one file.

#pragma once

#include <string>
#include <vector>

#include "finalize/change.h"
#include "finalize/trees.h"

namespace veneer::finalize {

/// A file that was added where the base has nothing, and once was copied up.
struct CopiedFile {
  std::size_t change;  ///< index into the list
  std::string origin;  ///< record of the lower object
};

/// Turns a deleted and an added name into one renamed: of directories by the
/// upper's redirect, of files by the identity that copy-up recorded. The
/// deleted name stays in the list as kNone, moved_away.
Result<void> fold_renames(Trees& trees, const std::vector<CopiedFile>& copied,
                          Changes& changes);

/// A file that turns out to have one name needs no group.
void settle_link_groups(Changes& changes);

}  // namespace veneer::finalize
