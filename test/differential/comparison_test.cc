// SPDX-License-Identifier: MIT
//
// Tests of the test: the comparison must be silent where nothing differs, and
// loud where anything does. The kernel's overlayfs is compared with a second
// one that, in the loud tests, does not execute one of the calls.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <ostream>

#include "test/differential/generator.h"
#include "test/differential/lockstep.h"
#include "test/differential/minimise.h"
#include "test/differential/sandbox.h"

namespace veneer::testing::differential {
namespace {

Pairing kernel_with_itself() {
  return {.subject = std::make_shared<KernelOverlay>(),
          .reference = std::make_shared<KernelOverlay>(),
          .limit = std::chrono::seconds(60),
          .sabotage = {}};
}

Script script_of(const std::string& text) {
  std::string problem;
  const auto script = parse(text, &problem);
  EXPECT_TRUE(script) << "not understood: " << problem;
  return script.value_or(Script{});
}

class ComparisonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string missing = missing_for_sandbox();
    if (missing.empty()) return;
    const char* ci = std::getenv("CI");
    if (ci != nullptr && std::string(ci) == "true") {
      FAIL() << "cannot run without " << missing;
    }
    GTEST_SKIP() << "needs " << missing;
  }
};

TEST_F(ComparisonTest, KernelAgreesWithItself) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto divergence =
        run_in_lockstep(generate(seed, {}), kernel_with_itself());

    EXPECT_FALSE(divergence)
        << "seed " << seed << ", stage " << divergence->stage << ": "
        << divergence->message;
  }
}

// One call of each kind that leaves a trace, on something prepared for it.
struct Skipped {
  const char* name;
  const char* prepare;
  const char* call;
};

// For googletest, which would print addresses otherwise.
void PrintTo(const Skipped& skipped, std::ostream* out) {
  *out << skipped.name;
}

class SkippedCallTest : public ComparisonTest,
                        public ::testing::WithParamInterface<Skipped> {};

TEST_P(SkippedCallTest, IsNoticed) {
  const std::string layer =
      "raw.0 mkdir path=d mode=0755\n"
      "raw.0 mkdir path=empty mode=0755\n"
      "raw.0 mkfile path=d/f mode=0644 len=9000 seed=7\n"
      "raw.0 setxattr path=d/f name=user.a len=3 seed=1\n";
  const std::string call = GetParam().call;
  const Script script = script_of(layer + GetParam().prepare + call);
  Pairing honest = kernel_with_itself();
  Pairing twin = kernel_with_itself();
  const Op skipped = script_of(call).at(0);
  twin.sabotage = [&skipped](const Op& op) { return op == skipped; };

  EXPECT_FALSE(run_in_lockstep(script, honest));
  EXPECT_TRUE(run_in_lockstep(script, twin));
}

INSTANTIATE_TEST_SUITE_P(
    Calls, SkippedCallTest,
    ::testing::Values(
        Skipped{"Create", "", "main open path=n flags=O_WRONLY|O_CREAT\n"},
        Skipped{"Write", "main open fd=1 path=d/f flags=O_RDWR\n",
                "main write fd=1 off=100 len=1 seed=9\n"},
        Skipped{"MmapWrite", "main open fd=1 path=d/f flags=O_RDWR\n",
                "main mmapwrite fd=1 off=5000 len=1 seed=9\n"},
        Skipped{"Truncate", "", "main truncate path=d/f len=8999\n"},
        Skipped{"Ftruncate", "main open fd=1 path=d/f flags=O_RDWR\n",
                "main ftruncate fd=1 len=9001\n"},
        Skipped{"PunchHole", "main open fd=1 path=d/f flags=O_RDWR\n",
                "main fallocate fd=1 flags=3 off=10 len=10\n"},
        Skipped{"CopyRange",
                "main open fd=1 path=d/f\n"
                "main open fd=2 path=n flags=O_RDWR|O_CREAT mode=0600\n",
                "main copyrange fd=1 fd2=2 len=10\n"},
        Skipped{"Unlink", "", "main unlink path=d/f\n"},
        Skipped{"Rmdir", "", "main rmdir path=empty\n"},
        Skipped{"Mkdir", "", "main mkdir path=n mode=0755\n"},
        Skipped{"RenameFile", "", "main rename path=d/f path2=g\n"},
        Skipped{"RenameDir", "", "main rename path=d path2=e\n"},
        Skipped{"Exchange", "", "main rename path=d path2=empty flags=2\n"},
        Skipped{"Link", "", "main link path=d/f path2=g\n"},
        Skipped{"LinkOfTmpfile",
                "main open fd=1 path=. flags=O_TMPFILE|O_RDWR mode=0600\n",
                "main linkfd fd=1 path2=g\n"},
        Skipped{"Symlink", "", "main symlink path=s path2=d\n"},
        Skipped{"Mknod", "", "main mknod path=p mode=010644\n"},
        Skipped{"Chmod", "", "main chmod path=d/f mode=0600\n"},
        Skipped{"ChmodDir", "", "main chmod path=d mode=0700\n"},
        Skipped{"Chown", "", "main chown path=d/f uid=1 gid=1\n"},
        Skipped{"Utimens", "", "main utimens path=d/f mtime=1 atime=1\n"},
        Skipped{"Setxattr", "",
                "main setxattr path=d/f name=user.b len=1 seed=1\n"},
        Skipped{"EmptyXattr", "", "main setxattr path=d/f name=user.b\n"},
        Skipped{"Removexattr", "", "main removexattr path=d/f name=user.a\n"},
        Skipped{"Setacl", "",
                "main setacl path=d/f name=system.posix_acl_access seed=1\n"},
        Skipped{"DefaultAcl", "",
                "main setacl path=d name=system.posix_acl_default seed=1\n"}),
    [](const auto& given) { return std::string(given.param.name); });

TEST_F(ComparisonTest, ChangedLowerIsNoticed) {
  // A bug that writes below the overlay: the file is reached around it.
  class Scribbler : public KernelOverlay {
   public:
    std::optional<std::string> unmount(const Site& site) const override {
      std::ofstream(site.lowers[0] + "/f") << "overwritten";
      return KernelOverlay::unmount(site);
    }
  };
  Pairing pairing = kernel_with_itself();
  pairing.subject = std::make_shared<Scribbler>();

  const auto divergence = run_in_lockstep(
      script_of("raw.0 mkfile path=f mode=0644 len=11 seed=1\n"), pairing);

  ASSERT_TRUE(divergence);
  EXPECT_TRUE(divergence->stage == "lowers" || divergence->stage == "remount");
}

TEST_F(ComparisonTest, UpperLostAtUnmountIsNoticed) {
  class Forgetful : public KernelOverlay {
   public:
    std::optional<std::string> unmount(const Site& site) const override {
      auto problem = KernelOverlay::unmount(site);
      unlink((site.upper + "/n").c_str());
      return problem;
    }
  };
  Pairing pairing = kernel_with_itself();
  pairing.subject = std::make_shared<Forgetful>();

  const auto divergence =
      run_in_lockstep(script_of("main mkfile path=n mode=0644\n"), pairing);

  ASSERT_TRUE(divergence);
  EXPECT_EQ(divergence->stage, "remount");
}

TEST_F(ComparisonTest, HangIsNoticed) {
  class Sleeper : public KernelOverlay {
   public:
    std::optional<std::string> mount(const Site&) const override {
      while (true) pause();
    }
  };
  Pairing pairing = kernel_with_itself();
  pairing.subject = std::make_shared<Sleeper>();
  pairing.limit = std::chrono::seconds(1);

  const auto divergence = run_in_lockstep({}, pairing);

  ASSERT_TRUE(divergence);
  EXPECT_EQ(divergence->stage, "stuck");
}

TEST_F(ComparisonTest, MinimisedScriptStillFailsAndIsSmall) {
  Pairing twin = kernel_with_itself();
  twin.sabotage = [](const Op& op) { return op.kind == OpKind::kChmod; };
  const auto fails = [&twin](const Script& script) {
    return run_in_lockstep(script, twin).has_value();
  };
  const Script script = generate(3, {});
  ASSERT_TRUE(fails(script));

  const Script small = minimise(script, fails, std::chrono::seconds(20));

  EXPECT_TRUE(fails(small));
  EXPECT_LE(small.size(), 12U) << format(small);
}

TEST(ScriptTest, TextKeepsEveryField) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Script script = generate(seed, {});
    std::string problem;

    const auto again = parse(format(script), &problem);

    ASSERT_TRUE(again) << problem;
    EXPECT_EQ(*again, script);
  }
}

TEST(ScriptTest, UnknownWordsAreRefused) {
  for (const char* line :
       {"main", "elsewhere stat path=a", "main dance path=a",
        "main stat color=red", "main stat fd=99", "raw.9 mkdir path=a",
        "main stat path=%G0", "main open path=a flags=O_NONSENSE"}) {
    std::string problem;
    EXPECT_FALSE(parse(line, &problem)) << line;
    EXPECT_EQ(problem, line);
  }
}

TEST(ScriptTest, BytesSurviveEscaping) {
  for (const std::string& bytes :
       {std::string("\xff\xfe%{}* =\n\0x", 11), std::string(255, 'L'),
        std::string(20, '}'), std::string()}) {
    EXPECT_EQ(unescape(escape(bytes)), bytes);
  }
}

}  // namespace
}  // namespace veneer::testing::differential
