// SPDX-License-Identifier: MIT
//
// renameat2(2) with RENAME_EXCHANGE: two names swap what they name, whatever
// kind and layer each is of.

#include <cstdio>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class ExchangeTest : public OverlayTest {
 protected:
  void expect_here_and_after_remount(const Tree& tree) {
    EXPECT_THAT(merged(), TreeIs(tree));
    remount();
    EXPECT_THAT(merged(), TreeIs(tree));
  }
};

// Row 13
TEST_P(ExchangeTest, TwoLowerFilesSwap) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}}, .upper = {}});

  EXPECT_THAT(rename("a", "b", RENAME_EXCHANGE), Succeeds());

  expect_here_and_after_remount({{"a", File("2")}, {"b", File("1")}});
}

// Row 13
TEST_P(ExchangeTest, UpperFileAndLowerFileSwap) {
  mount({.lower = {{{"a", File("1")}}}, .upper = {{"b", File("2")}}});

  EXPECT_THAT(rename("b", "a", RENAME_EXCHANGE), Succeeds());

  expect_here_and_after_remount({{"a", File("2")}, {"b", File("1")}});
}

// Row 13
TEST_P(ExchangeTest, TwoLowerDirectoriesSwap) {
  mount({.lower = {{{"a", Dir()},
                    {"a/1", File("1")},
                    {"b", Dir()},
                    {"b/2", File("2")}}},
         .upper = {}});

  EXPECT_THAT(rename("a", "b", RENAME_EXCHANGE), Succeeds());

  expect_here_and_after_remount(
      {{"a", Dir()}, {"a/2", File("2")}, {"b", Dir()}, {"b/1", File("1")}});
}

// Row 13
TEST_P(ExchangeTest, LowerFileAndLowerDirectorySwap) {
  mount({.lower = {{{"f", File("1")}, {"d", Dir()}, {"d/x", File("2")}}},
         .upper = {}});

  EXPECT_THAT(rename("f", "d", RENAME_EXCHANGE), Succeeds());

  expect_here_and_after_remount(
      {{"d", File("1")}, {"f", Dir()}, {"f/x", File("2")}});
}

// Row 13
TEST_P(ExchangeTest, DirectoriesOfDifferentParentsSwap) {
  mount({.lower = {{{"p", Dir()},
                    {"p/a", Dir()},
                    {"p/a/1", File("1")},
                    {"q", Dir()},
                    {"q/b", Dir()},
                    {"q/b/2", File("2")}}},
         .upper = {}});

  EXPECT_THAT(rename("p/a", "q/b", RENAME_EXCHANGE), Succeeds());

  expect_here_and_after_remount({{"p", Dir()},
                                 {"p/a", Dir()},
                                 {"p/a/2", File("2")},
                                 {"q", Dir()},
                                 {"q/b", Dir()},
                                 {"q/b/1", File("1")}});
}

// Row 13
TEST_P(ExchangeTest, UpperDirectoryAndLowerDirectorySwapWithoutMixing) {
  mount({.lower = {{{"low", Dir()}, {"low/1", File("1")}}},
         .upper = {{"up", Dir()}, {"up/2", File("2")}}});

  EXPECT_THAT(rename("up", "low", RENAME_EXCHANGE), Succeeds());

  expect_here_and_after_remount({{"low", Dir()},
                                 {"low/2", File("2")},
                                 {"up", Dir()},
                                 {"up/1", File("1")}});
}

TEST_P(ExchangeTest, SymlinkAndFileSwap) {
  mount({.lower = {{{"s", Symlink("x")}, {"f", File("1")}}}, .upper = {}});

  EXPECT_THAT(rename("s", "f", RENAME_EXCHANGE), Succeeds());

  expect_here_and_after_remount({{"f", Symlink("x")}, {"s", File("1")}});
}

TEST_P(ExchangeTest, MissingTargetFails) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}}, .upper = {}});
  ASSERT_THAT(unlink("b"), Succeeds());

  EXPECT_THAT(rename("a", "b", RENAME_EXCHANGE), FailsWith(ENOENT));
  EXPECT_THAT(rename("none", "a", RENAME_EXCHANGE), FailsWith(ENOENT));
}

TEST_P(ExchangeTest, ADirectoryAndItsOwnChildFail) {
  mount({.lower = {{{"d", Dir()}, {"d/c", Dir()}}}, .upper = {}});

  EXPECT_THAT(rename("d", "d/c", RENAME_EXCHANGE), FailsWith(EINVAL));
  EXPECT_THAT(rename("d/c", "d", RENAME_EXCHANGE), FailsWith(EINVAL));
}

TEST_P(ExchangeTest, TogetherWithNoReplaceIsInvalid) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}}, .upper = {}});

  EXPECT_THAT(rename("a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE),
              FailsWith(EINVAL));
}

VENEER_ON_EVERY_TARGET(ExchangeTest);

}  // namespace
}  // namespace veneer::testing
