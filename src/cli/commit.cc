// SPDX-License-Identifier: MIT
//
// veneer commit: the changes of a session become the base's.

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/changes_text.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "finalize/json_path.h"
#include "session/finish.h"

namespace veneer::cli {
namespace {

constexpr char kUsageLine[] = "veneer commit [OPTION]... SESSION";

constexpr char kDescription[] =
    "Merges the changes of a session that is not mounted into its base, the "
    "topmost lower directory: in place, file by file, or with --atomic as one "
    "step that has happened or has not. If it is killed half-way, nothing is "
    "lost: the same command, veneer recover, or the next mount ends it. When "
    "all is done, the upper is empty, and what veneer mount made is removed. "
    "Where somebody else changed the base meanwhile, nothing is done and the "
    "first such path is named.";

constexpr char kExamples[] = R"(merge the changes into the base

Examples:
  veneer umount base.mountpoint && veneer commit base.upper
  veneer commit --dry-run base.upper       what it would do
  veneer commit --atomic base.upper        all at once
  veneer commit --include 'src/**' --exclude '*.o' base.upper
      Some of it; the rest stays in the upper.

--json has: session, base, action (commit or commit-atomic), dry_run, method of
the atomic copy, changes and left as veneer diff --json has them, summary,
moved_files, copied_files, copied_bytes, recovered (nothing, finished or taken
back: what became of an earlier action that was interrupted).)";

struct Arguments {
  std::string session;
  finalize::CommitOptions options;
  std::string progress = "auto";
  bool as_json = false;
};

void print_json(const Arguments& arguments,
                const session::FoundSession& session,
                const session::Committed& committed) {
  const finalize::CommitReport& report = committed.report;
  nlohmann::json result = {
      {"session", finalize::path_to_json(session.manifest.upper)},
      {"base", finalize::path_to_json(report.base)},
      {"action", arguments.options.atomic ? "commit-atomic" : "commit"},
      {"dry_run", arguments.options.dry_run},
      {"method", nullptr},
      {"changes", changes_to_json(report.changes)},
      {"left", changes_to_json(report.left)},
      {"summary", summary_to_json(report.summary)},
      {"moved_files", report.plan.moved_files},
      {"copied_files", report.plan.copied_files},
      {"copied_bytes", report.plan.copied_bytes},
      {"recovered", name_of(committed.before)},
  };
  if (!report.method.empty()) result["method"] = report.method;
  fmt::print("{}", to_text(result));
}

void print_text(const Arguments& arguments,
                const session::FoundSession& session,
                const session::Committed& committed) {
  const finalize::CommitReport& report = committed.report;
  if (committed.before != finalize::Recovered::kNothing) {
    fmt::print("an earlier action was interrupted; it was {}\n",
               committed.before == finalize::Recovered::kFinished
                   ? "completed now"
                   : "taken back first");
  }
  if (arguments.options.dry_run) {
    for (const finalize::Change& change : report.changes) {
      fmt::print("{}\n", show_change(change));
    }
  }
  fmt::print("{}{}: {}\n", arguments.options.dry_run ? "would go to " : "",
             show_path(report.base), show_summary(report.summary));
  const std::size_t lowers = session.manifest.lowers.size();
  if (lowers > 1) {
    fmt::print(
        "that is the topmost of {} lower directories; the others stay "
        "as they are\n",
        lowers);
  }
  if (arguments.options.dry_run) {
    fmt::print("files moved: {}, copied: {} ({})\n", report.plan.moved_files,
               report.plan.copied_files, show_size(report.plan.copied_bytes));
  }
  if (!report.left.empty()) {
    fmt::print("{} {} in {}\n", report.left.size(),
               arguments.options.dry_run ? "would stay" : "stay",
               show_path(session.manifest.upper));
  }
}

Result<void> commit_session(const Arguments& arguments, ProgressMode mode) {
  TRY_ASSIGN(const session::FoundSession session,
             session::find_session(arguments.session));
  session::Committed committed;
  {
    ProgressReport progress(mode);
    finalize::CommitOptions options = arguments.options;
    options.progress = progress.callback();
    auto done = session::commit(session, options);
    if (!done) return explain_stop(done.error(), session);
    committed = *std::move(done);
  }
  arguments.as_json ? print_json(arguments, session, committed)
                    : print_text(arguments, session, committed);
  return {};
}

void add_options(CLI::App& command, Arguments& arguments) {
  finalize::CommitOptions& options = arguments.options;
  command.add_flag("--atomic", options.atomic,
                   "Build a changed copy of the base beside it, and let the "
                   "two change places in one step. Files that do not "
                   "change are hard links there and take no room.");
  command.add_flag("-n,--dry-run", options.dry_run,
                   "Say what would be done, and change nothing.");
  command
      .add_option("--include", options.include,
                  "Take only changes whose path matches; may be repeated. * "
                  "and ? do not match a slash, ** does.")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  command
      .add_option("--exclude", options.exclude,
                  "Leave changes whose path matches; may be repeated.")
      ->type_name("GLOB")
      ->allow_extra_args(false);
  command.add_flag("--force-conflicts", options.force_conflicts,
                   "Where the base was changed meanwhile, let the session's "
                   "version win.");
  command.add_flag("--json", arguments.as_json,
                   "Say what was done as JSON, for scripts.");
  command
      .add_option("--progress", arguments.progress,
                  "How to tell how far it has got, on standard error: a bar "
                  "on a terminal after a second (auto, the default), always, "
                  "never, or as JSON lines with stage, done and total.")
      ->type_name("auto|on|off|json");
}

}  // namespace

void add_commit(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("commit", kDescription);
  command->formatter(std::make_shared<HelpFormatter>(kUsageLine));
  command->footer(kExamples);
  command->group(kFinishing);
  add_options(*command, *arguments);
  add_session(*command, arguments->session);
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto mode = parse_progress_mode(arguments->progress);
      if (!mode) {
        return complain_usage(
            fmt::format("--progress must be auto or on or off or json, not "
                        "'{}'",
                        arguments->progress),
            "veneer commit");
      }
      const auto done = commit_session(*arguments, *mode);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace veneer::cli
