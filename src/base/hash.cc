// SPDX-License-Identifier: MIT
//
// XXH3 and XXH32, compiled into this file so that a short name costs no call
// through the dynamic linker.

#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace veneer {

std::uint64_t hash_name(std::string_view name) noexcept {
  return XXH3_64bits(name.data(), name.size());
}

std::uint32_t hash32(std::string_view bytes, std::uint32_t seed) noexcept {
  return XXH32(bytes.data(), bytes.size(), seed);
}

}  // namespace veneer
