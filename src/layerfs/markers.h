// SPDX-License-Identifier: MIT
//
// Names that stand for something else: how a tar of a layer says "deleted".
//
// AUFS began it and OCI images took it over: ".wh.NAME" hides NAME of the
// layers below, ".wh..wh..opq" hides all they have in its directory, and other
// names that begin with ".wh..wh." are AUFS's own bookkeeping. Pure.

#pragma once

#include <string>
#include <string_view>

#include "veneer/result.h"

namespace veneer::layerfs {

struct Marker {
  enum class Kind {
    kNone,      ///< an ordinary path
    kWhiteout,  ///< of `path`
    kOpaque,    ///< the directory `path`
    kIgnored,   ///< bookkeeping, or something in it
  };
  Kind kind = Kind::kNone;
  std::string path;
};

/// What `path`, a clean one, stands for.
/// Fails  EINVAL  ".wh." alone, or something below a whiteout
Result<Marker> decode_marker(std::string_view path);

}  // namespace veneer::layerfs
