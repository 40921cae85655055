// SPDX-License-Identifier: MIT
//
// A layer as a tree, for comparing with what a mount shows. Names are looked up
// one by one and listed, and both must agree.

#pragma once

#include <string>

#include "test/support/tree.h"
#include "veneer/layer.h"

namespace veneer::testing {

/// Reads all of `layer`, like read_tree() does. A whiteout is an entry of that
/// kind. What cannot be read fails the running test.
Tree read_layer(Layer& layer);

/// All bytes of a regular file of `layer`.
Result<std::string> read_data(Layer& layer, const LayerNode& file);

/// The object at `path` below the layer's root, which must be there.
Child find_in_layer(Layer& layer, std::string_view path);

}  // namespace veneer::testing
