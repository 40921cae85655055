// SPDX-License-Identifier: MIT
//
// Going through all that is reachable in a layer, each directory once.
//
// Depth is bounded by memory, not by the stack; a directory that is met a
// second time is an error, so a layer that contains itself ends the walk.

#pragma once

#include <functional>
#include <optional>
#include <string>

#include "layerfs/layer_reader.h"

namespace veneer::layerfs {

/// Calls `visit` for each directory, the root first, with what it holds.
/// Fails  EIO  damaged; with what `visit` fails
Result<void> walk_dirs(
    LayerReader& reader,
    const std::function<Result<void>(FileId, const DirFile&)>& visit);

}  // namespace veneer::layerfs
