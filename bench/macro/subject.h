// SPDX-License-Identifier: MIT
//
// What is measured: a plain directory, and the overlays that this machine has.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "veneer/result.h"

namespace veneer::bench {

/// Where one mount is: all of it exists, `upper`, `work` and `at` are empty.
struct Place {
  std::vector<std::string> lowers;  ///< topmost first
  std::string upper;
  std::string work;
  std::string at;
};

struct Subject {
  std::string name;
  /// Why it cannot be measured here; empty if it can.
  std::string missing;
  bool is_veneer = false;
  /// Returns when the mount answers, or soon before. None: a plain directory,
  /// which is filled instead of mounted.
  std::function<Result<void>(const Place&)> mount;
};

inline constexpr char kNative[] = "native";
inline constexpr char kKernel[] = "kernel overlayfs";
inline constexpr char kVeneer[] = "veneer";
inline constexpr char kFuseOverlayfs[] = "fuse-overlayfs";

/// In the order of the report's columns. `program`: veneer itself.
std::vector<Subject> all_subjects(const std::string& program);

/// Takes the mount away and waits for who served it.
Result<void> unmount(const std::string& at);

}  // namespace veneer::bench
