// SPDX-License-Identifier: MIT
//
// veneer diff: what a session changed, as a list, as statistics, or as a patch.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/changes_text.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "finalize/json_path.h"
#include "finalize/patch.h"
#include "finalize/scan.h"
#include "session/config.h"
#include "session/finish.h"

namespace veneer::cli {
namespace {

using finalize::Change;
using finalize::Changes;

constexpr char kDescription[] =
    "Lists what a session changed against its base: A added, M other content, "
    "m other metadata alone, D deleted (with all below), R renamed, T of "
    "another type, O a directory replaced whole. Of a session that is mounted: "
    "what has reached the upper by now. Costs as much as there are changes, "
    "however large the base is.";

constexpr char kExamples[] = R"(list what was changed

Examples:
  veneer diff /mnt/tree                 by mount point, while mounted
  veneer diff base.upper etc            by upper, at any time; only etc
  veneer diff --stat base.upper         lines added and removed
  veneer diff --patch base.upper | patch -p1 -d elsewhere
  veneer diff -z base.upper | xargs -0 -n2
  veneer diff --json base.upper | jq -r '.changes[].path'

Each change in --json has: change (the letter), path, type; old_path if it was
renamed; size of a regular file; differs (content, mode, owner, times, xattrs,
flags); link_group, the same number for all names of one file; conflict, if the
base was changed there since. A path that is not UTF-8 is {"bytes": "<hex>"}.)";

struct Arguments {
  std::string session;
  std::vector<std::string> paths;
  bool as_json = false;
  bool as_fields = false;
  bool as_stat = false;
  bool as_patch = false;
};

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_list(const Changes& changes) {
  for (const Change& change : changes) print(show_change(change) + "\n");
}

void print_json(const session::FoundSession& session, const Changes& changes) {
  print(to_text({
      {"session", finalize::path_to_json(session.manifest.upper)},
      {"changes", changes_to_json(changes)},
      {"summary", summary_to_json(finalize::summarize(changes))},
  }));
}

// Those of `changes`, in the words of a patch, which needs to know all others
// too: what is in a renamed directory is told with it.
Result<void> for_patch_parts(
    finalize::Trees& trees, const Changes& changes,
    const finalize::PatchSink& sink,
    const std::function<void(const Change&, const finalize::LineCount&)>& see) {
  TRY_ASSIGN(const Changes all,
             finalize::scan(trees, {.unchanged = true, .progress = {}}));
  std::set<std::string_view> wanted;
  for (const Change& change : changes) wanted.insert(change.path);
  finalize::PatchWriter writer(trees, all);
  for (const Change& change : all) {
    if (change.kind == finalize::ChangeKind::kNone) continue;
    if (!wanted.contains(change.path)) continue;
    TRY_ASSIGN(const finalize::LineCount lines, writer.write(change, sink));
    see(change, lines);
  }
  return {};
}

Result<void> print_patch(finalize::Trees& trees, const Changes& changes) {
  return for_patch_parts(trees, changes, print,
                         [](const Change&, const finalize::LineCount&) {});
}

std::string describe_lines(const finalize::LineCount& lines,
                           const Change& change) {
  if (lines.binary) {
    return fmt::format("binary, {}", show_size(change.attr.size));
  }
  if (lines.added == 0 && lines.removed == 0) {
    return std::string(1, finalize::letter_of(change.kind));
  }
  return fmt::format("+{} -{}", lines.added, lines.removed);
}

Result<void> print_stat(finalize::Trees& trees, const Changes& changes) {
  std::vector<std::pair<std::string, std::string>> rows;
  finalize::LineCount total;
  std::size_t width = 0;
  TRY(for_patch_parts(
      trees, changes, [](std::string_view) {},
      [&](const Change& change, const finalize::LineCount& lines) {
        total.added += lines.added;
        total.removed += lines.removed;
        rows.emplace_back(show_path(change.path),
                          describe_lines(lines, change));
        width = std::max(width, rows.back().first.size());
      }));
  for (const auto& [path, lines] : rows) {
    print(fmt::format(" {:<{}} | {}\n", path, std::min<std::size_t>(width, 60),
                      lines));
  }
  print(fmt::format(" {}; {} lines added, {} removed\n",
                    show_summary(finalize::summarize(changes)), total.added,
                    total.removed));
  return {};
}

Result<std::vector<std::string>> tree_paths(
    const Arguments& arguments, const session::FoundSession& session) {
  std::vector<std::string> result;
  for (const std::string& text : arguments.paths) {
    const auto path = to_tree_path(text, session.manifest.mount_point);
    if (!path) {
      return session::sentence(
          EINVAL, fmt::format("{} is not in the tree (name paths from its "
                              "root, such as etc/motd)",
                              text));
    }
    result.push_back(*path);
  }
  return result;
}

Result<void> print_diff(const Arguments& arguments) {
  TRY_ASSIGN(const session::FoundSession session,
             session::find_session(arguments.session));
  TRY_ASSIGN(const auto paths, tree_paths(arguments, session));
  Changes changes;
  {
    ProgressReport progress(ProgressMode::kAuto);
    TRY_ASSIGN(changes, session::list_changes(session, progress.callback()));
  }
  changes = select_paths(std::move(changes), paths);
  if (arguments.as_json) {
    print_json(session, changes);
  } else if (arguments.as_fields) {
    for (const Change& change : changes) print(change_fields(change));
  } else if (arguments.as_stat || arguments.as_patch) {
    TRY_ASSIGN(finalize::Trees trees, session::open_session(session));
    if (arguments.as_stat) TRY(print_stat(trees, changes));
    if (arguments.as_patch) TRY(print_patch(trees, changes));
  } else {
    print_list(changes);
  }
  if (std::fflush(stdout) != 0) return Error(errno, "write", "standard output");
  return {};
}

}  // namespace

void add_diff(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("diff", kDescription);
  command->formatter(std::make_shared<HelpFormatter>(
      "veneer diff [--json|-z|--stat|--patch] SESSION [PATH]..."));
  command->footer(kExamples);
  command->group(kFinishing);
  auto* const json =
      command->add_flag("--json", arguments->as_json, "As JSON, for scripts.");
  auto* const fields = command->add_flag(
      "-z", arguments->as_fields,
      "Letter and path, each ended by a NUL; of a renamed object letter, old "
      "path and path. Paths are as they are, the root is a dot.");
  auto* const stat = command->add_flag(
      "--stat", arguments->as_stat,
      "How many lines of each text file were added and removed.");
  auto* const patch = command->add_flag(
      "-p,--patch", arguments->as_patch,
      "A unified diff of the text files, as patch(1) and git apply take it.");
  for (auto* const flag : {fields, stat, patch}) json->excludes(flag);
  for (auto* const flag : {stat, patch}) fields->excludes(flag);
  add_session(*command, arguments->session);
  command
      ->add_option("PATH", arguments->paths,
                   "Only what is at or below these, from the root of the tree.")
      ->type_name("");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = print_diff(*arguments);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace veneer::cli
