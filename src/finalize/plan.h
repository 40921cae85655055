// SPDX-License-Identifier: MIT
//
// From changes to steps: what a commit does to the base directory, in order.
//
// The base directory is the topmost lower. A step is one change of one name
// there and can be done again: it says what it expects to find, by inode
// number, and does nothing where that has gone already. So an interrupted
// commit goes on by doing all steps again from the first.
//
//   stage     build a file aside, before anything moves: its bytes are the
//             base's, its attributes the upper's
//   stash     move an object of the base aside: it is renamed, or goes
//   place     move what is aside to its name
//   make      a new directory (with no attributes of its own yet)
//   install   the upper's object to its name, in place of what is there
//   link      one more name of a file that has been installed
//   attrs     owner, mode, times, xattrs, flags, exactly as recorded
//   whiteout  hide a name that layers below still have
//   settle    of a commit of a part: a directory of the upper, at `from`, gets
//             its times back, or goes if nothing is left in it; with `opaque`
//             it no longer hides the base's (prune.h does these, at the end)
//
// The order: stage; stash what was renamed, deepest first; then from the root
// down, each directory before what is in it: what must go, what comes. The
// attributes of directories come last, from the leaves up, for each step before
// touches their times.
//
// This is pure: nothing is read or written here.

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "finalize/change.h"
#include "veneer/result.h"

namespace veneer::finalize {

enum class StepKind : std::uint8_t {
  kStage,
  kStash,
  kPlace,
  kMakeDir,
  kInstall,
  kLink,
  kAttrs,
  kWhiteout,
  kSettle,
};

/// Attributes to set, all of them.
struct Metadata {
  std::uint32_t mode = 0;  ///< permission bits, set-id ones too
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  timespec atime = {};
  timespec mtime = {};
  friend bool operator==(const Metadata& a, const Metadata& b) {
    return a.mode == b.mode && a.uid == b.uid && a.gid == b.gid &&
           a.atime.tv_sec == b.atime.tv_sec &&
           a.atime.tv_nsec == b.atime.tv_nsec &&
           a.mtime.tv_sec == b.mtime.tv_sec &&
           a.mtime.tv_nsec == b.mtime.tv_nsec;
  }
};

Metadata metadata_of(const Attr& attr);

struct Step {
  StepKind kind = StepKind::kAttrs;
  /// In the base directory. kStage: none.
  std::string path = {};
  /// kInstall, kStage, kAttrs: the object of the upper whose contents,
  /// xattrs and flags are meant. kAttrs of what the upper does not have: empty,
  /// and xattrs and flags stay. kLink: the name in the base that is there
  /// already. kStage: the bytes are at `data_path`.
  std::string from = {};
  /// kStage: the base's name of the bytes.
  std::string data_path = {};
  /// kStash, kPlace, kStage: a name in the staging directory.
  std::uint64_t slot = 0;
  /// What is expected: kStash: at `path`. kInstall, kLink: at `path`, to be
  /// replaced; 0: the name is free. kAttrs: 0.
  std::uint64_t ino = 0;
  /// kInstall: the upper's object, st_ino.
  std::uint64_t from_ino = 0;
  /// kAttrs, kInstall, kStage.
  Metadata metadata = {};
  /// kInstall: rename it over; else copy.
  bool move = false;
  /// kMakeDir, kAttrs of a directory over layers below.
  bool opaque = false;
  std::string redirect = {};
  /// What it is for, in the list's words.
  ChangeKind reason = ChangeKind::kNone;
};

struct PlanInput {
  /// All of the scan, kNone included.
  const Changes& changes;
  /// There are layers below the base directory.
  bool layers_below = false;
  /// With layers below: where they have what the base shows at a path, from
  /// their root and with a slash; "" where they have no part in it.
  std::function<std::string(const std::string& base_path)> below_path_of = {};
  /// Upper and base directory are on one file system.
  bool can_move = false;
  /// Those that stay in the upper; null: none do.
  const Changes* left = nullptr;
  /// What the base directory itself, not a layer below it, has at a base path.
  std::function<std::optional<Attr>(const std::string& base_path)> stat_of;
};

struct Plan {
  std::vector<Step> steps;
  std::uint64_t copied_bytes = 0;  ///< room that the base's disk must have
  std::uint64_t moved_files = 0;
  std::uint64_t copied_files = 0;
};

/// Fails  EXDEV, EOPNOTSUPP  with a sentence: what cannot be committed and why
Result<Plan> make_plan(const PlanInput& input);

}  // namespace veneer::finalize
