// SPDX-License-Identifier: MIT
//
// Makes a failing script small: delta debugging by leaving lines out.

#pragma once

#include <chrono>
#include <functional>

#include "test/differential/op.h"

namespace veneer::testing::differential {

/// The smallest script found within `limit` for which `still_fails` holds.
/// Requires that it holds for `script`. Every result is one that was tried.
Script minimise(Script script,
                const std::function<bool(const Script&)>& still_fails,
                std::chrono::seconds limit);

}  // namespace veneer::testing::differential
