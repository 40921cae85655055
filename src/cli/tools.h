// SPDX-License-Identifier: MIT
//
// Parts of the program that have command lines of their own: `veneer composefs`
// with its commands, and the programs of composefs, which are also found by the
// name under which this one is called.

#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "cli/commands.h"
#include "veneer/error.h"

namespace veneer::cli {

// Each gets its own name as argv[0] and returns the exit status.
int run_composefs(int argc, const char* const* argv);
int run_mkcomposefs(int argc, const char* const* argv);
int run_composefs_info(int argc, const char* const* argv);
int run_mount_composefs(int argc, const char* const* argv);

/// Runs the tool that argv[0], or else argv[1], names; nothing if they name
/// none.
std::optional<int> run_tool(int argc, const char* const* argv);

/// Adds the tools to the list that `veneer --help` shows.
void add_tools(CLI::App& app, Action& action);

// The commands of `veneer composefs`.
void add_composefs_create(CLI::App& app, Action& action);
void add_composefs_dump(CLI::App& app, Action& action);
void add_composefs_ls(CLI::App& app, Action& action);
void add_composefs_objects(CLI::App& app, Action& action);
void add_composefs_missing_objects(CLI::App& app, Action& action);
void add_composefs_digest(CLI::App& app, Action& action);
void add_composefs_verify(CLI::App& app, Action& action);
void add_composefs_mount(CLI::App& app, Action& action);
void add_composefs_gc(CLI::App& app, Action& action);

/// Who speaks, and how wrong usage ends.
struct Voice {
  std::string_view name;  ///< what begins each complaint
  int usage_status = kUsage;
};

/// Prints "<name>: <text>" to standard error; returns `status`.
int complain_as(const Voice& voice, std::string_view text,
                int status = kFailure);

/// Parses, then does what `action` has become. `app` may have commands.
int parse_and_act(CLI::App& app, int argc, const char* const* argv,
                  const Voice& voice, const Action& action);

}  // namespace veneer::cli
