// SPDX-License-Identifier: MIT
//
// Scripts from seeds: random layers, then random calls on them.
//
// Names come from a small pool, so that calls meet each other's results all the
// time; among them one of 255 bytes and one that is no UTF-8. The long one
// stays in the root and is no directory, because a redirect is at most 256
// bytes long.

#pragma once

#include <cstdint>

#include "test/differential/op.h"

namespace veneer::testing::differential {

struct Profile {
  int ops = 300;
  int swap_ops = 60;  ///< after the uppers changed sides; 0 for none
  int compare_every = 50;
  bool wh_names = true;  ///< names that begin .wh., in each fourth seed
  bool drop_caches = false;
  /// No calls that a write-back cache answers by its own lights: those that
  /// fail in the server after the kernel has noted a modification, and the
  /// search for holes among data that the server has not seen.
  bool writes_late = false;
  /// Nothing that whiteouts by name cannot do: names of more than 251 bytes,
  /// and lower files with several names that stay one file.
  bool only_markers = false;
};

/// The same script for the same arguments, on every machine.
Script generate(std::uint64_t seed, const Profile& profile);

}  // namespace veneer::testing::differential
