// SPDX-License-Identifier: MIT
//
// XXH3, compiled into this file so that a short name costs no call through the
// dynamic linker.

#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace veneer {

std::uint64_t hash_name(std::string_view name) noexcept {
  return XXH3_64bits(name.data(), name.size());
}

}  // namespace veneer
