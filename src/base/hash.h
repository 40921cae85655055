// SPDX-License-Identifier: MIT
//
// Hashes that mean the same tomorrow: the values may be kept on disk.
//
// hash_name is XXH3 (64 bits, seed 0) and spreads names over tables and
// cookies. hash32 is XXH32, which the name filter of EROFS is made of. fnv1a64
// is FNV-1a and exists because inode numbers of the `persistent` mode are
// defined by it. Neither resists an adversary; digest.h has those that do.

#pragma once

#include <cstdint>
#include <string_view>

namespace veneer {

std::uint64_t hash_name(std::string_view name) noexcept;

std::uint32_t hash32(std::string_view bytes, std::uint32_t seed) noexcept;

constexpr std::uint64_t fnv1a64(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x00000100000001b3;
  }
  return hash;
}

}  // namespace veneer
