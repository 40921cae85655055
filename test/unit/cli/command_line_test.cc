// SPDX-License-Identifier: MIT
//
// The program as it is called: help, versions, and wrong usage. Nothing here
// mounts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "session/options.h"
#include "test/support/process.h"
#include "test/support/scratch_dir.h"

namespace veneer::testing {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Finished veneer(std::vector<std::string> arguments) {
  const char* const named = ::getenv("VENEER_BIN");
  arguments.insert(arguments.begin(), named ? named : VENEER_BIN_DEFAULT);
  return run(arguments);
}

// One line that begins as all complaints do and ends with the remedy.
void expect_usage_error(const std::vector<std::string>& arguments,
                        const std::string& what) {
  const Finished end = veneer(arguments);

  EXPECT_EQ(end.status, 2);
  EXPECT_EQ(end.out, "");
  EXPECT_THAT(end.err,
              AllOf(StartsWith("veneer: "), HasSubstr(what), EndsWith(")\n")));
  EXPECT_EQ(std::ranges::count(end.err, '\n'), 1) << end.err;
}

TEST(CommandLine, VersionIsThatOfTheProgramAndOfLibfuse) {
  const Finished end = veneer({"--version"});

  EXPECT_EQ(end.status, 0);
  EXPECT_THAT(end.out, AllOf(StartsWith("veneer "), HasSubstr("\nlibfuse 3.")));
}

TEST(CommandLine, HelpIsPrintedWhereItWasAskedFor) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--help"},
                                             {"mount", "--help"},
                                             {"umount", "-h"},
                                             {"status", "--help"},
                                             {"run", "--help"},
                                             {"diff", "--help"},
                                             {"commit", "--help"},
                                             {"discard", "--help"},
                                             {"preserve", "--help"},
                                             {"recover", "--help"},
                                             {"export", "--help"},
                                             {"layer", "--help"},
                                             {"layer", "build", "--help"},
                                             {"doctor", "--help"}}) {
    const Finished end = veneer(arguments);

    EXPECT_EQ(end.status, 0);
    EXPECT_EQ(end.err, "");
    EXPECT_THAT(end.out, StartsWith("Usage: veneer"));
  }
}

TEST(CommandLine, HelpFitsTheScreenAndTeachesByExample) {
  const std::string help = veneer({"mount", "--help"}).out;

  EXPECT_THAT(help, HasSubstr("\nExamples:\n  veneer mount --lower"));
  EXPECT_THAT(help, EndsWith("\n"));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 80U) << line;
  }
}

TEST(CommandLine, HelpFitsTheScreenForEveryCommand) {
  for (const char* const command :
       {"run", "status", "diff", "commit", "discard", "preserve", "recover",
        "export", "layer"}) {
    std::istringstream lines(veneer({command, "--help"}).out);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 80U) << command << ": " << line;
    }
  }
}

TEST(CommandLine, CommandsAreListedInGroups) {
  const std::string help = veneer({"--help"}).out;

  EXPECT_THAT(help, HasSubstr("\nWorking in an overlay:\n  mount "));
  EXPECT_THAT(help, HasSubstr("\nFinishing a session:\n  diff "));
  EXPECT_THAT(help, HasSubstr("\nLayers:\n  layer "));
  EXPECT_THAT(help, HasSubstr("\nThe machine:\n  doctor "));
}

TEST(CommandLine, HelpOfMountHasEveryOption) {
  const std::string help = veneer({"mount", "--help"}).out;

  for (const session::OptionSpec& option : session::option_table()) {
    if (!option.flag.empty()) {
      EXPECT_THAT(help, HasSubstr("  --" + std::string(option.flag)));
    }
    EXPECT_THAT(help, HasSubstr(std::string(option.word)));
  }
}

TEST(CommandLine, WithoutACommandTheHelpIsAComplaint) {
  const Finished end = veneer({});

  EXPECT_EQ(end.status, 2);
  EXPECT_EQ(end.out, "");
  EXPECT_THAT(end.err, StartsWith("Usage: veneer"));
}

TEST(CommandLine, UnknownWordsAreNamedWithTheNearest) {
  expect_usage_error({"moutn"},
                     "unknown command 'moutn' (did you mean 'mount'");
  expect_usage_error({"mount", "--lowr", "a"},
                     "'--lowr' (did you mean '--lower'");
  expect_usage_error({"mount", "--lowr=a"}, "'--lowr' (did you mean '--lower'");
  expect_usage_error({"frobnicate"}, "unknown command 'frobnicate'");
  expect_usage_error({"status", "--yaml", "m"}, "unknown option '--yaml'");
  expect_usage_error({"layer", "biuld"},
                     "unknown command 'biuld' (did you mean 'build'");
  expect_usage_error({"layer", "ls", "--lnog", "x"},
                     "'--lnog' (did you mean '--long'");
  expect_usage_error({"mount", "--lower", "a", "-o", "lowrdir=b"},
                     "'lowrdir' after -o (did you mean 'lowerdir'");
}

TEST(CommandLine, MissingAndSuperfluousArgumentsAreNamed) {
  expect_usage_error({"umount"}, "MOUNTPOINT is required");
  expect_usage_error({"umount", "a", "b"}, "'b' is one too many");
  expect_usage_error({"layer", "cat", "a", "b", "c"}, "'c' is one too many");
  expect_usage_error({"mount"}, "no lower directory");
  expect_usage_error({"mount", "m"}, "no lower directory");
  expect_usage_error({"mount", "--lower"}, "--lower");
  expect_usage_error({"mount", "--lower", "a", "m", "n"},
                     "'n' is one too many");
}

TEST(CommandLine, ValuesOutsideTheirRangeAreNamed) {
  expect_usage_error({"mount", "--lower", "a", "--fsync", "maybe"},
                     "--fsync must be auto or strict or volatile, not 'maybe'");
  expect_usage_error({"mount", "--lower", "a", "--threads", "0"},
                     "--threads must be a number from 1 to 1024, not '0'");
  expect_usage_error({"mount", "--lower", "a", "--timeout", "soon"},
                     "--timeout must be a number");
  expect_usage_error({"mount", "--lower", ""}, "--lower must not");
  expect_usage_error({"mount", "--lower", "a", "-o", "timeout=x"},
                     "timeout must be a number");
}

TEST(CommandLine, PathsOnTheCommandLineAreTakenLiterally) {
  const Finished end = veneer({"mount", "--lower", R"(/no\where:at,all)"});

  EXPECT_EQ(end.status, 1);
  EXPECT_THAT(end.err, HasSubstr(R"(/no\where:at,all does not exist)"));
}

TEST(Doctor, GivesARemedyForWhateverIsMissing) {
  const Finished end = veneer({"doctor", "--json"});
  const auto report = nlohmann::json::parse(end.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << end.out;

  bool something_fails = false;
  for (const auto& finding : report["findings"]) {
    const bool good = finding["standing"] == "good";
    EXPECT_EQ(finding["remedy"] == "", good) << finding;
    EXPECT_NE(finding["detail"], "") << finding;
    something_fails |= finding["standing"] == "missing";
  }
  EXPECT_EQ(end.status, something_fails ? 1 : 0);
}

TEST(Doctor, LooksAtWhatAMountDependsOn) {
  const auto report =
      nlohmann::json::parse(veneer({"doctor", "--json"}).out, nullptr, false);

  for (const char* const key :
       {"kernel", "fuse_device", "libfuse", "io_uring", "passthrough",
        "fusermount3", "user_allow_other", "mount_helper", "open_files",
        "user_namespaces", "overlayfs", "upper", "xattrs", "mknod_whiteout",
        "rename_whiteout", "rename_exchange", "tmpfile", "file_handles",
        "reflink"}) {
    EXPECT_TRUE(std::ranges::any_of(report["findings"], [&](const auto& f) {
      return f["key"] == key;
    })) << key;
  }
}

TEST(Doctor, NamesADirectoryThatCannotBeTried) {
  const Finished end = veneer({"doctor", "/nowhere/at/all"});

  EXPECT_EQ(end.status, 1);
  EXPECT_THAT(end.out, HasSubstr("!!  Upper in /nowhere/at/all"));
}

TEST(Doctor, LeavesNothingBehind) {
  const ScratchDir dir;
  ASSERT_TRUE(dir.is_made());

  veneer({"doctor", dir.path()});

  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

}  // namespace
}  // namespace veneer::testing
