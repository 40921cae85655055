// SPDX-License-Identifier: MIT
//
// A lower layer by what people call it:
//
//   DIR                a directory
//   layerfs:DIR        a LayerFS layer, bottom or stacked
//   composefs:IMAGE    a composefs image, or a plain EROFS one
//
// A directory whose name begins like that is named with "./" before it. Where
// the content of layers and images is (blobs, objects) is said once for all of
// them.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/composefs.h"
#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::stack {

enum class LowerKind : std::uint8_t { kDirectory, kLayerfs, kComposefs };

struct LowerName {
  LowerKind kind = LowerKind::kDirectory;
  std::string path;
};

LowerName parse_lower(std::string_view text);
std::string to_text(const LowerName& name);
/// "lower directory", "LayerFS layer", "composefs image".
const char* describe(LowerKind kind);

/// Where content is that a layer or an image does not hold itself.
struct Stores {
  std::string blobs;                 ///< of LayerFS layers; "": there is none
  std::vector<std::string> objects;  ///< of images, searched in this order
  composefs::Verify verify = composefs::Verify::kOff;  ///< objects of images
  /// The digest that an image must have, in hex; "": any.
  std::string digest;
};

/// How a lower stands among the others.
struct Position {
  bool bottom = false;  ///< no layer comes below it
  bool alone = false;   ///< nor above it, not even an upper
};

/// Opens a lower. What is only read of a stack, and the stack of a mount, are
/// opened alike, so they show the same.
/// Fails  as open_host_lower(), layerfs::LayerFs::from_path() and
///        composefs::open_layer() do
Result<std::unique_ptr<Layer>> open_lower(const std::string& lower,
                                          const Stores& stores,
                                          const Position& position);

/// All of a stack, topmost first.
Result<std::vector<std::unique_ptr<Layer>>> open_lowers(
    const std::vector<std::string>& lowers, const Stores& stores,
    bool has_upper);

}  // namespace veneer::stack
