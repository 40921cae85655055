// SPDX-License-Identifier: MIT
//
// A promise that is broken ends the process: a fuzzer takes that for a finding,
// and so does a test.

#pragma once

#include <cstdlib>

namespace veneer::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace veneer::fuzz
