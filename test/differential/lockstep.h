// SPDX-License-Identifier: MIT
//
// Runs a script on two overlays side by side and stops at the first difference.
//
//   build    the lower layers, shared by both
//   main     each line on both trees; the answers are compared, and now and
//   then
//            the whole trees
//   remount  each overlay on its own upper shows the tree it showed before
//   uppers   what the subject wrote on disk is what the reference wrote, or
//   less swap     each overlay on the other's upper shows the tree the other
//   showed,
//            and can go on working in it
//   lowers   are what they were, to the access time
//
// The whole run happens in a sandbox; a crash or a hang is a difference too.

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "test/differential/implementation.h"
#include "test/differential/op.h"

namespace veneer::testing::differential {

struct Pairing {
  std::shared_ptr<const Implementation> subject;
  std::shared_ptr<const Implementation> reference;
  bool swap_uppers = true;   ///< both write the same form on disk
  bool moves_dirs = true;    ///< false: EXDEV for merged directories is right
  bool drop_caches = false;  ///< all the time, behind the run's back
  bool trace = false;        ///< each line and its answer to stderr
  std::chrono::seconds limit{60};
  /// Lines that the reference does not execute: to test the comparison itself.
  std::function<bool(const Op&)> sabotage;
};

struct Divergence {
  int line = 0;         ///< index into the script, or its size: after the end
  std::string stage;    ///< "main rename", "compare", "remount", "swap", ...
  std::string message;  ///< what differed
};

std::optional<Divergence> run_in_lockstep(const Script& script,
                                          const Pairing& pairing);

}  // namespace veneer::testing::differential
