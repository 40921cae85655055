// SPDX-License-Identifier: MIT
//
// The commands, and what they have in common.
//
// Each add_*() describes a command to the parser and, when that command is the
// one that was named, leaves what is to be done in `action`; main() runs it
// after parsing. An action returns the exit status: 0, or 1 after one line on
// standard error that names the thing and the remedy; wrong usage is 2.

#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "finalize/commit.h"
#include "session/find_session.h"
#include "veneer/error.h"

namespace veneer::cli {

using Action = std::function<int()>;

inline constexpr int kFailure = 1;
inline constexpr int kUsage = 2;

/// Headings of the list of commands.
inline constexpr char kMounting[] = "Working in an overlay";
inline constexpr char kFinishing[] = "Finishing a session";
inline constexpr char kLayers[] = "Layers";
inline constexpr char kMachine[] = "The machine";

void add_mount(CLI::App& app, Action& action);
void add_umount(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_run(CLI::App& app, Action& action);
void add_diff(CLI::App& app, Action& action);
void add_commit(CLI::App& app, Action& action);
void add_discard(CLI::App& app, Action& action);
void add_preserve(CLI::App& app, Action& action);
void add_recover(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_layer(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);

/// The argument SESSION.
void add_session(CLI::App& command, std::string& name);

/// Parses and runs; the whole program but for argv's origin.
int run(int argc, const char* const* argv);

/// Prints "veneer: <text>" to standard error, as one line; returns `status`.
int complain(std::string_view text, int status = kFailure);
int complain(const Error& error);

/// The same for wrong usage; names --help where `text` names no remedy.
int complain_usage(std::string_view text, std::string_view command);

/// What was stopped by Ctrl-C is said so, with how to go on.
Error explain_stop(const Error& error, const session::FoundSession& session);

/// "nothing", "finished", "taken back"
const char* name_of(finalize::Recovered recovered);

}  // namespace veneer::cli
