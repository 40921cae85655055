// SPDX-License-Identifier: MIT
//
// The plan of the measurements.
//
// A stage is a fresh mount, dropped dentries, and steps done one after the
// other. "cold" is the first time after that, "warm" every further time in the
// same mount. Stages that change things first look at every file, so that only
// the changes are timed.

#pragma once

#include <vector>

#include "bench/macro/work.h"

namespace veneer::bench {

enum class Ground : std::uint8_t { kTree, kStack, kNodes };

struct Step {
  const char* name;  ///< null: done, but not reported
  Count (*work)(const Site& site);
  int times = 1;
  const char* unit = "op";
};

struct Stage {
  const char* name;
  Ground ground = Ground::kTree;
  std::vector<Step> steps;
  /// A plain directory needs a copy of its own, with the big file or without.
  bool changes = false;
  bool changes_big = false;
  /// Daemons' memory is compared before and after, and the stage is done once.
  bool measures_memory = false;
};

/// Every stage's mount is timed as well, under this name.
inline constexpr char kMountStep[] = "mount to first answer";
inline constexpr char kMemoryStep[] = "memory for each file seen";

std::vector<Stage> all_stages();

}  // namespace veneer::bench
