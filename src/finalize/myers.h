// SPDX-License-Identifier: MIT
//
// What two sequences do not have in common: E. W. Myers, "An O(ND) Difference
// Algorithm and Its Variations" (1986), the variation that needs linear space.
//
// The answer leaves as much in common as can be, unless the two are long and
// very different; then the search stops where it has come furthest and goes on
// from there, which keeps the time linear in their length. Pure.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace veneer::finalize {

/// Stands for a line: equal lines, equal symbols.
using Symbol = std::uint32_t;

/// For each element whether it is in one sequence alone. What is left of both
/// is the same sequence.
struct Uncommon {
  std::vector<bool> a;
  std::vector<bool> b;
};

Uncommon shortest_script(std::span<const Symbol> a, std::span<const Symbol> b);

}  // namespace veneer::finalize
