// SPDX-License-Identifier: MIT
//
// fuzz_option_string: the words after -o.

#include "option_string.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  veneer::fuzz::check_option_string(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
