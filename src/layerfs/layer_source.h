// SPDX-License-Identifier: MIT
//
// A layer as a source of entries, with the ranges of blobs as they are.
//
// Directories come before what is in them, names in their order. A directory
// that is met a second time, on whatever way, ends the walk with an error, so
// no damage makes it endless. Implicit directories are said to be.
//
// Threads: thread-safe.

#pragma once

#include <cstdint>
#include <functional>

#include "layerfs/entry.h"
#include "veneer/layerfs.h"
#include "veneer/result.h"

namespace veneer::layerfs {

struct LayerSourceOptions {
  /// Whiteouts and opaque directories too. Those that a stack has left over
  /// hide nothing, and are never given.
  bool marks = false;
};

/// Modes have the type bits of what it is, whatever the layer says.
/// Fails  EIO  the layer is damaged; with what `sink` fails
Result<void> read_layer(const LayerFs& layer, const LayerSourceOptions& options,
                        const EntrySink& sink);

}  // namespace veneer::layerfs
