// SPDX-License-Identifier: MIT
//
// fuzz_manifest: what a layer is said to have.

#include "manifest.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  veneer::fuzz::check_manifest({reinterpret_cast<const char*>(data), size});
  return 0;
}
