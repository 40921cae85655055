// SPDX-License-Identifier: MIT
//
// Paths in JSON, which is UTF-8 where paths are bytes.
//
// A path that is valid UTF-8 stands as it is. Any other becomes an object with
// its bytes in hexadecimal, {"bytes": "2f66fc72"}, so that nothing is lost and
// no reader takes one for the other.

#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace veneer::finalize {

using veneer::is_utf8;

nlohmann::json path_to_json(const std::string& path);
/// nullopt: `value` is neither form.
std::optional<std::string> path_from_json(const nlohmann::json& value);

}  // namespace veneer::finalize
