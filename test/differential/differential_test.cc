// SPDX-License-Identifier: MIT
//
// Random scripts on Veneer and on the kernel's overlayfs, side by side.
//
// By default 200 seeds of 300 calls, in blocks, and fewer of each variant. By
// hand, without limit:
//
//   VENEER_DIFF_SEEDS=N   seeds for each block    VENEER_DIFF_FIRST=N  from
//   here VENEER_DIFF_OPS=N     calls in each script    VENEER_DIFF_TRACE=1 show
//   them VENEER_DIFF_MINIMISE=SECONDS                  per failure, 0 for never
//   VENEER_DIFF_REPLAY=FILE                       run this script (Replay test)
//   VENEER_DIFF_TIMEOUT=SECONDS                   for one script

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <ostream>
#include <sstream>

#include "test/differential/exceptions.h"
#include "test/differential/generator.h"
#include "test/differential/lockstep.h"
#include "test/differential/minimise.h"
#include "test/differential/sandbox.h"

namespace veneer::testing::differential {
namespace {

std::int64_t setting(const char* name, std::int64_t fallback) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::atoll(value) : fallback;
}

struct Variant {
  const char* name;
  std::vector<std::string> arguments;
  Profile profile = {};
  Demands demands = {.dir_nlink_counts = true,
                     .d_ino_is_st_ino = true,
                     .numbers_live_on = true,
                     .numbers_survive_remount = true,
                     .link_numbers_survive_remount = true,
                     .times_survive_remount = true,
                     .shares_kernel_defects = false};
  bool swap_uppers = true;
  bool moves_dirs = true;
};

// For googletest, which would print bytes otherwise.
void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.name;
}

Variant plain() { return {.name = "plain", .arguments = {}}; }

Variant cold() {
  Variant variant{.name = "cold", .arguments = {}};
  variant.profile.drop_caches = true;
  return variant;
}

// No redirects, no index, no origins, and names that begin .wh. are the
// overlay's own.
Variant dotwh() {
  Variant variant{.name = "dotwh", .arguments = {"--whiteouts", "dotwh"}};
  variant.profile.wh_names = false;
  variant.profile.only_markers = true;
  variant.profile.swap_ops = 0;
  variant.demands.numbers_survive_remount = false;
  variant.swap_uppers = false;
  variant.moves_dirs = false;
  return variant;
}

// Numbers are made from paths: a path used again has its number again, of a
// file with several names it is the one met first that counts, and of two
// objects with one path the one met second has the next number.
Variant persistent() {
  Variant variant{.name = "persistent",
                  .arguments = {"--inode-mode", "persistent"}};
  variant.demands.numbers_live_on = false;
  variant.demands.link_numbers_survive_remount = false;
  variant.demands.numbers_drift = 3;
  return variant;
}

// The kernel makes the time stamps and writes data later than it says.
Variant writeback() {
  Variant variant{.name = "writeback", .arguments = {"--writeback", "on"}};
  variant.profile.writes_late = true;
  variant.demands.times_survive_remount = false;
  return variant;
}

Pairing pairing_of(const Variant& variant) {
  return {.subject = std::make_shared<VeneerProgram>(
              veneer_program(), variant.arguments, variant.demands),
          .reference = std::make_shared<KernelOverlay>(),
          .swap_uppers = variant.swap_uppers,
          .moves_dirs = variant.moves_dirs,
          .drop_caches = variant.profile.drop_caches,
          .trace = setting("VENEER_DIFF_TRACE", 0) != 0,
          .limit = std::chrono::seconds(setting("VENEER_DIFF_TIMEOUT", 60)),
          .sabotage = {}};
}

// The story of a failure, ending in a script that replays it.
std::string tell(const Script& script, const Divergence& divergence,
                 const Pairing& pairing) {
  std::ostringstream text;
  const auto describe = [&text](const Script& of, const Divergence& what) {
    text << "in stage '" << what.stage << "', line " << what.line;
    if (static_cast<std::size_t>(what.line) < of.size()) {
      text << ": " << format(of[static_cast<std::size_t>(what.line)]);
    }
    text << "\n" << what.message << "\n";
  };
  describe(script, divergence);
  const std::chrono::seconds limit(setting("VENEER_DIFF_MINIMISE", 60));
  if (limit.count() == 0) return text.str();
  const Script small = minimise(
      script,
      [&](const Script& candidate) {
        const auto again = run_in_lockstep(candidate, pairing);
        return again && again->stage == divergence.stage;
      },
      limit);
  const auto again = run_in_lockstep(small, pairing);
  text << "minimised to " << small.size() << " lines";
  if (again) {
    text << ", ";
    describe(small, *again);
  } else {
    text << ", which do not fail each time\n";
  }
  text << "# save as FILE, run with VENEER_DIFF_REPLAY=FILE\n" << format(small);
  return text.str();
}

class DifferentialTest : public ::testing::Test {
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

  void run_seeds(Variant variant, std::int64_t first, std::int64_t count) {
    variant.profile.ops =
        static_cast<int>(setting("VENEER_DIFF_OPS", variant.profile.ops));
    const Pairing pairing = pairing_of(variant);
    for (std::int64_t seed = first; seed < first + count; ++seed) {
      const Script script =
          generate(static_cast<std::uint64_t>(seed), variant.profile);
      const auto divergence = run_in_lockstep(script, pairing);
      if (!divergence) continue;
      FAIL() << "variant " << variant.name << ", seed " << seed << ", "
             << tell(script, *divergence, pairing);
    }
  }
};

class SeedBlock : public DifferentialTest,
                  public ::testing::WithParamInterface<int> {};

TEST_P(SeedBlock, AnswersAndShowsWhatTheKernelDoes) {
  const std::int64_t count = setting("VENEER_DIFF_SEEDS", 25);
  const std::int64_t first = setting("VENEER_DIFF_FIRST", 1);
  run_seeds(plain(), first + GetParam() * count, count);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SeedBlock, ::testing::Range(0, 8));

class VariantTest : public DifferentialTest,
                    public ::testing::WithParamInterface<Variant> {};

TEST_P(VariantTest, AnswersAndShowsWhatTheKernelDoes) {
  run_seeds(GetParam(), setting("VENEER_DIFF_FIRST", 1001),
            setting("VENEER_DIFF_SEEDS", 25));
}

INSTANTIATE_TEST_SUITE_P(Options, VariantTest,
                         ::testing::Values(cold(), dotwh(), persistent(),
                                           writeback()),
                         [](const auto& given) {
                           return std::string(given.param.name);
                         });

// Not part of a run without the variable, and not silent with it.
TEST_F(DifferentialTest, Replay) {
  const char* path = std::getenv("VENEER_DIFF_REPLAY");
  if (path == nullptr) return;
  std::ifstream file(path);
  ASSERT_TRUE(file) << "cannot read " << path;
  std::ostringstream text;
  text << file.rdbuf();
  std::string problem;
  const auto script = parse(text.str(), &problem);
  ASSERT_TRUE(script) << "not understood: " << problem;

  for (const Variant& variant : {plain(), cold()}) {
    const auto divergence = run_in_lockstep(*script, pairing_of(variant));
    EXPECT_FALSE(divergence) << variant.name << ": stage '" << divergence->stage
                             << "', line " << divergence->line << "\n"
                             << divergence->message;
  }
}

}  // namespace
}  // namespace veneer::testing::differential
