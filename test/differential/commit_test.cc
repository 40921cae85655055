// SPDX-License-Identifier: MIT
//
// A commit gives the base what the user saw.
//
// Random layers and random calls, as in the comparison with the kernel; then
// the merged tree is remembered, the overlay unmounted, and the session
// committed. The base, or with several lowers their overlay, must then be equal
// in every attribute to what was remembered, and the upper be empty. Both with
// files that can be moved (upper and base on one mount) and with files that
// must be copied.
//
// No names that begin with .wh.: in the base they would mean something else to
// an overlay over it.
//
// VENEER_COMMIT_SEEDS   seeds for each of the eight blocks (default 25)
// VENEER_COMMIT_FIRST   the first one (default 1)

#include "finalize/commit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "test/differential/arena.h"
#include "test/differential/compare.h"
#include "test/differential/exceptions.h"
#include "test/differential/executor.h"
#include "test/differential/generator.h"
#include "test/differential/implementation.h"
#include "test/differential/minimise.h"
#include "test/differential/sandbox.h"

namespace veneer::testing::differential {
namespace {

std::int64_t setting(const char* name, std::int64_t usual) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::atoll(text) : usual;
}

struct How {
  bool atomic = false;
  bool can_move = true;
};

// One session, from its layers to the base after the commit.
class Session {
 public:
  Session(const Script& script, const How& how, const std::string& base)
      : script_(script), how_(how), arena_(base), host_("/") {}

  /// What is wrong, or "".
  std::string play();

 private:
  std::optional<std::string> mount(const Site& site, Snapshot& shown,
                                   bool work);
  std::string compare(const Snapshot& now, const Snapshot& before);

  const Script& script_;
  const How how_;
  Arena arena_;
  OpenDir host_;
  VeneerProgram overlay_{veneer_program(), {}, {}};
};

std::optional<std::string> Session::mount(const Site& site, Snapshot& shown,
                                          bool work) {
  if (auto problem = overlay_.mount(site)) return "mount: " + *problem;
  {
    const OpenDir root(site.mount_point);
    if (work) {
      Executor executor(root.fd(), host_.fd());
      for (const Op& op : script_) {
        if (op.phase == Phase::kMain) executor.run(op);
      }
    }
    shown = snapshot_of(root.fd(), host_.fd());
  }
  if (auto problem = overlay_.unmount(site)) return "unmount: " + *problem;
  return std::nullopt;
}

std::string Session::compare(const Snapshot& now, const Snapshot& before) {
  // All stamps count, to the nanosecond.
  Comparer comparer({.shares_kernel_defects = false},
                    std::numeric_limits<std::int64_t>::max());
  return comparer.compare(before, now).value_or("");
}

// As an overlay over it would show it: its own attributes not, and those of an
// overlay in it by the names that a user gave them.
void show_as_lower(Snapshot& tree) {
  constexpr std::string_view kOwn = "trusted.overlay.";
  constexpr std::string_view kEscaped = "trusted.overlay.overlay.";
  for (Entry& entry : tree) {
    std::map<std::string, std::string> shown;
    for (auto& [name, value] : entry.xattrs) {
      if (name.starts_with(kEscaped)) {
        shown[std::string(kOwn) + name.substr(kEscaped.size())] = value;
      } else if (!name.starts_with(kOwn)) {
        shown[name] = value;
      }
    }
    entry.xattrs = std::move(shown);
  }
}

// With several lowers a file may have names that the user never saw, and whose
// link count nobody can tell afterwards. Those that are seen count.
void count_seen_names(Snapshot& tree) {
  std::map<std::uint64_t, std::uint32_t> names;
  for (const Entry& entry : tree) {
    if (!entry.stat.is_dir()) ++names[entry.stat.ino];
  }
  for (Entry& entry : tree) {
    if (!entry.stat.is_dir()) entry.stat.nlink = names[entry.stat.ino];
  }
}

// What a commit must not leave in the base: marks of the upper.
std::string marks_in(const Snapshot& tree) {
  for (const Entry& entry : tree) {
    for (const char* const mark :
         {"origin", "opaque", "redirect", "metacopy", "impure", "nlink",
          "veneer.base", "protattr"}) {
      if (entry.xattrs.contains(std::string("trusted.overlay.") + mark)) {
        return "/" + entry.path + " has the mark " + mark;
      }
    }
  }
  return "";
}

std::string Session::play() {
  if (auto problem = arena_.build(script_, host_.fd())) return *problem;
  Site site = arena_.site(0, 0);
  if (how_.can_move) {
    for (std::string& lower : site.lowers) {
      lower.replace(lower.find("/watched/"), 9, "/layers/");
    }
  }
  Snapshot before;
  if (auto problem = mount(site, before, true)) return *problem;

  const finalize::Directories directories{
      .lowers = site.lowers, .upper = site.upper, .work = site.work};
  const auto done = finalize::commit(directories, {.atomic = how_.atomic});
  // Names that only layers below have cannot be changed there.
  const bool may_refuse = site.lowers.size() > 1;
  if (!done && may_refuse && done.error().code() == EOPNOTSUPP) return "";
  if (!done) return "commit: " + done.error().message();

  std::string problem;
  if (site.lowers.size() == 1) {
    const OpenDir base(site.lowers.front());
    Snapshot now = snapshot_of(base.fd(), host_.fd());
    problem = marks_in(now);
    show_as_lower(now);
    if (problem.empty()) problem = compare(now, before);
    if (!problem.empty()) return "the base: " + problem;
  }
  if (!std::filesystem::is_empty(site.upper)) return "the upper is not empty";
  Snapshot after;
  if (auto failed = mount(site, after, false)) return "again, " + *failed;
  if (site.lowers.size() > 1) {
    count_seen_names(before);
    count_seen_names(after);
  }
  problem = compare(after, before);
  return problem.empty() ? "" : "a new overlay: " + problem;
}

std::string run(const Script& script, const How& how) {
  const SandboxReport report = run_in_sandbox(
      std::chrono::seconds(60), [&](const std::string& base, Progress&) {
        return Session(script, how, base).play();
      });
  return report.finished ? report.text : "stuck: " + report.text;
}

class CommitDifferential : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    std::string missing = missing_for_sandbox();
    if (missing.empty() && veneer_program().empty()) {
      missing = "the program veneer, see VENEER_BIN";
    }
    if (missing.empty()) return;
    const char* ci = std::getenv("CI");
    if (ci != nullptr && std::string(ci) == "true") {
      FAIL() << "cannot run without " << missing;
    }
    GTEST_SKIP() << "needs " << missing;
  }
};

TEST_P(CommitDifferential, TheBaseIsWhatTheUserSaw) {
  const std::int64_t count = setting("VENEER_COMMIT_SEEDS", 25);
  const std::int64_t first =
      setting("VENEER_COMMIT_FIRST", 1) + GetParam() * count;
  for (std::int64_t seed = first; seed < first + count; ++seed) {
    const Script script =
        generate(static_cast<std::uint64_t>(seed), {.wh_names = false});
    for (const How how : {How{false, true}, How{false, false}, How{true, true},
                          How{true, false}}) {
      const std::string problem = run(script, how);
      if (problem.empty()) continue;
      const std::string kind = problem.substr(0, problem.find(':'));
      const Script small = minimise(
          script,
          [&](const Script& candidate) {
            return run(candidate, how).starts_with(kind);
          },
          std::chrono::seconds(setting("VENEER_DIFF_MINIMISE", 30)));
      FAIL() << "seed " << seed << (how.atomic ? ", atomic" : "")
             << (how.can_move ? ", moving: " : ", copying: ") << problem
             << "\nminimised: " << run(small, how) << "\n"
             << format(small);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, CommitDifferential, ::testing::Range(0, 8));

}  // namespace
}  // namespace veneer::testing::differential
