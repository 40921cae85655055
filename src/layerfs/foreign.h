// SPDX-License-Identifier: MIT
//
// The content of a layer that was not made here, so that a replacement of it
// can be told: nothing beside it says what it was.

#pragma once

#include <vector>

#include "layerfs/one_layer.h"

namespace veneer::layerfs {

/// The offsets of the directories that `layer` has files of, sorted.
Result<std::vector<std::uint32_t>> list_dir_files(const OneLayer& layer);

/// One digest of all its files. Reads them all.
Result<Digest256> digest_foreign(const OneLayer& layer);

}  // namespace veneer::layerfs
