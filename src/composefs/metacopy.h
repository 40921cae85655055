// SPDX-License-Identifier: MIT
//
// Where a file's content is, and what it must be: redirect and metacopy.
//
// Pure.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// Names between slashes, none of them empty, "." or "..", and no NUL: a path
/// that stays below where it begins.
bool is_plain_path(std::string_view path);

/// The path below the object store that `redirect` names.
/// Fails  EUCLEAN  it is not a slash and a plain path
Result<std::string> object_path(std::string_view redirect);

/// The digest that `metacopy` holds; nothing if it holds none.
/// Fails  ENOTSUP  it is not of SHA-256
///        EUCLEAN  it is not a metacopy
Result<std::optional<Digest256>> decode_metacopy(std::string_view metacopy);

}  // namespace veneer::composefs
