// SPDX-License-Identifier: MIT
//
// A plan with all kinds of steps, stopped in front of each single change that
// it makes to the disk: by death, by a full disk, by a broken one. Done again
// from the first step, the result is the one of an undisturbed run, in every
// attribute.

#include <sys/wait.h>
#include <unistd.h>

#include "sys/fault.h"
#include "test/unit/finalize/apply_scene.h"

namespace veneer::finalize {
namespace {

class ApplyCrashTest : public ApplyScene {
 protected:
  // Steps know inode numbers, so they are those of before the first run.
  virtual void reset() {
    make_scene();
    ASSERT_FALSE(HasFatalFailure());
    steps_ = steps();
  }

  // In the two parts that the journal knows: what is staged is not staged
  // again once it has been placed.
  Result<void> run() {
    if (!exists("staged")) {
      TRY(apply(site(), steps_, Which::kStageSteps, {}));
      const Fd mark(::open(path("staged").c_str(), O_CREAT | O_WRONLY, 0600));
    }
    return apply_rest(steps_);
  }
  void forget_run() { ::unlink(path("staged").c_str()); }

  void find_wanted() {
    reset();
    sys::fault::arm_count();
    const auto done = run();
    changes_ = sys::fault::count();
    sys::fault::disarm();
    ASSERT_TRUE(done) << done.error().message();
    wanted_ = look();
    ASSERT_GT(changes_, steps_.size());
  }

  // Whether two results are one.
  void expect_wanted(const std::string& when) {
    const Look found = look();
    EXPECT_EQ(differences(wanted_.tree, found.tree), "") << when;
    EXPECT_EQ(found.flags, wanted_.flags) << when;
  }

  void kill_at_each_change() {
    find_wanted();
    for (std::uint64_t n = 1; n <= changes_ && !HasFailure(); ++n) {
      forget_run();
      reset();
      const pid_t child = ::fork();
      if (child == 0) {
        sys::fault::arm_crash(n);
        ::_exit(run() ? 0 : 1);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFSIGNALED(status)) << "change " << n;

      const auto done = run();
      ASSERT_TRUE(done) << done.error().message() << ", change " << n;
      expect_wanted("killed before change " + std::to_string(n));
    }
  }

  std::vector<Step> steps_;
  std::uint64_t changes_ = 0;
  Look wanted_;
};

TEST_F(ApplyCrashTest, KilledBeforeEachChangeAndDoneAgain) {
  kill_at_each_change();
}

// And killed a second time, while it is done again.
TEST_F(ApplyCrashTest, KilledTwice) {
  find_wanted();
  for (std::uint64_t n = 5; n <= changes_ && !HasFailure(); n += 5) {
    forget_run();
    reset();
    for (const std::uint64_t at : {n, n / 2 + 1}) {
      const pid_t child = ::fork();
      if (child == 0) {
        sys::fault::arm_crash(at);
        ::_exit(run() ? 0 : 1);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 1)
          << "change " << n;
    }
    const auto done = run();
    ASSERT_TRUE(done) << done.error().message() << ", change " << n;
    expect_wanted("killed before change " + std::to_string(n));
  }
}

class ApplyErrorTest : public ApplyCrashTest,
                       public ::testing::WithParamInterface<int> {};

TEST_P(ApplyErrorTest, FailsAtEachChangeAndIsDoneAgain) {
  find_wanted();
  std::uint64_t failures = 0;
  for (std::uint64_t n = 1; n <= changes_ && !HasFailure(); ++n) {
    forget_run();
    reset();
    sys::fault::arm_error(n, GetParam());
    const auto failed = run();
    sys::fault::disarm();
    if (!failed) {
      ++failures;
      EXPECT_EQ(failed.error().code(), GetParam()) << "change " << n;
      EXPECT_NE(failed.error().subject(), "") << "change " << n;
      const auto done = run();
      ASSERT_TRUE(done) << done.error().message() << ", change " << n;
    }
    // What went on in spite of it had another way to do it.
    expect_wanted("failed at change " + std::to_string(n));
  }
  EXPECT_GT(failures, changes_ / 2);
}

std::string code_name(const ::testing::TestParamInfo<int>& code) {
  return code.param == EIO ? "EIO" : "ENOSPC";
}
INSTANTIATE_TEST_SUITE_P(Codes, ApplyErrorTest, ::testing::Values(ENOSPC, EIO),
                         code_name);

// The base lies over another layer, and says in each of the two forms what of
// it does not show.
class LayeredCrashTest : public ApplyCrashTest,
                         public ::testing::WithParamInterface<bool> {
 protected:
  void reset() override {
    clear();
    ASSERT_FALSE(HasFatalFailure());
    options_.below = {below_.get()};
    options_.mknod_whiteouts = GetParam();
    options_.marks = GetParam() ? layer::XattrNamespace::kTrusted
                                : layer::XattrNamespace::kNone;
    build_tree({{"hidden", File("x")},
                {"d", Dir()},
                {"d/file", File("y")},
                {"was_hidden", Whiteout()},
                {".wh.e", File()},
                {"f", Whiteout()},
                {".wh.g", File()},
                {"old", File("renamed")}},
               path("base"));
    build_tree({{"was_hidden", Dir().mode(0711)},
                {"f", File("f").mode(0640)},
                {"g", File("g")},
                {"data", File("12345").mode(0604)}},
               path("upper"));
    build_tree({{"data", File("below")}}, path("below"));
    for (const char* name : {"base", "upper", "below"}) settle_times(name);
    Step opaque = make("was_hidden");
    opaque.opaque = true;
    Step moved = install("f", "f", true);
    moved.ino = 0;
    steps_ = {stage("data", "data", 9),
              stash("old", 1),
              {.kind = StepKind::kWhiteout, .path = "old"},
              {.kind = StepKind::kWhiteout, .path = "d/file2"},
              place("data", 9),
              place("e", 1),
              moved,
              install("g", "g", false),
              link("f", "linked"),
              stash("hidden", 2),
              {.kind = StepKind::kWhiteout, .path = "hidden"},
              opaque,
              attrs("was_hidden", "was_hidden"),
              {.kind = StepKind::kAttrs,
               .path = "d",
               .metadata = metadata_at("base/d")},
              attrs("", "")};
  }
};

TEST_P(LayeredCrashTest, KilledBeforeEachChangeAndDoneAgain) {
  kill_at_each_change();
  EXPECT_EQ(wanted_.tree.at("data").data, "below");
  EXPECT_EQ(wanted_.tree.has(".wh.hidden"), !GetParam());
  EXPECT_EQ(wanted_.tree.has("was_hidden/.wh..wh..opq"), !GetParam());
  EXPECT_FALSE(wanted_.tree.has(".wh.e"));
  EXPECT_FALSE(wanted_.tree.has(".wh.g"));
}

std::string form_name(const ::testing::TestParamInfo<bool>& form) {
  return form.param ? "Kernel" : "DotWh";
}
INSTANTIATE_TEST_SUITE_P(Forms, LayeredCrashTest, ::testing::Bool(), form_name);

TEST_F(ApplyCrashTest, DoneTwiceIsDoneOnce) {
  find_wanted();
  const auto again = run();
  ASSERT_TRUE(again) << again.error().message();
  expect_wanted("done again");
}

}  // namespace
}  // namespace veneer::finalize
