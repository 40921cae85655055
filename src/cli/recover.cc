// SPDX-License-Identifier: MIT
//
// veneer recover: ends a commit or a discard that was interrupted.

#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/changes_text.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "session/finish.h"

namespace veneer::cli {
namespace {

constexpr char kDescription[] =
    "Ends a commit or a discard that was interrupted: completes it, or takes "
    "it back if it had not really begun. Doing it twice is harmless, and so is "
    "doing it where nothing was interrupted. The next mount, commit or discard "
    "of the session does the same.";

constexpr char kExamples[] = R"(end a commit or discard that was interrupted

Examples:
  veneer recover base.upper)";

Result<void> recover_session(const std::string& name) {
  TRY_ASSIGN(const session::FoundSession session, session::find_session(name));
  finalize::Recovered done{};
  {
    ProgressReport progress(ProgressMode::kAuto);
    auto recovered = session::recover(session, progress.callback());
    if (!recovered) return explain_stop(recovered.error(), session);
    done = *recovered;
  }
  const std::string shown = show_path(session.manifest.upper);
  switch (done) {
    case finalize::Recovered::kNothing:
      fmt::print("{}: nothing was interrupted\n", shown);
      break;
    case finalize::Recovered::kFinished:
      fmt::print("{}: completed what was interrupted\n", shown);
      break;
    case finalize::Recovered::kTakenBack:
      fmt::print("{}: taken back; all is as it was before\n", shown);
      break;
  }
  return {};
}

}  // namespace

void add_recover(CLI::App& app, Action& action) {
  auto name = std::make_shared<std::string>();
  CLI::App* const command = app.add_subcommand("recover", kDescription);
  command->formatter(std::make_shared<HelpFormatter>("veneer recover SESSION"));
  command->footer(kExamples);
  command->group(kFinishing);
  add_session(*command, *name);
  command->callback([name, &action] {
    action = [name] {
      const auto done = recover_session(*name);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace veneer::cli
