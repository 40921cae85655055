// SPDX-License-Identifier: MIT
//
// The work that is timed: plain system calls by paths below a directory, the
// same for every subject. Each function returns how many operations it did,
// and fails if one of them did not do what it should.

#pragma once

#include <cstdint>

#include "bench/macro/tree.h"
#include "veneer/result.h"

namespace veneer::bench {

/// A mounted tree of make_tree(), open at its root.
struct Site {
  int root = -1;
  const Shape& shape;
};

using Count = Result<std::uint64_t>;

// --- Looking: each file of the tree once ---
Count walk(const Site& site);  ///< readdir alone, as find(1)
Count list(const Site& site);  ///< readdir, then stat of each, as ls -l
Count stat_files(const Site& site);
Count read_files(const Site& site);  ///< open, read all, close
Count miss(const Site& site);        ///< stat of names that are not there

// --- Changing: each works on files that no other one touches ---
Count create(const Site& site);  ///< open(O_CREAT), write 5 bytes, close;
                                 ///< in directories that are below
Count create_in_new(const Site& site);  ///< the same in one just made
Count append(const Site& site);         ///< open, write 5 bytes, close
Count chmod_files(const Site& site);
Count rename_files(const Site& site);
Count unlink_files(const Site& site);

// --- The big file; what is counted is MiB ---
Count read_big_1m(const Site& site);
Count read_big_64k(const Site& site);
Count write_big_1m(const Site& site);
Count write_big_64k(const Site& site);
Count append_to_big(const Site& site);  ///< the first write: copies it all

// --- The deep stack, and the tree for memory ---
Count stat_stack(const Site& site);
Count miss_in_stack(const Site& site);
Count stat_nodes(const Site& site);

}  // namespace veneer::bench
