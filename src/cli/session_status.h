// SPDX-License-Identifier: MIT
//
// What `veneer status` says of a session that is not mounted.

#pragma once

#include "session/find_session.h"

namespace veneer::cli {

/// Returns the exit status. A base that is gone, or an action that was
/// interrupted, is part of what is said, no failure.
int print_session(const session::FoundSession& session, bool as_json);

}  // namespace veneer::cli
