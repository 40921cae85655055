// SPDX-License-Identifier: MIT
//
// fuzz_composefs_image: images of composefs and plain EROFS.

#include "composefs_image.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  veneer::fuzz::check_composefs_image(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
