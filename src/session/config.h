// SPDX-License-Identifier: MIT
//
// What the user asked for: directories, settings, and which of them were named.
//
// A Config is filled by the command line or the library and checked by
// make_plan(). Nothing here has been looked up on disk.

#pragma once

#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "layer/host/open_layers.h"
#include "overlay/types.h"
#include "stack/open_lower.h"
#include "veneer/result.h"

namespace veneer::session {

enum class Choice { kAuto, kOn, kOff };

struct Options {
  overlay::InodeMode inode_mode = overlay::InodeMode::kLayer;
  layer::WhiteoutForm whiteouts = layer::WhiteoutForm::kAuto;
  Choice io_uring = Choice::kAuto;
  Choice writeback = Choice::kAuto;  ///< auto: as measured to be best
  overlay::FsyncPolicy fsync = overlay::FsyncPolicy::kAuto;
  std::optional<double> timeout;  ///< seconds; none: the layers never change
  unsigned threads = 0;           ///< 0: by the number of processors

  // Of the mount itself. None: allowed if the mounter is root.
  std::optional<bool> allow_other;
  std::optional<bool> dev;
  std::optional<bool> suid;
  bool exec = true;
  std::string source;  ///< in /proc/mounts; empty: the topmost lower
};

struct Config {
  /// Topmost first, as people name them (stack/open_lower.h).
  std::vector<std::string> lowers;
  stack::Stores stores;
  std::string upper;  ///< empty: see make_plan()
  std::string work;
  std::string mount_point;
  bool read_only = false;
  /// Upper, work directory and mount point are made if they are missing, even
  /// if they were named.
  bool make_missing = false;
  Options options;
  /// Flags of the options that were given, for status: "fsync", "timeout".
  std::set<std::string, std::less<>> given;
};

/// What an errno value means, in words.
inline std::string reason_of(int code) {
  return std::generic_category().message(code);
}

/// An error whose subject is the whole sentence for people.
inline Error sentence(int code, std::string text) {
  return Error(code, "", std::move(text));
}

}  // namespace veneer::session
