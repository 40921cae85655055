// SPDX-License-Identifier: MIT
//
// What an operation leaves behind when the machine stops in the middle of it,
// or the disk is full.
//
// Each scenario is run once for every change it makes to the disk. The n-th
// run is killed (SIGKILL, a real process) before its n-th change, or gets
// ENOSPC from there on. Then the layers are opened again, as the next mount
// does, and the tree must be the one from before the operation or the one
// from after it, nothing in between; the lowers must be untouched; and the
// work directory must be swept.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <span>

#include "sys/fault.h"
#include "test/crash/engine.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"

namespace veneer::testing {
namespace {

using overlay::NodeId;

struct Scenario {
  const char* name;
  /// True if it was done.
  bool (*run)(Engine& engine);
  bool dotwh = true;  ///< it can be done in that form, too
  /// What comes before, not part of what is tested.
  bool (*prepare)(Engine& engine) = nullptr;
};

bool ok(const auto& result) { return static_cast<bool>(result); }

NodeId at(Engine& engine, const char* path) {
  const auto id = engine.find(path);
  return id ? *id : NodeId{0};
}

bool write_to(Engine& engine, const char* path, std::string_view text,
              std::uint64_t offset) {
  return ok(
      engine.fs().write(kRoot, at(engine, path), offset,
                        std::as_bytes(std::span(text.data(), text.size()))));
}

bool rename_to(Engine& engine, const char* dir, const char* name,
               const char* new_dir, const char* new_name, unsigned flags = 0) {
  return ok(engine.fs().rename(kRoot, at(engine, dir), name,
                               at(engine, new_dir), new_name, flags));
}

// The lowers have: d/ (a, b hard link of a, sub/x, gone), e/ (empty), f, link,
// secret (set-id), m/ in both; the upper: up, whiteout of d/gone, opaque o.
const Scenario kScenarios[] = {
    {"CreateFile",
     [](Engine& e) {
       return ok(
           e.fs().make(kRoot, at(e, "d/sub"), "new", S_IFREG | 0644, 0, ""));
     }},
    {"CreateFileOverWhiteout",
     [](Engine& e) {
       return ok(e.fs().make(kRoot, at(e, "d"), "gone", S_IFREG | 0640, 0, ""));
     }},
    {"MakeDirOverWhiteout",
     [](Engine& e) {
       return ok(e.fs().make(kRoot, at(e, "d"), "gone", S_IFDIR | 0755, 0, ""));
     }},
    {"MakeDevice",
     [](Engine& e) {
       return ok(e.fs().make(kRoot, at(e, "d"), "null", S_IFCHR | 0666,
                             makedev(1, 3), ""));
     }},
    {"Symlink",
     [](Engine& e) {
       return ok(
           e.fs().make(kRoot, at(e, "d/sub"), "l", S_IFLNK | 0777, 0, "../a"));
     }},
    {"UnlinkLowerFile",
     [](Engine& e) { return ok(e.fs().unlink(kRoot, at(e, ""), "f")); }},
    {"UnlinkCopiedUpFile",
     [](Engine& e) { return ok(e.fs().unlink(kRoot, at(e, ""), "f")); }, true,
     [](Engine& e) { return write_to(e, "f", "X", 0); }},
    {"UnlinkUpperFile",
     [](Engine& e) { return ok(e.fs().unlink(kRoot, at(e, ""), "up")); }},
    {"UnlinkOneOfTwoLowerLinks",
     [](Engine& e) { return ok(e.fs().unlink(kRoot, at(e, "d"), "a")); }},
    {"RemoveLowerDir",
     [](Engine& e) { return ok(e.fs().remove_dir(kRoot, at(e, ""), "e")); }},
    {"WriteToLowerFile",
     [](Engine& e) { return write_to(e, "d/sub/x", "written", 1); }},
    {"WriteToLowerHardLink",
     [](Engine& e) { return write_to(e, "d/b", "both", 0); }, false},
    {"TruncateLowerFile",
     [](Engine& e) {
       return ok(e.fs().set_attr(kRoot, at(e, "f"), SetAttr{.size = 2}));
     }},
    {"EmptyLowerFile",
     [](Engine& e) {
       return ok(e.fs().set_attr(kRoot, at(e, "f"), SetAttr{.size = 0}));
     }},
    {"ChmodLowerFile",
     [](Engine& e) {
       return ok(
           e.fs().set_attr(kRoot, at(e, "d/sub/x"), SetAttr{.mode = 0600}));
     }},
    {"SetXattrOnLowerFile",
     [](Engine& e) {
       return ok(e.fs().set_xattr(kRoot, at(e, "f"), "user.k", "v", 0));
     }},
    {"LinkLowerFile",
     [](Engine& e) {
       return ok(e.fs().link(kRoot, at(e, "f"), at(e, "d"), "f2"));
     }},
    {"RenameLowerFile",
     [](Engine& e) { return rename_to(e, "d/sub", "x", "", "y"); }},
    {"RenameLowerFileOverLowerFile",
     [](Engine& e) { return rename_to(e, "d/sub", "x", "", "f"); }},
    {"RenameLowerFileOverWhiteout",
     [](Engine& e) { return rename_to(e, "", "f", "d", "gone"); }},
    {"RenameUpperFileOverLowerFile",
     [](Engine& e) { return rename_to(e, "", "up", "", "f"); }},
    {"RenameMergedDir",
     [](Engine& e) { return rename_to(e, "", "m", "d", "m2"); }, false},
    {"RenameLowerDirOverEmptyLowerDir",
     [](Engine& e) { return rename_to(e, "", "d", "", "e"); }, false},
    {"RenameUpperDirToNameOfRemovedLowerDir",
     [](Engine& e) { return rename_to(e, "", "o", "d", "gonedir"); }},
    {"ExchangeFiles",
     [](Engine& e) {
       return rename_to(e, "", "f", "d/sub", "x", RENAME_EXCHANGE);
     }},
    {"ExchangeFileAndDir",
     [](Engine& e) { return rename_to(e, "", "f", "", "m", RENAME_EXCHANGE); },
     false},
};

class CrashTest : public ::testing::TestWithParam<std::tuple<Scenario, bool>> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: makes device nodes";
    ASSERT_TRUE(scratch_.is_made());
  }

  bool dotwh() const { return std::get<1>(GetParam()); }
  const Scenario& scenario() const { return std::get<0>(GetParam()); }

  // The same layers, from scratch.
  void reset() {
    for (const char* name : {"lower0", "lower1", "upper", "work"}) {
      std::filesystem::remove_all(scratch_.path(name));
      std::filesystem::create_directory(scratch_.path(name));
      // Whatever this thread's mask is: engines clear it.
      ASSERT_EQ(::chmod(scratch_.path(name).c_str(), 0755), 0);
    }
    build_tree({{"d", Dir().mode(0755)},
                {"d/a", File("linked").mode(0644)},
                {"d/b", HardLink("d/a")},
                {"d/sub", Dir()},
                {"d/sub/x", File("lower x").xattr("user.k", "old")},
                {"d/gone", File("hidden")},
                {"d/gonedir", Dir()},
                {"d/gonedir/old", File("hidden too")},
                {"e", Dir()},
                {"f", File("content of f").mode(04755).owner(3, 4)},
                {"m", Dir()},
                {"m/0", File("m0")}},
               scratch_.path("lower0"));
    build_tree({{"m", Dir()}, {"m/1", File("m1")}, {"link", Symlink("f")}},
               scratch_.path("lower1"));
    lower0_ = read_tree(scratch_.path("lower0"));
    lower1_ = read_tree(scratch_.path("lower1"));
    Engine engine(scratch_.path(), dotwh());
    auto& fs = engine.fs();
    ASSERT_TRUE(fs.make(kRoot, at(engine, ""), "up", S_IFREG | 0600, 0, ""));
    ASSERT_TRUE(fs.make(kRoot, at(engine, ""), "o", S_IFDIR | 0700, 0, ""));
    ASSERT_TRUE(write_to(engine, "up", "upper", 0));
    ASSERT_TRUE(fs.unlink(kRoot, at(engine, "d"), "gone"));
    ASSERT_TRUE(fs.unlink(kRoot, at(engine, "d/gonedir"), "old"));
    ASSERT_TRUE(fs.remove_dir(kRoot, at(engine, "d"), "gonedir"));
    if (scenario().prepare != nullptr) {
      ASSERT_TRUE(scenario().prepare(engine));
    }
  }

  View remounted_view() { return Engine(scratch_.path(), dotwh()).view(); }

  // Runs the scenario in a process of its own that `arm` prepares. Returns its
  // exit status: 0 done, 1 refused; or -1 if it was killed.
  int run_in_child(const std::function<void()>& arm) {
    const pid_t child = ::fork();
    if (child == 0) {
      Engine engine(scratch_.path(), dotwh());
      arm();
      const bool done = scenario().run(engine);
      sys::fault::disarm();
      ::_exit(done ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  void expect_lowers_untouched() {
    EXPECT_EQ(differences(lower0_, read_tree(scratch_.path("lower0"))), "");
    EXPECT_EQ(differences(lower1_, read_tree(scratch_.path("lower1"))), "");
  }

  void expect_swept() {
    for (const auto& entry :
         std::filesystem::directory_iterator(scratch_.path("work/work"))) {
      ADD_FAILURE() << "left in the work directory: " << entry.path();
    }
  }

  ScratchDir scratch_;
  Tree lower0_;
  Tree lower1_;
};

constexpr std::uint64_t kMostChanges = 60;

TEST_P(CrashTest, KilledAtEachChangeLeavesBeforeOrAfter) {
  reset();
  const View before = remounted_view();
  ASSERT_EQ(run_in_child([] {}), 0) << "the scenario itself fails";
  const View after = remounted_view();
  ASSERT_NE(before, after) << "the scenario changes nothing";

  std::uint64_t n = 1;
  for (; n <= kMostChanges; ++n) {
    reset();
    const int status = run_in_child([n] { sys::fault::arm_crash(n); });
    if (status == 0) break;
    ASSERT_EQ(status, -1) << "refused at change " << n;
    const View left = remounted_view();
    if (left != before) {
      EXPECT_EQ(left, after) << "killed before change " << n;
    }
    expect_lowers_untouched();
    expect_swept();
  }
  EXPECT_GT(n, 1U) << "no change was ever seen";
  EXPECT_LE(n, kMostChanges);
}

TEST_P(CrashTest, FullDiskAtEachChangeLeavesBeforeOrAfter) {
  reset();
  const View before = remounted_view();
  ASSERT_EQ(run_in_child([] {}), 0);
  const View after = remounted_view();

  for (std::uint64_t n = 1; n <= kMostChanges; ++n) {
    reset();
    const int status = run_in_child(
        [n] { sys::fault::arm_error(n, ENOSPC, sys::fault::kForever); });
    const View left = remounted_view();
    if (status == 0) {
      EXPECT_EQ(left, after) << "said to be done, change " << n;
    } else {
      ASSERT_EQ(status, 1) << "died at change " << n;
      EXPECT_THAT(left,
                  ::testing::AnyOf(::testing::Eq(before), ::testing::Eq(after)))
          << "ENOSPC from change " << n << " on";
    }
    expect_lowers_untouched();
    if (status == 0 && left == after && n > kMostChanges / 2) break;
  }
}

std::vector<Scenario> all_scenarios() {
  return {std::begin(kScenarios), std::end(kScenarios)};
}

std::vector<Scenario> dotwh_scenarios() {
  std::vector<Scenario> usable = all_scenarios();
  std::erase_if(usable,
                [](const Scenario& scenario) { return !scenario.dotwh; });
  return usable;
}

std::string name_of(
    const ::testing::TestParamInfo<std::tuple<Scenario, bool>>& test) {
  return std::get<0>(test.param).name;
}

using ::testing::Combine;
using ::testing::Values;
using ::testing::ValuesIn;

INSTANTIATE_TEST_SUITE_P(KernelForm, CrashTest,
                         Combine(ValuesIn(all_scenarios()), Values(false)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(DotWhForm, CrashTest,
                         Combine(ValuesIn(dotwh_scenarios()), Values(true)),
                         name_of);

}  // namespace
}  // namespace veneer::testing
