// SPDX-License-Identifier: MIT
//
// fuzz_layerfs_layer: the files of a layer, and of one on top of it.

#include "layerfs_layer.h"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  veneer::fuzz::check_layerfs_layer(
      {reinterpret_cast<const char*>(data), size});
  return 0;
}
