// SPDX-License-Identifier: MIT
//
// What follows -o, from an fstab line or another program. It is understood or
// refused with a sentence; else the process aborts.
//
// Run by the fuzzer, and on its corpus by a unit test.

#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "require.h"
#include "session/options.h"

namespace veneer::fuzz {

inline void check_option_string(std::string_view text) {
  session::Config config;
  const auto applied = session::apply_option_string(text, config);
  if (!applied) {
    require(applied.error().code() == EINVAL);
    require(!applied.error().message().empty());
  } else {
    for (const std::string& lower : config.lowers) require(!lower.empty());
    require(!config.given.contains("upper") || !config.upper.empty());
    require(config.options.threads <= 1024);
    require(!config.options.timeout || *config.options.timeout >= 0);
  }
  // Splitting loses nothing but the separators.
  for (const char separator : {',', ':'}) {
    std::string joined;
    for (const std::string& part : session::split_unescaped(text, separator)) {
      joined.append(part).push_back(separator);
    }
    joined.pop_back();
    require(joined == text);
  }
  require(session::unescape(text).size() <= text.size());
}

}  // namespace veneer::fuzz
