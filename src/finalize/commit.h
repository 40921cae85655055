// SPDX-License-Identifier: MIT
//
// The ways to finish a session: commit, commit in one step, discard; and going
// on with one that was interrupted.
//
// Requires of every caller: nobody else uses the directories (the locks of
// upper and work are held), and the session is not mounted.
//
// commit     in place. The journal is written; then the steps are done; then
//            all is synced; then the upper is emptied. Killed at any point,
//            recover() ends with the same result.
// atomic     a copy of the base directory is built beside it (reflinks, else
//            hard links of what does not change, else copies), the steps are
//            done there, all is synced, and the two change places with one
//            rename. Killed before that, recover() removes the copy; after it,
//            it finishes. At each instant the base's path has a whole tree.
// discard    empties the upper; killed, recover() goes on.
//
// The upper directory and the work directory stay, empty but for what is not
// ours; whoever made them removes them.

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "finalize/change.h"
#include "finalize/plan.h"
#include "finalize/trees.h"
#include "veneer/result.h"

namespace veneer::finalize {

struct Progress {
  /// "scanning", "copying", "applying", "syncing", "cleaning".
  std::string_view stage;
  std::uint64_t done = 0;
  std::uint64_t total = 0;  ///< 0: not known
};
/// False asks to stop: nothing is lost, recover() goes on or takes back.
using OnProgress = std::function<bool(const Progress&)>;

struct CommitOptions {
  bool atomic = false;
  bool dry_run = false;          ///< report, change nothing
  bool force_conflicts = false;  ///< the session's version wins
  /// Shell patterns (fnmatch(3) with FNM_PATHNAME, "**" crosses directories) on
  /// merged paths. A change is taken if it matches an include (or there is
  /// none) and no exclude; the others stay in the upper.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  OnProgress progress;
};

struct CommitReport {
  Changes changes = {};  ///< those taken, without kNone
  Changes left = {};     ///< those that were not taken
  Summary summary = {};  ///< of `changes`
  Plan plan = {};
  std::string base = {};  ///< the directory that was written
  /// "reflink", "hard links", "copies": how the atomic copy was made.
  std::string method = {};
};

/// Fails  ESTALE  something in the base changed under the session: the subject
///                names the first path and how many there are; nothing is done
///        EROFS, EACCES  the base cannot be written; nothing is done
///        EBUSY, EXDEV, EOPNOTSUPP, ENOSPC  atomic cannot hold here: why;
///                nothing is done
///        EUCLEAN an earlier action was interrupted and its journal is damaged
///        EINPROGRESS  an earlier action was interrupted: recover() first
///        others  on the way; the subject names the path, and recover() goes on
Result<CommitReport> commit(const Directories& directories,
                            const CommitOptions& options);

Result<void> discard(const Directories& directories,
                     const OnProgress& progress);

enum class Recovered : std::uint8_t {
  kNothing,    ///< there was no journal
  kFinished,   ///< the action has been completed
  kTakenBack,  ///< all is as before it
};
/// `work`: the work directory; the journal there knows the rest.
/// Fails  as what it does; it may be called again
Result<Recovered> recover(const std::string& work, const OnProgress& progress);

}  // namespace veneer::finalize
