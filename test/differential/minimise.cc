// SPDX-License-Identifier: MIT
//
// Large pieces first, then smaller ones, from the end to the front: what came
// late is least likely to be needed by what is kept. Rounds of single lines go
// on until one removes nothing.

#include "test/differential/minimise.h"

#include <algorithm>

namespace veneer::testing::differential {
namespace {

Script without(const Script& script, std::size_t first, std::size_t count) {
  Script rest(script.begin(),
              script.begin() + static_cast<std::ptrdiff_t>(first));
  rest.insert(rest.end(),
              script.begin() + static_cast<std::ptrdiff_t>(first + count),
              script.end());
  return rest;
}

}  // namespace

Script minimise(Script script,
                const std::function<bool(const Script&)>& still_fails,
                std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const auto in_time = [&] {
    return std::chrono::steady_clock::now() < deadline;
  };
  std::size_t piece = std::max<std::size_t>(script.size() / 2, 1);
  while (in_time()) {
    bool removed = false;
    std::size_t end = script.size();
    while (end > 0 && in_time()) {
      const std::size_t count = std::min(piece, end);
      Script candidate = without(script, end - count, count);
      if (still_fails(candidate)) {
        script = std::move(candidate);
        removed = true;
      }
      end -= count;
    }
    if (piece == 1 && !removed) break;
    piece = std::max<std::size_t>(piece / 2, 1);
  }
  return script;
}

}  // namespace veneer::testing::differential
