// SPDX-License-Identifier: MIT
//
// veneer run: mount, run a program inside, show what it changed, and do with
// that what was asked. The overlay is served by this very process and ends with
// it; whatever happens, changes that nobody decided about stay in the upper.

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cli/ask.h"
#include "cli/changes_text.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "session/config.h"
#include "session/directories.h"
#include "session/finish.h"
#include "session/overlay_session.h"
#include "session/plan.h"
#include "sys/child.h"
#include "sys/file.h"
#include "sys/link.h"

namespace veneer::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kUsageLine[] =
    "veneer run [OPTION]... [--] COMMAND [ARGUMENT]...";

constexpr char kDescription[] =
    "Runs COMMAND inside an overlay over the current directory, or over "
    "--lower: it sees the same tree and may change anything in it, and the "
    "tree itself stays as it is. Then shows what was changed (on standard "
    "error) and does what --on-exit says. The exit status is the command's, "
    "or 128 and the signal that ended it. Only the tree is an overlay: what "
    "the command writes elsewhere is written there.";

constexpr char kExamples[] = R"(run a command over a tree, then decide

Examples:
  veneer run -- make install DESTDIR=.        look, then be asked
  veneer run --on-exit discard -- make test   leave no trace
  veneer run --lower /srv/app --on-exit commit-atomic -- ./migrate
  veneer run --upper /tmp/trial -- sh         go on there later

Exit status: the command's; 127 or 126 if it could not be found or run; 1 if
the overlay could not be mounted, or what was asked for could not be done.)";

constexpr std::array<std::string_view, 5> kEnds = {"ask", "preserve", "discard",
                                                   "commit", "commit-atomic"};
constexpr std::array<std::string_view, 4> kAnswers = {
    "preserve", "discard", "commit", "atomic-commit"};
constexpr std::size_t kMostLines = 50;

struct Arguments {
  session::Config config;
  std::string on_exit = "ask";
  bool is_quiet = false;
  std::vector<std::string> command;
};

void tell(std::string_view line) { fmt::print(stderr, "veneer: {}\n", line); }

// A directory of nobody else's, in which the mount point is made: it bears the
// base's name, for programs that show where they are.
class Shelter {
 public:
  static Result<Shelter> make() {
    std::error_code error;
    const fs::path place = fs::temp_directory_path(error);
    std::random_device random;
    for (int attempt = 0; attempt < 100; ++attempt) {
      Shelter shelter;
      shelter.path_ = ((error ? fs::path("/tmp") : place) /
                       fmt::format("veneer-{:08x}", random()))
                          .string();
      const auto made = sys::make_dir_at(AT_FDCWD, shelter.path_.c_str(), 0711);
      if (made) return shelter;
      shelter.path_.clear();
      if (made.error().code() != EEXIST) {
        return made.error().about((error ? fs::path("/tmp") : place).string());
      }
    }
    return Error(EEXIST, "make a mount point", place.string());
  }
  ~Shelter() {
    if (!path_.empty()) session::remove_if_empty(path_);
  }
  Shelter(Shelter&& other) noexcept
      : path_(std::exchange(other.path_, std::string())) {}
  Shelter& operator=(Shelter&&) = delete;

  const std::string& path() const { return path_; }

 private:
  Shelter() = default;
  std::string path_;
};

// Where in the mount the command stands: as deep in it as we in the base.
std::string directory_inside(const std::string& mount_point,
                             const std::string& base) {
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (error) return mount_point;
  const fs::path root = fs::canonical(base, error);
  if (error) return mount_point;
  const fs::path relative = here.lexically_relative(root);
  const bool is_inside =
      !relative.empty() && relative != "." && *relative.begin() != "..";
  return is_inside ? (fs::path(mount_point) / relative).string() : mount_point;
}

std::string base_of(const session::Config& config) {
  return session::to_absolute(stack::parse_lower(config.lowers.front()).path);
}

// Changes of an earlier day are not to be finished together with those of this
// run, unless the user names them.
Result<void> choose_upper(session::Config& config) {
  if (!config.upper.empty()) return {};
  const std::string upper = base_of(config) + ".upper";
  const auto there = sys::find_at(AT_FDCWD, upper.c_str());
  if (there && !*there) return {};
  return session::sentence(
      EEXIST, fmt::format("{0} has the changes of an earlier session (finish "
                          "it: veneer commit or discard {0}; or go on with it: "
                          "--upper {0})",
                          upper));
}

struct Outcome {
  int status = 0;          // of the command
  bool was_ended = false;  // by a signal that was meant for us
  std::string upper;
};

// Mounts, runs, unmounts.
Result<Outcome> run_inside(const Arguments& arguments) {
  session::Config config = arguments.config;
  TRY(choose_upper(config));
  TRY_ASSIGN(const Shelter shelter, Shelter::make());
  const fs::path base(base_of(config));
  config.make_missing = true;
  config.mount_point =
      shelter.path() + "/" +
      (base.has_filename() ? base.filename().string() : std::string("root"));

  TRY_ASSIGN(sys::SignalRelay relay, sys::SignalRelay::start());
  TRY_ASSIGN(const auto overlay, session::OverlaySession::start(
                                     config, session::ServerKind::kLibrary));
  const session::Plan plan = overlay->plan();
  Outcome outcome{.upper = plan.upper.path};
  const auto end =
      relay.run(arguments.command,
                directory_inside(plan.mount_point.path, base.string()));
  if (end) {
    outcome.status = end->status;
    outcome.was_ended = end->relayed != 0;
  } else {
    complain(session::sentence(
        end.error().code(),
        fmt::format("{} cannot be run: {} (check the command)",
                    arguments.command.front(),
                    session::reason_of(end.error().code()))));
    outcome.status = end.error().code() == ENOENT ? 127 : 126;
  }
  auto unmounted = overlay->unmount();
  if (!unmounted && unmounted.error().code() == EBUSY) {
    return session::sentence(
        EBUSY, fmt::format("what {} started still runs in the overlay and is "
                           "cut off from it now; the changes are in {} (let a "
                           "command end only after all it started)",
                           arguments.command.front(), outcome.upper));
  }
  TRY(std::move(unmounted));
  return outcome;
}

void show_changes(const finalize::Changes& changes, const std::string& upper) {
  for (std::size_t i = 0; i < std::min(changes.size(), kMostLines); ++i) {
    fmt::print(stderr, "{}\n", show_change(changes[i]));
  }
  if (changes.size() > kMostLines) {
    fmt::print(stderr, "... and {} more (veneer diff {})\n",
               changes.size() - kMostLines, show_path(upper));
  }
  tell(show_summary(finalize::summarize(changes)));
}

std::string_view decide(const Arguments& arguments, const Outcome& outcome) {
  if (arguments.on_exit != "ask") return arguments.on_exit;
  if (outcome.was_ended || !can_ask()) return "preserve";
  const std::string_view answer =
      ask_which("veneer: what is to become of the changes?", kAnswers);
  return answer == "atomic-commit" ? "commit-atomic" : answer;
}

Result<void> finish(const session::FoundSession& session,
                    std::string_view action, bool is_quiet) {
  const std::string upper = show_path(session.manifest.upper);
  ProgressReport progress(is_quiet ? ProgressMode::kOff : ProgressMode::kAuto);
  if (action == "preserve") {
    if (!is_quiet) tell(fmt::format("the changes are in {}", upper));
    return {};
  }
  if (action == "discard") {
    TRY(session::discard(session, progress.callback()));
    return {};
  }
  finalize::CommitOptions options;
  options.atomic = action == "commit-atomic";
  options.progress = progress.callback();
  auto committed = session::commit(session, options);
  if (!committed) {
    return session::sentence(committed.error().code(),
                             fmt::format("{} (the changes are in {})",
                                         committed.error().message(), upper));
  }
  if (!is_quiet) {
    tell(fmt::format("committed to {}", show_path(committed->report.base)));
  }
  return {};
}

Result<int> run_and_finish(const Arguments& arguments) {
  TRY_ASSIGN(const Outcome outcome, run_inside(arguments));
  TRY_ASSIGN(const session::FoundSession session,
             session::find_session(outcome.upper));
  TRY_ASSIGN(const finalize::Changes changes,
             session::list_changes(session, {}));
  if (changes.empty()) {
    // What was made for this run has no use any more.
    if (!arguments.is_quiet) tell("nothing was changed");
    if (session.manifest.upper_was_empty) TRY(session::discard(session, {}));
    return outcome.status;
  }
  if (!arguments.is_quiet) show_changes(changes, outcome.upper);
  TRY(finish(session, decide(arguments, outcome), arguments.is_quiet));
  return outcome.status;
}

int run_program(Arguments& arguments) {
  if (std::ranges::find(kEnds, arguments.on_exit) == kEnds.end()) {
    return complain_usage(
        fmt::format("--on-exit must be {}, not '{}'", fmt::join(kEnds, " or "),
                    arguments.on_exit),
        "veneer run");
  }
  if (arguments.config.lowers.empty()) {
    std::error_code error;
    arguments.config.lowers.push_back(fs::current_path(error).string());
    if (error)
      return complain(
          "the current directory is gone (name a base: "
          "--lower DIR)");
  }
  session::make_absolute(arguments.config);
  const auto status = run_and_finish(arguments);
  return status ? *status : complain(status.error());
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("run", kDescription);
  command->formatter(std::make_shared<HelpFormatter>(kUsageLine));
  command->footer(kExamples);
  command->group(kMounting);
  command
      ->add_option("--lower", arguments->config.lowers,
                   "The base; several make a stack, the first on top. "
                   "Also layerfs:DIR and composefs:IMAGE. Default: the current "
                   "directory.")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command
      ->add_option("--blobs", arguments->config.stores.blobs,
                   "Where layerfs: layers have the content of their files.")
      ->type_name("DIR");
  command
      ->add_option("--objects", arguments->config.stores.objects,
                   "Where composefs: images have the content of their files.")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command
      ->add_option("--upper", arguments->config.upper,
                   "Where the changes go, made if missing. Default: the "
                   "base's name with .upper added.")
      ->type_name("DIR");
  command
      ->add_option("--work", arguments->config.work,
                   "Where changes are prepared, made if missing. Default: "
                   "beside the upper.")
      ->type_name("DIR");
  command
      ->add_option("--on-exit", arguments->on_exit,
                   "What is to become of the changes: ask (the default; "
                   "without a terminal they are kept), preserve, discard, "
                   "commit or commit-atomic. Whatever the command's status.")
      ->type_name("ACTION");
  command->add_flag("-q,--quiet", arguments->is_quiet,
                    "Say nothing but errors.");
  command
      ->add_option("COMMAND", arguments->command,
                   "What to run, with its arguments; put -- before it if one "
                   "of them begins with a dash.")
      ->required()
      ->type_name("");
  command->callback([arguments, &action] {
    action = [arguments] { return run_program(*arguments); };
  });
}

}  // namespace veneer::cli
