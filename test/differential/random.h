// SPDX-License-Identifier: MIT
//
// The random numbers of the differential tests: small, fast, and the same on
// every machine for the same seed, which std::uniform_int_distribution does not
// promise. A seed printed by a failure must rebuild the same run anywhere.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace veneer::testing::differential {

/// One step of splitmix64: also a good hash of a single number.
constexpr std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mix(seed ^ 0x56656e656572ULL)) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return mix(state_);
  }

  /// A number in [0, bound). Requires bound > 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }

  /// A number in [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(
                     below(static_cast<std::uint64_t>(high - low) + 1));
  }

  bool percent(unsigned chance) { return below(100) < chance; }

  template <typename Container>
  auto pick(const Container& from) -> decltype(from[0]) {
    return from[static_cast<std::size_t>(below(from.size()))];
  }

 private:
  std::uint64_t state_;
};

/// `length` bytes that depend on `seed` only. Never zero, so that a hole that
/// appears where data was written is noticed.
inline std::string pattern(std::uint64_t seed, std::size_t length) {
  std::string bytes(length, '\0');
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < length; ++i) {
    if (i % 8 == 0) word = mix(seed + i);
    const auto byte = static_cast<unsigned char>(word >> (i % 8 * 8));
    bytes[i] = static_cast<char>(byte == 0 ? 1 : byte);
  }
  return bytes;
}

/// FNV-1a over whole words: quick to compute, quick to print.
inline std::uint64_t digest(const std::string& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ULL ^ bytes.size();
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    __builtin_memcpy(&word, bytes.data() + i, 8);
    hash = (hash ^ word) * 0x100000001b3ULL;
    hash ^= hash >> 29;
  }
  for (; i < bytes.size(); ++i) {
    hash = (hash ^ static_cast<unsigned char>(bytes[i])) * 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace veneer::testing::differential
