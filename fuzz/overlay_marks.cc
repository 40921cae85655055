// SPDX-License-Identifier: MIT
//
// fuzz_overlay_marks: the overlay's xattrs, origin records and ACLs.

#include "overlay_marks.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  veneer::fuzz::check_overlay_marks(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
