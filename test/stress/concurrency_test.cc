// SPDX-License-Identifier: MIT
//
// Many threads on one mount for a fixed time, each watching over what must be
// true whatever the others do; then a remount, and it must still be true.
//
//   VENEER_STRESS_SECONDS=N   how long, 5 by default
//   VENEER_STRESS_SEED=N      which dice, else from the clock; printed
//
// The kernel's overlayfs runs the same load, so that a wrong demand fails by
// itself. With VENEER_BIN at a program built with ThreadSanitizer this is the
// test for data races: what the sanitizer reports fails the unmount.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "test/stress/stage.h"
#include "test/stress/workers.h"
#include "test/support/process.h"
#include "test/support/tree.h"

namespace veneer::testing {
namespace {

struct Load {
  std::string name;
  Target target = Target::kVeneer;
  std::vector<std::string> options = {};
  bool drops_caches = false;
  /// The kernel makes time stamps and link counts itself, and data reach the
  /// server later, which leaves a later time of modification.
  bool caches_writes = false;
};

void PrintTo(const Load& load, std::ostream* out) { *out << load.name; }

class ConcurrencyTest : public ::testing::TestWithParam<Load> {
 protected:
  void SetUp() override {
    const std::string missing = missing_for(GetParam().target);
    if (!missing.empty()) VENEER_SKIP_WITHOUT(missing);
  }
};

// All that must be the same after a remount.
Tree lasting(const std::string& root, bool times_last) {
  Tree tree;
  const Tree shown = read_tree(root);
  for (auto [path, entry] : shown.entries()) {
    if (!times_last) entry.modified.reset();
    tree.set(path, std::move(entry));
  }
  return tree;
}

void run_all(Ground& ground,
             const std::vector<std::unique_ptr<Worker>>& workers, long seconds,
             bool drops_caches) {
  std::vector<std::jthread> threads;
  threads.reserve(workers.size());
  for (const auto& worker : workers) {
    threads.emplace_back([&worker] { worker->run(); });
  }
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end && !ground.complaints.any()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (drops_caches) drop_caches();
  }
  ground.stop = true;
}

TEST_P(ConcurrencyTest, KeepsEveryPromiseUnderLoadAndAfterRemount) {
  const long seconds = setting("VENEER_STRESS_SECONDS", 5);
  const auto seed = static_cast<std::uint64_t>(setting(
      "VENEER_STRESS_SEED",
      std::chrono::system_clock::now().time_since_epoch().count() % 1000000));
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  const int patience = static_cast<int>(seconds) * (is_sanitized() ? 40 : 10);
  Stage stage(GetParam().target, GetParam().options);
  build_lower(stage.lower());
  const Tree lower_before = read_tree(stage.quiet_lower());
  ASSERT_EQ(stage.mount(patience + 30), "");

  const bool times_last = !GetParam().caches_writes;
  Ground ground(stage.merged());
  ground.asks_server = GetParam().caches_writes;
  const auto workers = make_workers(ground, seed);
  run_all(ground, workers, seconds, GetParam().drops_caches);

  restore_dirs(ground);
  for (const auto& worker : workers) worker->check(ground);
  ASSERT_FALSE(ground.complaints.any()) << "seed " << seed << "\n"
                                        << ground.complaints.text();
  for (const auto& worker : workers) {
    EXPECT_GT(worker->steps(), 0U) << worker->name() << " never got its turn";
  }
  const Tree shown = lasting(stage.merged(), times_last);
  ground.close();
  ASSERT_EQ(stage.unmount(), "");

  EXPECT_EQ(differences(lower_before, read_tree(stage.quiet_lower()),
                        {.ino = true, .atime = true, .ctime = true}),
            "");
  ASSERT_EQ(stage.mount(patience + 30), "");
  EXPECT_EQ(
      differences(shown, lasting(stage.merged(), times_last), {.ino = true}),
      "");
  Ground again(stage.merged());
  again.asks_server = GetParam().caches_writes;
  for (const auto& worker : workers) worker->check(again);
  EXPECT_FALSE(again.complaints.any())
      << "after a remount, seed " << seed << "\n"
      << again.complaints.text();
  again.close();
  EXPECT_EQ(stage.unmount(), "");
}

INSTANTIATE_TEST_SUITE_P(
    , ConcurrencyTest,
    ::testing::Values(Load{.name = "veneer"},
                      Load{.name = "veneer_cold", .drops_caches = true},
                      Load{.name = "veneer_writeback",
                           .options = {"--writeback", "on"},
                           .caches_writes = true},
                      Load{.name = "veneer_one_thread",
                           .options = {"--threads", "1"}},
                      Load{.name = "kernel", .target = Target::kKernel},
                      Load{.name = "kernel_cold",
                           .target = Target::kKernel,
                           .drops_caches = true}),
    [](const auto& given) { return given.param.name; });

}  // namespace
}  // namespace veneer::testing
