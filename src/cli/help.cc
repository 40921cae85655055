// SPDX-License-Identifier: MIT

#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace veneer::cli {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kHelpColumn = 8;

std::string describe(const CLI::Option& option) {
  std::string head = option.get_name(/*positional=*/true, /*all=*/true);
  if (const auto comma = head.find(','); comma != std::string::npos) {
    head.insert(comma + 1, " ");
  }
  const std::string type = option.get_type_name();
  if (option.nonpositional() && !type.empty()) head += " " + type;
  return fmt::format("  {}\n{}", head,
                     wrap(option.get_description(), kHelpColumn));
}

// By group, in the order in which they were added.
std::string list_commands(const CLI::App& app) {
  std::size_t width = 8;
  for (const CLI::App* const command : app.get_subcommands({})) {
    width = std::max(width, command->get_name().size());
  }
  std::string list;
  std::string group;
  for (const CLI::App* const command : app.get_subcommands({})) {
    if (command->get_group() != group) {
      group = command->get_group();
      list += fmt::format("\n{}:\n", group);
    }
    const std::string footer = command->get_footer();
    list += fmt::format("  {:<{}}  {}\n", command->get_name(), width,
                        footer.substr(0, footer.find('\n')));
  }
  return list;
}

}  // namespace

std::string wrap(std::string_view text, std::size_t indent) {
  std::istringstream words{std::string(text)};
  const std::string margin(indent, ' ');
  std::string result;
  std::string line = margin;
  for (std::string word; words >> word;) {
    const bool is_first = line.size() == indent;
    if (!is_first && line.size() + 1 + word.size() > kColumns) {
      result += line + "\n";
      line = margin + word;
      continue;
    }
    if (!is_first) line += ' ';
    line += word;
  }
  return result + line + "\n";
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string,
                                     CLI::AppFormatMode) const {
  std::string help =
      "Usage: " + usage_ + "\n\n" + wrap(app->get_description(), 0);
  help += list_commands(*app);
  for (const std::string& group : app->get_groups()) {
    if (group.empty()) continue;
    const auto options = app->get_options([&](const CLI::Option* option) {
      return option->get_group() == group;
    });
    if (options.empty()) continue;
    help += "\n" + group + ":\n";
    for (const CLI::Option* const option : options) help += describe(*option);
  }
  // The first line of the footer is the summary for the list of commands.
  const std::string footer = app->get_footer();
  if (const auto end = footer.find('\n'); end != std::string::npos) {
    help += footer.substr(end) + "\n";
  }
  return help;
}

}  // namespace veneer::cli
