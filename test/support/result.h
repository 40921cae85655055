// SPDX-License-Identifier: MIT
//
// What a Result says, in a form that EXPECT_EQ prints.

#pragma once

#include "veneer/result.h"

namespace veneer::testing {

/// The errno of a Result, 0 if it is a value.
template <typename T>
int code_of(const Result<T>& result) {
  return result ? 0 : result.error().code();
}

}  // namespace veneer::testing
