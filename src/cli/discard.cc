// SPDX-License-Identifier: MIT
//
// veneer discard: the changes of a session go.

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "cli/ask.h"
#include "cli/changes_text.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "session/finish.h"

namespace veneer::cli {
namespace {

constexpr char kDescription[] =
    "Drops the changes of a session that is not mounted. The upper, the work "
    "directory and the mount point are removed if Veneer made them, and "
    "emptied of what it put there if not. The base is as it was. An upper that "
    "had files in it before its first mount is refused, since not all in it "
    "are changes.";

constexpr char kExamples[] = R"(drop the changes

Examples:
  veneer discard base.upper           shows what would be lost, and asks
  veneer discard --yes base.upper     for scripts)";

// What would be lost, as far as it can be said: a base that is gone is no
// reason to keep changes.
std::string describe_loss(const session::FoundSession& session) {
  const auto changes = session::list_changes(session, {});
  if (!changes) return "its changes";
  return show_summary(finalize::summarize(*changes));
}

Result<void> discard_session(const session::FoundSession& session) {
  ProgressReport progress(ProgressMode::kAuto);
  const auto done = session::discard(session, progress.callback());
  if (!done) return explain_stop(done.error(), session);
  return {};
}

int discard_asking(const std::string& name, bool is_sure) {
  if (!is_sure && !can_ask()) {
    return complain_usage(
        "discard asks before it drops anything, and there is no terminal to "
        "ask on (say --yes)",
        "veneer discard");
  }
  const auto session = session::find_session(name);
  if (!session) return complain(session.error());
  const std::string shown = show_path(session->manifest.upper);
  if (!is_sure && !ask_yes(fmt::format("{}: {}. Drop all of it?", shown,
                                       describe_loss(*session)))) {
    return complain(shown + " was kept, as you said (say yes to drop it)");
  }
  const auto done = discard_session(*session);
  return done ? 0 : complain(done.error());
}

}  // namespace

void add_discard(CLI::App& app, Action& action) {
  struct Arguments {
    std::string session;
    bool is_sure = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("discard", kDescription);
  command->formatter(
      std::make_shared<HelpFormatter>("veneer discard [--yes] SESSION"));
  command->footer(kExamples);
  command->group(kFinishing);
  command->add_flag("-y,--yes", arguments->is_sure, "Do not ask.");
  add_session(*command, arguments->session);
  command->callback([arguments, &action] {
    action = [arguments] {
      return discard_asking(arguments->session, arguments->is_sure);
    };
  });
}

}  // namespace veneer::cli
