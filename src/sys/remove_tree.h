// SPDX-License-Identifier: MIT
//
// Removing a directory with all that is in it, and nothing else.
//
// Links are not followed, and a directory on another file system (a mount) is
// not entered: it is reported before anything in it is touched. Directories
// that their owner may not write or enter are opened up first; what is
// immutable or append-only is made changeable first, where the caller may. A
// file that has a name elsewhere stays as it was.

#pragma once

#include "veneer/result.h"

namespace veneer::sys {

/// Removes `name` in `dir`, whatever it is. Absent is as good.
/// Fails  EBUSY  something is mounted in it
///        others, from unlinkat(2) and its like; the rest has been removed
Result<void> remove_tree_at(int dir, const char* name);

/// Removes what is in the directory `dir`, an O_PATH descriptor or not; the
/// directory itself stays.
Result<void> remove_entries(int dir);

}  // namespace veneer::sys
