// SPDX-License-Identifier: MIT
//
// fuzz_composefs_dump: trees as text.

#include "composefs_dump.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  veneer::fuzz::check_composefs_dump(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
