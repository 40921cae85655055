// SPDX-License-Identifier: MIT
//
// A session's changes as a layer of an OCI image: a tar that, unpacked over the
// base, gives the merged tree.
//
// Deleted names are empty files ".wh.<name>", a directory that hides the base's
// has ".wh..wh..opq"; both come right after their directory's entry, before
// what else is in it. A renamed directory is written out whole, since a tar has
// no way to say it. Owner, mode, nanosecond times, xattrs and ACLs are as the
// user sees them; several names of one file are hard links. Parents of what
// changed come along. The order and the bytes depend on the session alone: two
// exports are equal.
//
// What a layer has no words for: sockets (left out, and their names are
// hidden), file flags, SELinux labels (they belong to a machine, not to an
// image), and a hard link to a file of the base that has not changed: below a
// renamed directory such a file becomes one of its own.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "finalize/change.h"
#include "finalize/trees.h"
#include "veneer/result.h"

namespace veneer::finalize {

struct ExportReport {
  std::uint64_t entries = 0;  ///< whiteouts included
  std::uint64_t sockets = 0;  ///< left out
  std::uint64_t bytes = 0;    ///< of the tar
  std::string diff_id;        ///< "sha256:..." of the tar
};

/// Writes the tar to `fd`, which may be a pipe. `changes`: all of scan(), kNone
/// included. `progress`, unless empty, gets the bytes written so far; false
/// ends it.
/// Fails  EINVAL  a name begins with ".wh.", which would mean another thing
///        ECANCELED  as `progress` asked
///        others  as reading the trees, about the path, and writing `fd`
Result<ExportReport> export_oci(
    Trees& trees, const Changes& changes, int fd,
    const std::function<bool(std::uint64_t)>& progress);

}  // namespace veneer::finalize
