// SPDX-License-Identifier: MIT
//
// Dropping the changes of an overlay that is not mounted.
//
// What an overlay made goes: the entries of the upper, the contents of the work
// directory, and the directories that its manifest says Veneer made. What was
// there before stays. The manifest goes last, so that a discard which was cut
// short can be repeated.

#pragma once

#include <string>

#include "veneer/result.h"

namespace veneer::session {

/// Directories without a manifest were never mounted: nothing is done.
/// Fails  EBUSY      an overlay is using them
///        ENOTEMPTY  the upper had entries of its own before its first mount
Result<void> discard(const std::string& upper, const std::string& work);

}  // namespace veneer::session
