// SPDX-License-Identifier: MIT
//
// veneer preserve: the mount goes, the changes stay.

#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/changes_text.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "session/finish.h"

namespace veneer::cli {
namespace {

constexpr char kDescription[] =
    "Unmounts a session, if it is mounted, and removes the mount point if "
    "Veneer made it. The changes stay in the upper: mount again and go on, or "
    "commit or discard them another day.";

constexpr char kExamples[] = R"(unmount and keep the changes in the upper

Examples:
  veneer preserve /mnt/tree)";

Result<void> preserve_session(const std::string& name) {
  TRY_ASSIGN(const session::FoundSession session, session::find_session(name));
  TRY(session::preserve(session));
  fmt::print("the changes are in {}\n", show_path(session.manifest.upper));
  return {};
}

}  // namespace

void add_preserve(CLI::App& app, Action& action) {
  auto name = std::make_shared<std::string>();
  CLI::App* const command = app.add_subcommand("preserve", kDescription);
  command->formatter(
      std::make_shared<HelpFormatter>("veneer preserve SESSION"));
  command->footer(kExamples);
  command->group(kFinishing);
  add_session(*command, *name);
  command->callback([name, &action] {
    action = [name] {
      const auto done = preserve_session(*name);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace veneer::cli
