// SPDX-License-Identifier: MIT
//
// How --help looks: what the command is for, how it is called, its options with
// their text wrapped to 80 columns, and examples.

#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace veneer::cli {

/// `text` in lines of at most 80 columns, each indented by `indent` spaces.
/// Ends with a newline.
std::string wrap(std::string_view text, std::size_t indent);

class HelpFormatter : public CLI::Formatter {
 public:
  /// `usage`: what follows "Usage: ".
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) {}

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;

 private:
  std::string usage_;
};

}  // namespace veneer::cli
