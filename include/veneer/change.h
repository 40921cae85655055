// SPDX-License-Identifier: MIT
//
// What an overlay changed, name by name, against the lower directories.
//
// The list is in the order of a walk from the root: a directory comes before
// what is in it, names are ordered by their bytes. What was only copied up, and
// is as it was, is not a change. A deleted directory is one change, whatever
// was in it; so is a renamed one, but for what was changed inside of it.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace veneer {

enum class ChangeKind : std::uint8_t {
  kAdded,     ///< the lower directories have no such name
  kContent,   ///< other bytes, or another link target or device
  kMetadata,  ///< owner, mode, times, extended attributes or flags alone
  kDeleted,   ///< with all that was below it
  kRenamed,   ///< from `old_path`; what it holds may differ as well
  kType,      ///< something else than it was: a file was a directory, ...
  kReplaced,  ///< a directory that hides the one the lower directories have
};

/// "A", "M", "m", "D", "R", "T" or "O", as `veneer diff` prints it.
char letter_of(ChangeKind kind);

struct Change {
  ChangeKind kind = ChangeKind::kAdded;
  /// From the root of the tree; the root itself is empty.
  std::filesystem::path path;
  /// Of a renamed object: what the lower directories call it. Else empty.
  std::filesystem::path old_path;
  /// As st_mode; of a deleted object, what it was.
  std::uint32_t mode = 0;
  /// Of a regular file, in bytes; of a deleted one, what it was.
  std::uint64_t size = 0;
  /// Other bytes, or another link target or device, than before.
  bool content_differs = false;
  /// Not empty: the lower directory was changed at this name by somebody else
  /// since; a commit refuses to overwrite that. Says what is known.
  std::string conflict;
};

/// How far something that takes time has got.
struct Progress {
  /// "scanning", "copying", "applying", "syncing" or "cleaning".
  std::string_view stage;
  std::uint64_t done = 0;
  std::uint64_t total = 0;  ///< 0: not known
};

}  // namespace veneer
