// SPDX-License-Identifier: MIT
//
// The parser of the whole command line, and how it speaks: help and versions on
// standard output, complaints as one line on standard error.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/tools.h"
#include "fuse/library.h"
#include "session/config.h"
#include "session/options.h"
#include "sys/terminal.h"

namespace veneer::cli {
namespace {

constexpr char kProgramUsage[] =
    "veneer COMMAND [OPTION]...\n"
    "       veneer --version";

constexpr char kDescription[] =
    "Puts a thin writable surface over directories that must not change: work "
    "in the mount point with any program, and find every change in the upper "
    "directory and nothing changed below.";

constexpr char kFooter[] = R"(
Try it:
  veneer mount --lower /srv/base      changes go to /srv/base.upper,
                                      and are seen in /srv/base.mountpoint
  veneer status /srv/base.mountpoint
  veneer umount /srv/base.mountpoint
  veneer diff /srv/base.upper         what changed; then commit, or discard

veneer COMMAND --help says more, with examples. See also veneer(1).)";

std::string version() {
  return fmt::format("veneer {}\nlibfuse {}\n", VENEER_VERSION,
                     fuse::library_version());
}

// "veneer", "veneer mount", "veneer layer build": whose --help to name.
std::string command_in(const CLI::App& app) {
  const auto named = app.get_subcommands();
  return named.empty() ? app.get_name()
                       : app.get_name() + " " + command_in(*named.front());
}

// The command that was named last, or the program.
const CLI::App& innermost(const CLI::App& app) {
  const auto named = app.get_subcommands();
  return named.empty() ? app : innermost(*named.front());
}

// What could stand where an unknown word does.
std::vector<std::string> known_words(const CLI::App& command) {
  std::vector<std::string> known;
  for (const CLI::App* const inner : command.get_subcommands({})) {
    known.push_back(inner->get_name());
  }
  if (!known.empty()) return known;
  for (const CLI::Option* const option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      known.push_back("--" + name);
    }
  }
  return known;
}

std::string explain_unknown(const CLI::App& app, const std::string& word) {
  const CLI::App& command = innermost(app);
  const std::string option = word.substr(0, word.find('='));
  const bool is_option = word.starts_with('-');
  if (!is_option && command.get_subcommands({}).empty()) {
    return fmt::format("argument '{}' is one too many", word);
  }
  const std::vector<std::string> known = known_words(command);
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view nearest = session::find_nearest(option, views);
  const std::string what =
      fmt::format("unknown {} '{}'", is_option ? "option" : "command", option);
  return nearest.empty()
             ? what
             : fmt::format("{} (did you mean '{}'?)", what, nearest);
}

int parse_and_run(int argc, const char* const* argv) {
  CLI::App app(kDescription, "veneer");
  app.formatter(std::make_shared<HelpFormatter>(kProgramUsage));
  app.footer(kFooter);
  app.set_help_flag("-h,--help", "Show this text.");
  bool wants_version = false;
  app.add_flag("-V,--version", wants_version,
               "Show the version, and that of libfuse.");
  app.require_subcommand(0, 1);
  app.allow_extras();

  Action action;
  for (const auto add : {add_mount, add_umount, add_status, add_run, add_diff,
                         add_commit, add_discard, add_preserve, add_recover,
                         add_export, add_layer, add_tools, add_doctor}) {
    add(app, action);
  }

  try {
    app.parse(argc, argv);
    auto extras = app.remaining(true);
    std::erase(extras, "--");  // the parser lists it too
    if (!extras.empty()) {
      return complain_usage(explain_unknown(app, extras.front()),
                            command_in(app));
    }
  } catch (const CLI::CallForHelp&) {
    const auto named = app.get_subcommands();
    fmt::print("{}", named.empty() ? app.help() : named.front()->help());
    return 0;
  } catch (const CLI::ParseError& error) {
    return complain_usage(error.what(), command_in(app));
  }

  if (wants_version) {
    fmt::print("{}", version());
    return 0;
  }
  if (!action) {
    fmt::print(stderr, "{}", app.help());
    return kUsage;
  }
  return action();
}

// Container tools run their mount program with the words of mount(8) alone:
// -o lowerdir=...,upperdir=... MOUNTPOINT.
std::vector<const char*> with_command(int argc, const char* const* argv) {
  std::vector<const char*> words(argv, argv + argc);
  if (argc > 1 && std::string_view(argv[1]).starts_with("-o")) {
    words.insert(words.begin() + 1, "mount");
  }
  return words;
}

}  // namespace

int run(int argc, const char* const* argv) {
  sys::open_standard_streams();
  try {
    if (const auto status = run_tool(argc, argv)) return *status;
    const std::vector<const char*> words = with_command(argc, argv);
    return parse_and_run(static_cast<int>(words.size()), words.data());
  } catch (const std::exception& error) {
    return complain(
        fmt::format("{} (this is a defect; please report it)", error.what()));
  }
}

int complain(std::string_view text, int status) {
  std::string line(text);
  std::ranges::replace(line, '\n', ' ');
  // If nobody listens, the status still tells.
  std::fputs(("veneer: " + line + "\n").c_str(), stderr);
  return status;
}

int complain(const Error& error) { return complain(error.message()); }

void add_session(CLI::App& command, std::string& name) {
  command
      .add_option("SESSION", name,
                  "Its mount point while it is mounted, or its upper (or work) "
                  "directory at any time.")
      ->required()
      ->type_name("");
}

Error explain_stop(const Error& error, const session::FoundSession& session) {
  if (error.code() != ECANCELED) return error;
  return session::sentence(
      ECANCELED, fmt::format("stopped; nothing is lost (go on, or take it back "
                             "if it had not begun: veneer recover {})",
                             session.manifest.upper));
}

const char* name_of(finalize::Recovered recovered) {
  switch (recovered) {
    case finalize::Recovered::kNothing:
      return "nothing";
    case finalize::Recovered::kFinished:
      return "finished";
    case finalize::Recovered::kTakenBack:
      return "taken back";
  }
  return "";
}

int complain_usage(std::string_view text, std::string_view command) {
  const bool has_remedy = text.ends_with(')');
  return complain(has_remedy ? std::string(text)
                             : fmt::format("{} (see {} --help)", text, command),
                  kUsage);
}

}  // namespace veneer::cli
