// SPDX-License-Identifier: MIT
//
// veneer status: what a mounted overlay says of itself, or what there is to say
// of a session that is not mounted, for people.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/session_status.h"
#include "finalize/json_path.h"
#include "session/find_session.h"
#include "session/unmount.h"

namespace veneer::cli {
namespace {

using nlohmann::json;

constexpr char kDescription[] =
    "Shows the layers of an overlay. While it is mounted: the settings in "
    "force with the reason for each, and what was counted since it was "
    "mounted; the number of messages is what the kernel had to ask: the fewer, "
    "the faster. Else how many changes there are, what they weigh, and whether "
    "something was interrupted.";

constexpr char kExamples[] = R"(show a session's layers, settings and counters

Examples:
  veneer status /mnt/tree
  veneer status base.upper               also when it is not mounted
  veneer status --json /mnt/tree | jq .counters.messages.total

--json has state (mounted, unmounted, killed or interrupted) and layers; while
mounted settings, counters and server; else began, changes, interrupted.)";

std::string show(const json& value) {
  if (value.is_null()) return "none";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (const auto path = finalize::path_from_json(value)) return *path;
  return value.dump();
}

void print_line(std::string_view name, const std::string& value) {
  fmt::print("  {:<20} {}\n", name, value);
}

void print_layers(const json& layers) {
  fmt::print("layers\n");
  print_line("upper", show(layers.value("upper", json())));
  print_line("work", show(layers.value("work", json())));
  const json lowers = layers.value("lower", json::array());
  for (const json& lower : lowers) print_line("lower", show(lower));
}

void print_settings(const json& settings) {
  fmt::print("settings\n");
  for (const auto& [name, setting] : settings.items()) {
    print_line(name,
               fmt::format("{} ({})", show(setting.value("value", json())),
                           show(setting.value("why", json()))));
  }
}

void print_counters(const json& counters) {
  fmt::print("counters\n");
  for (const auto& [name, value] : counters.items()) {
    if (!value.is_object()) print_line(name, show(value));
  }
  fmt::print("messages\n");
  const json messages = counters.value("messages", json::object());
  for (const auto& [name, value] : messages.items()) {
    print_line(name, show(value));
  }
}

int print_mounted(const std::string& mount_point, bool as_json) {
  const auto text = session::fetch_status(mount_point);
  if (!text) return complain(text.error());
  if (as_json) {
    fmt::print("{}", *text);
    return 0;
  }
  const json status = json::parse(*text, nullptr, false);
  if (!status.is_object()) {
    return complain(mount_point +
                    " gave an answer that is not understood (is "
                    "its server of another version?)");
  }
  const json server = status.value("server", json::object());
  fmt::print("{}: served by process {} ({}, veneer {})\n",
             show(status.value("mount_point", json())),
             show(server.value("pid", json())),
             show(server.value("kind", json())),
             show(server.value("version", json())));
  print_layers(status.value("layers", json::object()));
  print_settings(status.value("settings", json::object()));
  print_counters(status.value("counters", json::object()));
  return 0;
}

int print_status(const std::string& name, bool as_json) {
  const auto mount_point = session::find_mount_point(name);
  if (mount_point) return print_mounted(*mount_point, as_json);
  const auto session = session::find_session(name);
  if (!session) return complain(session.error());
  if (session->state == session::SessionState::kMounted) {
    return print_mounted(session->manifest.mount_point, as_json);
  }
  return print_session(*session, as_json);
}

}  // namespace

void add_status(CLI::App& app, Action& action) {
  struct Arguments {
    std::string session;
    bool as_json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("status", kDescription);
  command->formatter(
      std::make_shared<HelpFormatter>("veneer status [--json] SESSION"));
  command->footer(kExamples);
  command->group(kMounting);
  command->add_flag("--json", arguments->as_json, "As JSON, for scripts.");
  add_session(*command, arguments->session);
  command->callback([arguments, &action] {
    action = [arguments] {
      return print_status(arguments->session, arguments->as_json);
    };
  });
}

}  // namespace veneer::cli
