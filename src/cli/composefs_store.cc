// SPDX-License-Identifier: MIT
//
// veneer composefs verify and gc: a store against the images that use it.

#include <fmt/format.h>

#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/changes_text.h"
#include "cli/help.h"
#include "cli/image_queries.h"
#include "cli/progress.h"
#include "cli/tools.h"
#include "composefs/object_store.h"
#include "finalize/json_path.h"

namespace veneer::cli {
namespace {

using composefs::ObjectStore;
using nlohmann::json;

constexpr char kStores[] = "Keeping stores";

constexpr char kVerifyDescription[] =
    "Checks each object that the images name: it is there, it has the size "
    "that the image says, and its content is what its digest says. Exit "
    "status: 0 if all are well, 1 if not.";
constexpr char kVerifyExamples[] = R"(check the objects that images name

Examples:
  veneer composefs verify --objects store base.cfs app.cfs)";

constexpr char kGcDescription[] =
    "Removes the objects of a store that none of the images names: name all "
    "the images that are to be usable afterwards. If one of them cannot be "
    "read, nothing is removed. Temporary files are left alone.";
constexpr char kGcExamples[] = R"(remove the objects that no image names

Examples:
  veneer composefs gc --dry-run --objects store *.cfs
  veneer composefs gc --objects store *.cfs)";

struct Arguments {
  std::vector<std::string> images;
  std::string objects;
  std::string progress = "auto";
  unsigned threads = 0;
  bool is_dry_run = false;
  bool as_json = false;
};

// --- verify ------------------------------------------------------------------

void print_problems(const std::vector<composefs::ObjectProblem>& problems,
                    std::size_t checked, bool as_json) {
  if (!as_json) {
    for (const auto& problem : problems) {
      fmt::print("{}: {}\n", show_path(problem.path), problem.what);
    }
    fmt::print("{} objects checked, {} bad\n", checked, problems.size());
    return;
  }
  json list = json::array();
  for (const auto& problem : problems) {
    list.push_back({{"object", finalize::path_to_json(problem.path)},
                    {"problem", problem.what}});
  }
  fmt::print("{}", to_text({{"checked", checked}, {"problems", list}}));
}

Result<int> verify(const Arguments& arguments, ProgressMode mode) {
  TRY_ASSIGN(const auto objects, objects_of(arguments.images));
  TRY_ASSIGN(
      const ObjectStore store,
      ObjectStore::open(arguments.objects, ObjectStore::Access::kShared));
  std::vector<composefs::ObjectProblem> problems;
  {
    ProgressReport progress(mode);
    const auto tell = progress.callback();
    TRY_ASSIGN(problems, composefs::verify_objects(
                             store, objects, arguments.threads,
                             [&tell](const Progress& now) {
                               return tell({now.stage, now.done, now.total});
                             }));
  }
  print_problems(problems, objects.size(), arguments.as_json);
  return problems.empty() ? 0 : kFailure;
}

int verify_or_complain(const Arguments& arguments) {
  const auto mode = parse_progress_mode(arguments.progress);
  if (!mode) {
    return complain_usage(
        fmt::format("--progress must be auto, on, off or json, not '{}'",
                    arguments.progress),
        "veneer composefs verify");
  }
  const auto status = verify(arguments, *mode);
  if (status) return *status;
  return status.error().code() == ECANCELED ? complain("stopped")
                                            : complain(status.error());
}

// --- gc ----------------------------------------------------------------------

Result<void> collect(const Arguments& arguments) {
  // Before the images are read: what a create that is under way puts there is
  // named by no image yet.
  TRY_ASSIGN(
      ObjectStore store,
      ObjectStore::open(arguments.objects, ObjectStore::Access::kExclusive));
  TRY_ASSIGN(const auto needed, objects_of(arguments.images));
  std::vector<std::string> removed;
  TRY_ASSIGN(
      const composefs::Collected collected,
      composefs::collect_garbage(store, needed, arguments.is_dry_run, removed));
  if (arguments.as_json) {
    fmt::print("{}", to_text({{"kept", collected.kept},
                              {"removed", removed},
                              {"bytes", collected.bytes},
                              {"dry_run", arguments.is_dry_run}}));
    return {};
  }
  if (arguments.is_dry_run) {
    for (const std::string& path : removed) fmt::print("{}\n", path);
  }
  fmt::print("{}: {} objects {} ({}), {} kept\n", show_path(arguments.objects),
             collected.removed,
             arguments.is_dry_run ? "would be removed" : "removed",
             show_size(collected.bytes), collected.kept);
  return {};
}

void add_store_options(CLI::App& command, Arguments& arguments) {
  command.add_option("--objects", arguments.objects, "The store.")
      ->required()
      ->type_name("DIR");
  command.add_flag("--json", arguments.as_json, "As JSON, for scripts.");
  command.add_option("IMAGE", arguments.images, "The images.")
      ->required()
      ->type_name("");
}

}  // namespace

void add_composefs_verify(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("verify", kVerifyDescription);
  command->formatter(std::make_shared<HelpFormatter>(
      "veneer composefs verify [OPTION]... --objects DIR IMAGE..."));
  command->footer(kVerifyExamples);
  command->group(kStores);
  add_store_options(*command, *arguments);
  command
      ->add_option("--threads", arguments->threads,
                   "How many to use. Default: one for each processor.")
      ->type_name("N");
  command
      ->add_option("--progress", arguments->progress,
                   "How to tell how far it has got, as create does.")
      ->type_name("auto|on|off|json");
  command->callback([arguments, &action] {
    action = [arguments] { return verify_or_complain(*arguments); };
  });
}

void add_composefs_gc(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("gc", kGcDescription);
  command->formatter(std::make_shared<HelpFormatter>(
      "veneer composefs gc [--dry-run] [--json] --objects DIR IMAGE..."));
  command->footer(kGcExamples);
  command->group(kStores);
  add_store_options(*command, *arguments);
  command->add_flag("-n,--dry-run", arguments->is_dry_run,
                    "Say what would be removed, and remove nothing.");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = collect(*arguments);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace veneer::cli
