// SPDX-License-Identifier: MIT
//
// A change: what a session did to one name, against the base it was made on.
//
// "Base" is what the lower layers show together, "merged" what the user sees.
// Paths are bytes, relative to the root, without a slash at either end; the
// root itself is "".

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/attr.h"

namespace veneer::finalize {

enum class ChangeKind : std::uint8_t {
  kNone,      ///< copied up, but as it was
  kAdded,     ///< A: the base has no such name
  kContent,   ///< M: other bytes, or another link target or device
  kMetadata,  ///< m: owner, mode, times, xattrs or flags alone
  kDeleted,   ///< D: with all that is below it
  kRenamed,   ///< R: `old_path` in the base; what it holds may differ, too
  kType,      ///< T: a file was a directory, or the like
  kReplaced,  ///< O: a directory that hides the base's of that name
};

/// "A", "M", ... as `veneer diff` prints it; kNone is "=".
char letter_of(ChangeKind kind);

/// Bits of Change::differs.
enum MetadataBit : std::uint32_t {
  kModeDiffers = 1U << 0,
  kOwnerDiffers = 1U << 1,
  kTimeDiffers = 1U << 2,  ///< of modification
  kXattrsDiffer = 1U << 3,
  kFlagsDiffer = 1U << 4,
};

/// Begins an upper_path that is in the inode index (work/index) instead: of a
/// copy all of whose names on the upper are gone, while the base has others.
inline constexpr std::string_view kIndexPrefix{"\0index/", 7};

struct Change {
  ChangeKind kind = ChangeKind::kNone;
  std::string path = {};  ///< merged
  /// What the base calls it: `path`, unless it or a directory above was
  /// renamed. Empty where the base has nothing (and for the root).
  std::string base_path = {};
  /// The base's path of what stands at this very name, to be replaced or
  /// merged with; empty if there is nothing (and for the root).
  std::string covered_path = {};
  /// Where the upper keeps the object, from the upper's root. Of an alias (a
  /// name that is on the base alone, of a file that is copied up): the file's.
  std::string upper_path = {};
  bool on_upper = false;  ///< upper_path means something
  bool in_base = false;   ///< base_path means something; base_attr is valid

  Attr attr;  ///< merged; of a deleted name, the base's
  Attr base_attr = {};
  std::uint32_t differs = 0;  ///< MetadataBit, where both exist
  bool content_differs = false;

  /// Regular file: the bytes are the base's at `data_path`, the upper has only
  /// attributes.
  bool data_in_base = false;
  std::string data_path = {};
  /// Directory: nothing of the base shows through.
  bool opaque = false;
  /// Directory that continues elsewhere in the base: the mark as stored.
  std::string redirect = {};
  /// Deleted (kNone then): what stood here is a directory or file that a
  /// kRenamed of the same base_path speaks of.
  bool moved_away = false;
  /// Not 0: all changes with this number are names of one file.
  std::uint64_t link_group = 0;

  /// The base's object at this name was changed after the session had last
  /// looked at it. A sentence: what, and how it is known.
  std::string conflict = {};
};

/// In the order of a walk from the root, a directory before what is in it,
/// names by their bytes.
using Changes = std::vector<Change>;

/// Whether the walk meets path `a` before `b`.
bool walk_less(std::string_view a, std::string_view b);

/// Totals of a change list.
struct Summary {
  std::uint64_t added = 0;
  std::uint64_t content = 0;
  std::uint64_t metadata = 0;
  std::uint64_t deleted = 0;
  std::uint64_t renamed = 0;
  std::uint64_t type = 0;
  std::uint64_t replaced = 0;
  std::uint64_t bytes = 0;  ///< of the regular files that were added or changed
  std::uint64_t conflicts = 0;
};
Summary summarize(const Changes& changes);

}  // namespace veneer::finalize
