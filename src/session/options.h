// SPDX-License-Identifier: MIT
//
// Every option of an overlay, in one table.
//
// The flags of `veneer mount`, its --help, the words after -o and the list in
// veneer-mount(8) come from here (the page is compared with the table by a
// test). To add an option, add a row.
//
// Option strings come from fstab lines and other programs: they are checked,
// and an unknown word is refused with the nearest known one, never skipped.

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "session/config.h"

namespace veneer::session {

enum class OptionGroup {
  kDirectories,
  kBehaviour,
  kMount,    ///< of mount(8): who may use the mount, and how
  kIgnored,  ///< words of fstab that are meant for others
};

struct OptionSpec {
  OptionGroup group;
  std::string_view flag;   ///< "inode-mode" for --inode-mode; empty: none
  std::string_view word;   ///< "inode_mode" after -o; empty: none
  std::string_view value;  ///< "DIR", or all it can be: "on|off"; empty: none
  std::string_view help;
  /// Requires that `value` is one of the alternatives, where there are any. A
  /// refusal says what the value must be: "must not be empty".
  Result<void> (*apply)(Config& config, std::string_view value);
};

std::span<const OptionSpec> option_table();

/// Applies one option to `config`; complaints call it `shown`.
/// Fails  EINVAL  a value that it cannot have
Result<void> apply_option(const OptionSpec& option, std::string_view shown,
                          std::string_view value, Config& config);

/// Applies what follows -o: words and assignments, separated by commas. A
/// backslash takes the meaning from the next character (a comma, a colon).
/// Fails  EINVAL  an unknown word, or a wrong value; names it
Result<void> apply_option_string(std::string_view text, Config& config);

/// The entry of `known` that `word` is most likely a slip for; empty if none is
/// near.
std::string_view find_nearest(std::string_view word,
                              std::span<const std::string_view> known);

/// Splits at each `separator` that has no backslash before it; the backslashes
/// stay.
std::vector<std::string> split_unescaped(std::string_view text, char separator);

/// Takes one backslash from before each character that has one.
std::string unescape(std::string_view text);

}  // namespace veneer::session
