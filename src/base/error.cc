// SPDX-License-Identifier: MIT
//
// Errors put into words.

#include "veneer/error.h"

#include <fmt/format.h>

#include <system_error>

namespace veneer {

std::string Error::message() const {
  if (code_ == 0 || operation().empty()) return std::string(subject());
  // Unlike strerror, this may be called by several threads.
  const std::string reason = std::generic_category().message(code_);
  if (subject().empty()) return fmt::format("{}: {}", operation_, reason);
  return fmt::format("{} {}: {}", operation_, subject(), reason);
}

}  // namespace veneer
