// SPDX-License-Identifier: MIT
//
// One directory of a stack: what is below, and what a bottom layer puts on it.
//
//   below        on top                  the result
//   anything     nothing                 that of below, unchanged
//   anything     whiteout                nothing
//   anything     file, symbolic link     that on top
//   no directory directory               that on top, alone
//   directory    directory, opaque       that on top, alone
//   directory    directory               that on top, united with that below
//
// Pure.

#pragma once

#include <functional>
#include <optional>

#include "layerfs/dir_file.h"
#include "layerfs/dir_tree.h"

namespace veneer::layerfs {

/// A directory of the layer on top, met in a merge.
struct MergedDir {
  std::uint32_t offset = 0;     ///< of its inode
  std::optional<FileId> below;  ///< the directory it is united with
  /// The directory it stands over, also if it is opaque.
  std::optional<FileId> over;
};

/// Puts the merge into `tree`, in the order of the names. Entries of the top
/// become ones of layer `layer`. `met` is called for each directory of its.
Result<void> merge_dirs(const DirFile* below, const DirFile& top,
                        std::uint32_t layer, TreePool& pool, DirTree& tree,
                        const std::function<void(const MergedDir&)>& met);

}  // namespace veneer::layerfs
