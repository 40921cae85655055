// SPDX-License-Identifier: MIT
//
// What the kernel's overlayfs can do here, found out by mounting small ones.
// Versions say little: distributions carry features back.

#pragma once

#include <string>

#include "veneer/result.h"

namespace veneer::kernel {

struct OverlayAbilities {
  bool overlay = false;  ///< one lower, an upper is not tried
  /// Data-only layers, with trusted.overlay.* and with user.overlay.*.
  bool data_layers = false;
  bool data_layers_userxattr = false;
  bool verity = false;  ///< `verity=require` is known
  std::string form;     ///< how layers are said: OverlayMount::form()
  std::string reason;   ///< why not, in the kernel's words, if something is not
};

/// Makes empty directories below `place` for the time being. None of the mounts
/// is ever seen.
/// Fails  what making directories fails with
Result<OverlayAbilities> probe_overlay(const std::string& place = "/tmp");

/// Whether the kernel has EROFS and lets this process mount it.
bool may_mount_erofs();

}  // namespace veneer::kernel
