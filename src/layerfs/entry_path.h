// SPDX-License-Identifier: MIT
//
// Which paths and link targets a layer accepts, whoever names them.
//
// A path is bytes. It is taken from the root of the layer, with or without a
// slash in front; "." and double slashes say nothing. Whatever could lead out
// of the layer, or could not be looked up once it is mounted, is refused. Pure.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "veneer/result.h"

namespace veneer::layerfs {

inline constexpr std::size_t kLongestName = 255;
/// Longer than any path one can say to the kernel; bounds how deep one goes.
inline constexpr std::size_t kLongestPath = 65535;
/// What readlink(2) can return over FUSE: a page.
inline constexpr std::size_t kLongestTarget = 4095;

/// `path` as names with single slashes between them; "" is the root.
/// Fails  EINVAL  with "..", a NUL, or a name or path that is too long; the
/// subject says which, but not the path
Result<std::string> clean_path(std::string_view path);

/// Of a symbolic link: any bytes but NUL, from 1 to kLongestTarget of them.
Result<void> check_link_target(std::string_view target);

/// Fit for a line of a message: bytes that do not print are escaped, and what
/// is long is cut.
std::string printable(std::string_view bytes);

}  // namespace veneer::layerfs
