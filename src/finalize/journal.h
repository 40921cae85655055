// SPDX-License-Identifier: MIT
//
// The journal: what is about to be done to a session, written down before the
// first step, in the work directory.
//
//   veneer.journal   JSON, small: action, phase, directories, staging, and the
//                    digest of the steps. Replaced whole, by a rename, at each
//                    change of phase.
//   veneer.steps     one JSON object a line, in order; written and synced
//                    before veneer.journal names it
//
// Whoever finds a journal (a mount, the next command) must go on with it before
// doing anything else. It is input like any other: what is cut off, does not
// match its digest or does not parse is EUCLEAN, never a crash, and changes
// nothing.

#pragma once

#include <string>
#include <vector>

#include "finalize/plan.h"
#include "finalize/trees.h"
#include "veneer/result.h"

namespace veneer::finalize {

struct Journal {
  enum class Action : std::uint8_t { kCommit, kCommitAtomic, kDiscard };
  enum class Phase : std::uint8_t {
    kPrepared,  ///< nothing has been changed but in the staging directory
    kStaged,    ///< commit: all kStage steps are done
    kApplied,   ///< all steps are done and on disk; the upper is to go
  };

  Action action = Action::kCommit;
  Phase phase = Phase::kPrepared;
  Directories directories;
  /// Absolute. Commit: a directory in the base directory. Atomic: beside it.
  std::string staging = {};
  /// Other changes stay in the upper: it is pruned, not emptied.
  bool partial = false;
  /// Atomic: st_ino of the directory that replaces the base directory; 0: it is
  /// not ready yet.
  std::uint64_t new_ino = 0;
};

/// `work`: a descriptor of the work directory. Durable on return.
Result<void> write_steps(int work, const std::vector<Step>& steps);
/// The digest is taken of the steps file as it lies there (none: no steps).
Result<void> write_journal(int work, const Journal& journal);

/// Fails  ENOENT   there is none
///        EUCLEAN  corrupt; the subject says which file and how
Result<Journal> read_journal(int work);
/// Checks the digest that the journal has.
Result<std::vector<Step>> read_steps(int work);
bool has_journal(int work);
/// Both files; absent is as good. veneer.journal goes first.
Result<void> remove_journal(int work);

/// A name that a work directory may have because of us.
bool is_journal_entry(std::string_view name);

}  // namespace veneer::finalize
