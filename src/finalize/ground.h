// SPDX-License-Identifier: MIT
//
// The directories of a session, open to be changed, and what every way of
// finishing does with them.
//
// Threads: not thread-safe.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "finalize/apply.h"
#include "finalize/commit.h"
#include "finalize/journal.h"
#include "finalize/plan.h"
#include "finalize/trees.h"
#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::finalize {

/// Readable descriptors. `base` is the topmost lower; it and those below are
/// open if something may be written to it.
struct Ground {
  Directories directories;
  sys::UniqueFd base;
  sys::UniqueFd upper;
  sys::UniqueFd work;
  sys::UniqueFd index;  ///< of the work directory; none: no inode index
  std::vector<sys::UniqueFd> below;
  /// See Site::open_data; set while the base is as the plan found it.
  std::function<Result<FileData>(const std::string&)> open_data = {};

  const std::string& base_path() const { return directories.lowers.front(); }
  /// How things are to be said in the base directory.
  Site site(int base_dir, int staging) const;
};

/// Fails  ENOENT, ENOTDIR, EACCES, about the directory, which is the subject
///        EROFS  the topmost lower is no directory, with the remedy
Result<Ground> open_ground(const Directories& directories);
/// The same without base and below, which need not be there.
Result<Ground> open_upper_ground(const Directories& directories);

/// Tells how far it is; ECANCELED if that is the answer.
Result<void> tell(const OnProgress& progress, std::string_view stage,
                  std::uint64_t done = 0, std::uint64_t total = 0);

/// A name for a staging directory that nobody has.
std::string fresh_staging_name();

/// Does the steps that set the attributes of the root alone: what is removed
/// from it changes its times.
Result<void> apply_root_attrs(const Site& site, const std::vector<Step>& steps);

/// The upper as if before its first mount: no entries, no marks, and the base's
/// attributes; nothing of the engine's in the work directory; then the journal
/// goes. May be repeated.
Result<void> empty_upper(const Ground& ground);

/// The directory at `path`, with all that is in it. Absent is as good.
Result<void> remove_staging(const std::string& path);

/// "error", with where to go on.
Error interrupted(const Error& error, const Directories& directories);

}  // namespace veneer::finalize
