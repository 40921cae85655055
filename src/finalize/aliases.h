// SPDX-License-Identifier: MIT
//
// Names that the upper does not mention, of files that it has.
//
// With the inode index a file of the base that has several names stays one file
// after copy-up: all its names show the copy, though the upper has only the
// one by which it was changed. Those others are found by a search of the lower
// directories, which is done for such files alone.

#pragma once

#include <vector>

#include "finalize/change.h"
#include "finalize/trees.h"

namespace veneer::finalize {

/// A copy that is in the index.
struct IndexedFile {
  Change known;  ///< of one of its names
  Child child;
};

/// Adds a change for each such name, in no order; also of copies that have no
/// name on the upper at all, only their place in the index. `changes` has all
/// that the walk met, kNone too.
Result<void> add_aliases(Trees& trees, std::vector<IndexedFile> indexed,
                         Changes& changes);

}  // namespace veneer::finalize
