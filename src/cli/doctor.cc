// SPDX-License-Identifier: MIT
//
// veneer doctor: what this machine offers, and what to do about what it lacks.

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/help.h"
#include "session/machine.h"

namespace veneer::cli {
namespace {

using session::Finding;
using session::Standing;

constexpr char kDescription[] =
    "Looks at this machine and its kernel, and tries what an upper directory "
    "in DIR could do. Says for each thing that is missing how to get it. Exit "
    "status: 0, or 1 if something is missing without which mounts will fail.";

constexpr char kExamples[] = R"(say what this machine offers, and what it lacks

Examples:
  veneer doctor
  veneer doctor /home/me/work      try the file system that has my uppers
  veneer doctor --json | jq '.findings[] | select(.standing != "good")')";

const char* name_of(Standing standing) {
  switch (standing) {
    case Standing::kGood:
      return "good";
    case Standing::kLimited:
      return "limited";
    case Standing::kMissing:
      return "missing";
  }
  return "";
}

const char* sign_of(Standing standing) {
  switch (standing) {
    case Standing::kGood:
      return "ok";
    case Standing::kLimited:
      return "--";
    case Standing::kMissing:
      return "!!";
  }
  return "";
}

void print_text(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    fmt::print("{}  {}: {}\n", sign_of(finding.standing), finding.subject,
               finding.detail);
    if (!finding.remedy.empty()) fmt::print("{}", wrap(finding.remedy, 8));
  }
}

void print_json(const std::vector<Finding>& findings) {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"key", finding.key},
                    {"subject", finding.subject},
                    {"standing", name_of(finding.standing)},
                    {"detail", finding.detail},
                    {"remedy", finding.remedy}});
  }
  const nlohmann::json report = {{"version", VENEER_VERSION},
                                 {"findings", std::move(list)}};
  fmt::print("{}\n", report.dump(2, ' ', false,
                                 nlohmann::json::error_handler_t::replace));
}

int examine(const std::string& dir, bool as_json) {
  const std::vector<Finding> findings = session::examine_machine(dir);
  as_json ? print_json(findings) : print_text(findings);
  for (const Finding& finding : findings) {
    if (finding.standing == Standing::kMissing) return kFailure;
  }
  return 0;
}

// $TMPDIR, or /tmp.
std::string default_dir() {
  std::error_code error;
  const auto dir = std::filesystem::temp_directory_path(error);
  return error ? "/tmp" : dir.string();
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  struct Arguments {
    std::string dir = default_dir();
    bool as_json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("doctor", kDescription);
  command->formatter(
      std::make_shared<HelpFormatter>("veneer doctor [--json] [DIR]"));
  command->footer(kExamples);
  command->group(kMachine);
  command->add_flag("--json", arguments->as_json, "As JSON, for scripts.");
  command
      ->add_option("DIR", arguments->dir,
                   "A directory whose file system is to be tried. Default: "
                   "the one for temporary files.")
      ->type_name("");
  command->callback([arguments, &action] {
    action = [arguments] {
      return examine(arguments->dir, arguments->as_json);
    };
  });
}

}  // namespace veneer::cli
