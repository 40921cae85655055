// SPDX-License-Identifier: MIT
//
// Whether bytes are text. Names are bytes; JSON, and formats of programs that
// know nothing but text, are UTF-8.

#pragma once

#include <string_view>

namespace veneer {

/// Overlong forms, surrogates and what lies beyond Unicode are not UTF-8.
bool is_utf8(std::string_view bytes);

}  // namespace veneer
