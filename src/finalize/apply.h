// SPDX-License-Identifier: MIT
//
// Does the steps of a plan (plan.h says what each means).
//
// Every step may find itself done already, wholly or half, and finishes:
//
//   stage    builds staging/<slot>.new, then renames it to staging/<slot>;
//            done if that is there
//   stash    renames `path` to staging/<slot> if `path` has the inode; done
//            if not, or if there is no such path
//   place    renames staging/<slot> to `path`, over what is there; done if
//            there is no such slot
//   make     done if `path` is a directory; else mkdir
//   install  by move: renames upper/<from> over `path` if it has `from_ino`,
//            having taken the overlay's own xattrs off; done if it is gone. By
//            copy, or if the move crosses file systems: builds
//            staging/c<number>.new and renames it over `path`; done if `path`
//            is there with another inode than `ino` and looks like the copy
//   link     done if `path` and `from` are one inode; else a link under a new
//            name in the staging directory is renamed over `path`
//   attrs    sets everything; directories and files, never through a link.
//            Without `from`, owner, mode and times alone; `from` of the root is
//            empty, too: it has none if the reason is kNone
//   whiteout done if a whiteout stands there
//
// Xattrs are copied as they are stored, but for the overlay's own (which say
// where an object came from); what a nested overlay has escaped stays escaped.
// Nothing here follows a symbolic link or leaves its tree: each name is
// reached by openat2(2) beneath its root.
//
// Immutable and append-only objects of the base that are in the way lose those
// flags. What is to have them (the upper's mark `protattr`, or its object) gets
// them when all steps are done; the root, in which there may be the staging
// directory, only in a pass without one (Site::staging is -1).
//
// Where the base lies over other layers, a device 0:0 counts as a free name,
// and `.wh.` names beside what comes are removed.
//
// Errors name the path in the base or the upper. The steps before are done and
// the rest can be done later.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "finalize/plan.h"
#include "layer/host/overlay_xattrs.h"
#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::finalize {

/// Descriptors of directories, which may be O_PATH ones.
struct Site {
  int base = -1;
  int upper = -1;
  int staging = -1;
  /// The inode index, for names that begin with kIndexPrefix; -1: none.
  int index = -1;
  /// Where the bytes of kStage steps are, by their base path. Without it they
  /// are looked for in the base directory and the layers below.
  std::function<Result<FileData>(const std::string&)> open_data = {};
  /// The layers below the base directory, topmost first; -1: no directory.
  std::vector<int> below = {};
  /// How whiteouts, opaque and redirect are said in the base directory; used
  /// only if it lies over other layers. kNone: by `.wh.` names.
  layer::XattrNamespace marks = layer::XattrNamespace::kNone;
  bool mknod_whiteouts = false;
  /// Names that begin with .wh. mean something in the base directory.
  bool markers_in_base = true;
  /// The upper's namespace: what is the overlay's own there. kNone: not known,
  /// and both are; then what a user has stored in the other one is lost.
  layer::XattrNamespace own = layer::XattrNamespace::kNone;
};

struct ApplyProgress {
  std::uint64_t steps_done = 0;
  std::uint64_t steps = 0;
  std::uint64_t bytes_copied = 0;
};

enum class Which : std::uint8_t { kStageSteps, kOtherSteps };

/// `which`: kStage steps alone, or all others; `steps` has both. `progress`
/// may be empty; false ends it with ECANCELED.
/// Fails  ESTALE  an object of the upper is another one than was planned with,
///                or something has come to a name that was free
///        ELOOP   a symbolic link has come into the way
///        others  as the system calls have them
Result<void> apply(const Site& site, const std::vector<Step>& steps,
                   Which which,
                   const std::function<bool(const ApplyProgress&)>& progress);

}  // namespace veneer::finalize
