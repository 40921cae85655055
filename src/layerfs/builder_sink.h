// SPDX-License-Identifier: MIT
//
// Entries into a layer, and what to say when one does not fit.

#pragma once

#include <string>

#include "layerfs/entry.h"
#include "veneer/layerfs.h"
#include "veneer/result.h"

namespace veneer::layerfs {

/// Adds `entry` to the layer that `builder` makes. The subject of an error is
/// a sentence about the entry, without its path: "it is below lib, which is a
/// symbolic link".
Result<void> add_entry(BottomLayerBuilder& builder, const Entry& entry);

}  // namespace veneer::layerfs
