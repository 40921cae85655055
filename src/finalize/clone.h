// SPDX-License-Identifier: MIT
//
// A second tree of the same files, beside the first.
//
// Directories are made anew, with all their attributes; files are hard links,
// which take no room and stay the files they are, with their page cache, inode
// numbers and whoever has them open. What is going to be changed in place, and
// what a file system does not link (immutable files, too many links), is
// copied, by reflink where it can be. Files that were one file stay one file.
//
// Not followed: symbolic links. Not entered: other file systems, which are an
// error.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "veneer/result.h"

namespace veneer::finalize {

struct CloneReport {
  std::uint64_t directories = 0;
  std::uint64_t linked = 0;
  std::uint64_t copied = 0;
};

/// Fills the empty directory `to` with what is in `from`, and gives it its
/// attributes. `copied`: st_ino of files that must not be linked.
/// Fails  EXDEV  another file system is mounted in it; the subject is the path
///        others, with the path; `to` then holds a part
Result<CloneReport> clone_tree(
    int from, int to, const absl::flat_hash_set<std::uint64_t>& copied,
    const std::function<bool(std::uint64_t)>& progress);

}  // namespace veneer::finalize
