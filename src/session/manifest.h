// SPDX-License-Identifier: MIT
//
// veneer.json: what an overlay writes into its work directory about itself.
//
// It says which directories belong together, which of them Veneer made (so that
// nothing else is ever removed), who serves the overlay, and whether it was
// unmounted in good order. It is written by whoever holds the lock of the work
// directory, whole or not at all: into a new file that is renamed.
//
// A manifest is input like any other: wrong types and an unknown format are
// EUCLEAN, never a crash.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "session/process_id.h"
#include "stack/open_lower.h"
#include "veneer/result.h"

namespace veneer::session {

struct Manifest {
  bool mounted = false;
  ProcessId server;
  std::vector<std::string> lowers;
  stack::Stores stores;
  std::string upper;
  std::string work;
  std::string mount_point;
  /// Which of the directories exist because of us. Kept over many mounts.
  bool made_upper = false;
  bool made_work = false;
  bool made_mount_point = false;
  /// The upper held nothing before its first mount: all in it are changes.
  bool upper_was_empty = false;
  /// When the first of the changes may have been made, in seconds; 0: unknown.
  std::int64_t began = 0;
  /// The changes are gone or in the base: what is left is to be cleared away.
  bool over = false;
  /// What was asked for, as flags: {"fsync", "timeout"}.
  std::vector<std::string> options;
};

std::string to_json(const Manifest& manifest);
/// Fails  EUCLEAN  no manifest, or of a format that is not known here
Result<Manifest> manifest_from_json(std::string_view text);

/// `work` is a descriptor of the work directory.
/// Fails  ENOENT  there is none
Result<Manifest> read_manifest(int work);
Result<void> write_manifest(int work, const Manifest& manifest);
bool has_manifest(int work);
/// Absent is as good.
Result<void> remove_manifest(int work);

/// Whether `name` is something that overlays, ours or the kernel's, keep in a
/// work directory.
bool is_work_entry(std::string_view name);
/// Whether it is the manifest, or a new one that was never renamed.
bool is_manifest(std::string_view name);

}  // namespace veneer::session
