// SPDX-License-Identifier: MIT
//
// File names that all have the same hash_name(), and what they may cost.
//
// XXH3 of 16 bytes adds up two words and a product of them; with one word fixed
// at 2^32 any two halves of the other that have the same sum give the same
// total. So names without end can be made that share a hash, by anyone who may
// put files into a layer.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/hash.h"
#include "test/support/process.h"

namespace veneer::testing {

inline std::vector<std::string> colliding_names(std::size_t count) {
  // What XXH3 mixes into the words of 9 to 16 bytes (from its default secret).
  constexpr std::uint64_t kFlipLow = 0x6782737bea4239b9;
  constexpr std::uint64_t kFlipHigh = 0xaf56bc3b0996523a;
  std::vector<std::string> names;
  for (std::uint32_t i = 1; names.size() < count; ++i) {
    const std::uint32_t half = i * 2'654'435'761U;
    const std::uint64_t low = (std::uint64_t{1} << 32) ^ kFlipLow;
    const std::uint64_t high =
        (std::uint64_t{half} << 32 | (0xffffffffU - half)) ^ kFlipHigh;
    std::string name(16, '\0');
    std::memcpy(name.data(), &low, 8);
    std::memcpy(name.data() + 8, &high, 8);
    if (name.find('\0') != name.npos || name.find('/') != name.npos) continue;
    names.push_back(std::move(name));
  }
  return names;
}

/// Expects that 20'000 names that share a hash cost `task` about what as many
/// others do. A search among them costs hundreds of times as much.
template <typename Task>
void expect_collisions_are_cheap(Task&& task) {
  constexpr std::size_t kCount = 20'000;
  std::vector<std::string> others;
  for (std::size_t i = 0; i < kCount; ++i) {
    others.push_back("a-name-like-others-" + std::to_string(i));
  }
  const auto seconds = [&](const std::vector<std::string>& names) {
    const double start = thread_seconds();
    task(names);
    return thread_seconds() - start;
  };
  const double plain = seconds(others);
  EXPECT_LT(seconds(colliding_names(kCount)), 0.01 + 20 * plain);
}

}  // namespace veneer::testing
