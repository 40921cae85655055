// SPDX-License-Identifier: MIT
//
// veneer commit: the base becomes what the user saw, and what Veneer made for
// the session is gone.

#include <gmock/gmock.h>

#include <sstream>

#include "test/finish/session_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kChanges[] =
    "echo world >> etc/motd; chmod 4711 run; echo n > new; ln new other; "
    "mv old older; rm etc/hosts; mkdir etc/hosts; ln -s nowhere dangling; "
    "mkfifo fifo; touch -d @1000000000.123456789 etc";

class CommitCommandTest : public SessionTest,
                          public ::testing::WithParamInterface<bool> {
 protected:
  [[nodiscard]] static bool is_atomic() { return GetParam(); }
  Finished commit(std::vector<std::string> options = {}) const {
    std::vector<std::string> arguments = {"commit"};
    if (is_atomic()) arguments.emplace_back("--atomic");
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.push_back(upper());
    return veneer(arguments);
  }
};

TEST_P(CommitCommandTest, BaseBecomesWhatWasSeenAndTheRestGoes) {
  ASSERT_NO_FATAL_FAILURE(session(kChanges));

  const Finished end = commit();

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(read_tree(base()), TreeIs(seen()));
  EXPECT_THAT(list(""), ElementsAre("base"));
  EXPECT_THAT(end.out, HasSubstr(base() + ": "));
}

TEST_P(CommitCommandTest, WhatWasImmutableInTheBaseGoes) {
  make_dir("base/kept");
  write("base/kept/file", "text");
  if (run({"chattr", "+i", path("base/kept/file"), path("base/kept")}).status !=
      0) {
    GTEST_SKIP() << "no file here can be immutable";
  }
  ASSERT_NO_FATAL_FAILURE(
      session("chattr -i kept kept/file && rm -r kept; echo new > new"));

  const Finished end = commit();

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(read_tree(base()), TreeIs(seen()));
  EXPECT_THAT(list(""), ElementsAre("base"));
}

TEST_P(CommitCommandTest, ImmutableBaseIsRefusedWithTheRemedy) {
  ASSERT_NO_FATAL_FAILURE(session("echo new > new"));
  if (run({"chattr", "+i", base()}).status != 0) {
    GTEST_SKIP() << "no directory here can be immutable";
  }

  const Finished end = commit();

  EXPECT_EQ(run({"chattr", "-i", base()}).status, 0);
  EXPECT_TRUE(is_refused(end, base() + " is immutable"));
  EXPECT_EQ(commit().status, 0);
}

TEST_P(CommitCommandTest, DirectoriesThatWereThereStayEmpty) {
  make_dir("u");
  make_dir("w");
  make_dir("m");
  ASSERT_EQ(veneer({"mount", "--lower", base(), "--upper", path("u"), "--work",
                    path("w"), path("m")})
                .status,
            0);
  write("m/new", "text");
  ASSERT_EQ(veneer({"umount", path("m")}).status, 0);

  std::vector<std::string> arguments = {"commit", path("u")};
  if (is_atomic()) arguments.emplace_back("--atomic");
  const Finished end = veneer(arguments);

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_EQ(read("base/new"), "text");
  EXPECT_THAT(list("u"), ElementsAre());
  EXPECT_THAT(list("w"), ElementsAre());
  EXPECT_TRUE(exists("m"));
}

TEST_P(CommitCommandTest, DryRunSaysWhatItWouldDoAndDoesNothing) {
  ASSERT_NO_FATAL_FAILURE(session(kChanges));
  const Tree base_before = read_tree(base());
  const Tree upper_before = read_tree(upper());

  const Finished end = commit({"--dry-run"});

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(end.out, HasSubstr("M  etc/motd\n"));
  EXPECT_THAT(end.out, HasSubstr("would go to " + base()));
  EXPECT_THAT(read_tree(base()), TreeIs(base_before));
  EXPECT_THAT(read_tree(upper()), TreeIs(upper_before));
}

TEST_P(CommitCommandTest, WhatIsNotIncludedStaysInTheUpper) {
  ASSERT_NO_FATAL_FAILURE(
      session("echo 1 > a.c; echo 2 > a.o; echo 3 > b.c; echo 4 > etc/d.c"));

  const Finished end =
      commit({"--include", "**.c", "--exclude", "b.*", "--json"});

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_TRUE(exists("base/a.c") && exists("base/etc/d.c"));
  EXPECT_FALSE(exists("base/a.o") || exists("base/b.c"));
  const auto report = nlohmann::json::parse(end.out, nullptr, false);
  EXPECT_EQ(report["left"].size(), 2U) << end.out;
  EXPECT_THAT(veneer({"diff", upper()}).out, HasSubstr("A  a.o\nA  b.c\n"));
  // And the rest another day.
  EXPECT_EQ(commit().status, 0);
  EXPECT_TRUE(exists("base/a.o") && exists("base/b.c"));
  EXPECT_FALSE(exists("base.upper"));
}

TEST_P(CommitCommandTest, JsonReportsWhatWasDone) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new; rm run"));

  const Finished end = commit({"--json"});

  ASSERT_EQ(end.status, 0) << end.err;
  const auto report = nlohmann::json::parse(end.out, nullptr, false);
  EXPECT_EQ(report["session"], upper());
  EXPECT_EQ(report["base"], base());
  EXPECT_EQ(report["action"], is_atomic() ? "commit-atomic" : "commit");
  EXPECT_EQ(report["dry_run"], false);
  EXPECT_EQ(report["changes"].size(), 2U);
  EXPECT_EQ(report["summary"]["added"], 1);
  EXPECT_EQ(report["recovered"], "nothing");
}

TEST_P(CommitCommandTest, ProgressIsALineOfJsonForPrograms) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));

  const Finished end = commit({"--progress", "json"});

  ASSERT_EQ(end.status, 0) << end.err;
  std::istringstream lines(end.err);
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) {
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    ASSERT_TRUE(parsed.is_object()) << line;
    EXPECT_TRUE(parsed["stage"].is_string());
    EXPECT_TRUE(parsed["done"].is_number());
    EXPECT_TRUE(parsed["total"].is_number());
    ++count;
  }
  EXPECT_GT(count, 0);
}

TEST_P(CommitCommandTest, SaysNothingOnStandardErrorOtherwise) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));

  EXPECT_EQ(commit().err, "");
}

TEST_P(CommitCommandTest, ConflictIsRefusedUntilForced) {
  ASSERT_NO_FATAL_FAILURE(session("echo ours > etc/motd; echo n > new"));
  write("base/etc/motd", "somebody else's");

  EXPECT_TRUE(is_refused(commit(), "etc/motd"));
  EXPECT_EQ(read("base/etc/motd"), "somebody else's");
  EXPECT_FALSE(exists("base/new")) << "nothing is done";

  EXPECT_EQ(commit({"--force-conflicts"}).status, 0);
  EXPECT_EQ(read("base/etc/motd"), "ours\n");
}

TEST_P(CommitCommandTest, MountedSessionIsRefused) {
  ASSERT_NO_FATAL_FAILURE(mount());
  ASSERT_NO_FATAL_FAILURE(change("echo n > new"));

  EXPECT_TRUE(is_refused(commit(), "veneer umount " + m()));

  EXPECT_FALSE(exists("base/new"));
}

TEST_P(CommitCommandTest, BaseThatIsGoneIsNamed) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));
  ASSERT_EQ(run({"mv", base(), path("away")}).status, 0);

  EXPECT_TRUE(is_refused(commit(), base()));

  EXPECT_TRUE(exists("base.upper/new"));
}

TEST_P(CommitCommandTest, BaseUnderAnotherOverlayIsRefused) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));
  ASSERT_EQ(
      veneer({"mount", "--lower", base(), "--upper", make_dir("u"), base()})
          .status,
      0);

  EXPECT_TRUE(is_refused(commit(), "veneer umount " + base()));

  ASSERT_EQ(veneer({"umount", base()}).status, 0);
  EXPECT_FALSE(exists("base/new") || exists("u/new"));
}

TEST_P(CommitCommandTest, SeveralLowersGoIntoTheTopmost) {
  build_tree({{"etc", Dir()}, {"etc/motd", File("below\n")}, {"x", File("x")}},
             make_dir("below"));
  const Tree below = read_tree(path("below"));
  ASSERT_EQ(veneer({"mount", "--lower", base(), "--lower", path("below"),
                    "--upper", make_dir("base.upper"), make_dir("m")})
                .status,
            0);
  write("m/x", "changed");
  ASSERT_EQ(veneer({"umount", path("m")}).status, 0);

  const Finished end = commit();

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_EQ(read("base/x"), "changed");
  EXPECT_THAT(read_tree(path("below")), TreeIs(below));
  EXPECT_THAT(end.out, HasSubstr("topmost of 2"));
}

TEST_P(CommitCommandTest, NextSessionStartsFromTheNewBase) {
  ASSERT_NO_FATAL_FAILURE(session("echo one > etc/motd"));
  ASSERT_EQ(commit().status, 0);
  ASSERT_NO_FATAL_FAILURE(session("echo two >> etc/motd"));

  const Finished end = commit();

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_EQ(read("base/etc/motd"), "one\ntwo\n");
}

INSTANTIATE_TEST_SUITE_P(, CommitCommandTest, ::testing::Bool(),
                         [](const auto& instance) {
                           return instance.param ? "atomic" : "in_place";
                         });

}  // namespace
}  // namespace veneer::testing
