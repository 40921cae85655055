// SPDX-License-Identifier: MIT
//
// From an upper to the list of its changes.
//
// The upper is walked once, and each of its objects is set against what the
// base has at the name it came from: the engine's Merge and Trail say which
// that is. What the upper does not mention is not looked at, so the cost is
// that of the changes: one lookup in each tree for each object of the upper,
// and both contents where sizes agree and the upper has data. One thing is
// dearer: a file that was copied up under one name and has others in the base
// that the upper does not know (the inode index keeps them together). Then the
// lower directories are searched for those names.

#pragma once

#include <functional>

#include "finalize/change.h"
#include "finalize/trees.h"

namespace veneer::finalize {

struct ScanOptions {
  /// Lists what was copied up without a difference as kNone, too.
  bool unchanged = false;
  /// Says what of the base changed under the session.
  bool conflicts = false;
  /// Called now and then with the number of objects seen; false ends the scan
  /// with ECANCELED.
  std::function<bool(std::uint64_t)> progress;
};

/// Fails  as reading either tree does; the subject is the path
Result<Changes> scan(Trees& trees, const ScanOptions& options = {});

}  // namespace veneer::finalize
