// SPDX-License-Identifier: MIT

#include "cli/tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/help.h"

namespace veneer::cli {
namespace {

struct Tool {
  std::string_view name;
  int (*run)(int argc, const char* const* argv);
  const char* summary;
  /// The program may be called by this name.
  bool is_program = false;
};

constexpr std::array kTools = {
    Tool{"composefs", run_composefs,
         "make, look into and check composefs images"},
    Tool{"mkcomposefs", run_mkcomposefs, "as mkcomposefs(1) of composefs",
         true},
    Tool{"composefs-info", run_composefs_info,
         "as composefs-info(1) of composefs", true},
    Tool{"mount.composefs", run_mount_composefs,
         "as mount.composefs(1) of composefs", true},
};

const CLI::App& innermost(const CLI::App& app) {
  const auto named = app.get_subcommands();
  return named.empty() ? app : *named.front();
}

}  // namespace

std::optional<int> run_tool(int argc, const char* const* argv) {
  if (argc == 0) return std::nullopt;
  const std::string called = std::filesystem::path(argv[0]).filename().string();
  for (const Tool& tool : kTools) {
    if (tool.is_program && called == tool.name) return tool.run(argc, argv);
    if (argc > 1 && argv[1] == tool.name) return tool.run(argc - 1, argv + 1);
  }
  return std::nullopt;
}

void add_tools(CLI::App& app, Action& /*action*/) {
  for (const Tool& tool : kTools) {
    app.add_subcommand(std::string(tool.name))
        ->footer(std::string(tool.summary) + "\n")
        ->group("Images");
  }
}

int complain_as(const Voice& voice, std::string_view text, int status) {
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  std::fputs(fmt::format("{}: {}\n", voice.name, line).c_str(), stderr);
  return status;
}

int parse_and_act(CLI::App& app, int argc, const char* const* argv,
                  const Voice& voice, const Action& action) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", innermost(app).help());
    return 0;
  } catch (const CLI::ParseError& error) {
    const CLI::App& command = innermost(app);
    const std::string whole = &command == &app
                                  ? app.get_name()
                                  : app.get_name() + " " + command.get_name();
    return complain_as(voice,
                       fmt::format("{} (see {} --help)", error.what(), whole),
                       voice.usage_status);
  }
  if (action) return action();
  fmt::print(stderr, "{}", app.help());
  return voice.usage_status;
}

}  // namespace veneer::cli
