// SPDX-License-Identifier: MIT
//
// rename(2) of what is not a directory. The source leaves a whiteout when a
// layer below still has its name; the target replaces whatever shows there.

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class RenameTest : public OverlayTest {};

TEST_P(RenameTest, LowerFileMovesAndLeavesAWhiteout) {
  mount({.lower = {{{"a", File("x").mode(0600).owner(1, 2).mtime(5, 6)}}},
         .upper = {}});

  EXPECT_THAT(rename("a", "b"), Succeeds());

  const Tree after = {{"b", File("x").mode(0600).owner(1, 2).mtime(5, 6)}};
  EXPECT_THAT(merged(), TreeIs(after));
  EXPECT_TRUE(upper().has("a"));
  EXPECT_EQ(upper().at("a").kind, Kind::kWhiteout);
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

TEST_P(RenameTest, FileOnlyInUpperLeavesNothing) {
  mount({.lower = {{}}, .upper = {{"a", File("x")}}});

  EXPECT_THAT(rename("a", "b"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{{"b", File("x")}}));
}

TEST_P(RenameTest, TargetInLowerIsReplaced) {
  mount({.lower = {{{"a", File("new")}, {"b", File("old")}}}, .upper = {}});

  EXPECT_THAT(rename("a", "b"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("new")}}));
  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("new")}}));
}

TEST_P(RenameTest, UpperFileReplacesLowerFile) {
  mount({.lower = {{{"b", File("old")}}}, .upper = {{"a", File("new")}}});

  EXPECT_THAT(rename("a", "b"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{{"b", File("new")}}));
}

TEST_P(RenameTest, BetweenDirectories) {
  mount({.lower = {{{"x", Dir()}, {"x/f", File("1")}, {"y", Dir()}}},
         .upper = {}});

  EXPECT_THAT(rename("x/f", "y/g"), Succeeds());

  const Tree after = {{"x", Dir()}, {"y", Dir()}, {"y/g", File("1")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

TEST_P(RenameTest, ThereAndBackShowsTheFileAgain) {
  mount({.lower = {{{"a", File("x")}}}, .upper = {}});

  EXPECT_THAT(rename("a", "b"), Succeeds());
  EXPECT_THAT(rename("b", "a"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("x")}}));
  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("x")}}));
}

TEST_P(RenameTest, OntoAWhiteoutLeavesNoTraceOfIt) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}}, .upper = {}});
  ASSERT_THAT(unlink("b"), Succeeds());

  EXPECT_THAT(rename("a", "b"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("1")}}));
}

TEST_P(RenameTest, OntoItselfDoesNothing) {
  mount({.lower = {{{"a", File("1")}}}, .upper = {}});

  EXPECT_THAT(rename("a", "a"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("1")}}));
}

TEST_P(RenameTest, OntoAHardLinkOfTheSameFileKeepsBothNames) {
  mount({.lower = {{{"a", File("1")}, {"b", HardLink("a")}}}, .upper = {}});

  EXPECT_THAT(rename("a", "b"), Succeeds());

  EXPECT_THAT(list(), ::testing::ElementsAre("a", "b"));
  EXPECT_EQ(lstat("a").st_ino, lstat("b").st_ino);
}

TEST_P(RenameTest, LowerSymlinkMovesAsALink) {
  mount({.lower = {{{"to", Symlink("/nowhere/at/all")}, {"d", Dir()}}},
         .upper = {}});

  EXPECT_THAT(rename("to", "d/moved"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()},
                                    {"d/moved", Symlink("/nowhere/at/all")}}));
}

TEST_P(RenameTest, LowerSymlinkToADirectoryMovesAsALink) {
  mount({.lower = {{{"to", Symlink("d")}, {"d", Dir()}, {"d/f", File("x")}}},
         .upper = {}});

  EXPECT_THAT(rename("to", "moved"), Succeeds());

  EXPECT_THAT(
      merged(),
      TreeIs(Tree{{"d", Dir()}, {"d/f", File("x")}, {"moved", Symlink("d")}}));
}

TEST_P(RenameTest, FileOntoADirectoryFails) {
  mount({.lower = {{{"f", File("x")}, {"d", Dir()}}}, .upper = {}});

  EXPECT_THAT(rename("f", "d"), FailsWith(EISDIR));
  EXPECT_THAT(rename("d", "f"), FailsWith(ENOTDIR));
  EXPECT_THAT(rename("none", "x"), FailsWith(ENOENT));
  EXPECT_THAT(rename("f", "none/x"), FailsWith(ENOENT));
}

// Row 12
TEST_P(RenameTest, NoReplaceRefusesAnExistingTarget) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}},
         .upper = {{"c", File("3")}}});

  EXPECT_THAT(rename("a", "b", RENAME_NOREPLACE), FailsWith(EEXIST));
  EXPECT_THAT(rename("a", "c", RENAME_NOREPLACE), FailsWith(EEXIST));
  EXPECT_THAT(rename("a", "d", RENAME_NOREPLACE), Succeeds());

  EXPECT_THAT(
      merged(),
      TreeIs(Tree{{"b", File("2")}, {"c", File("3")}, {"d", File("1")}}));
}

// Row 12
TEST_P(RenameTest, NoReplaceTakesANameThatWasRemoved) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}}, .upper = {}});
  ASSERT_THAT(unlink("b"), Succeeds());

  EXPECT_THAT(rename("a", "b", RENAME_NOREPLACE), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("1")}}));
}

// Row 14
TEST_P(RenameTest, WhiteoutFlagIsRefused) {
  mount({.lower = {{{"a", File("1")}}}, .upper = {}});

  EXPECT_THAT(rename("a", "b", RENAME_WHITEOUT), FailsWith(EINVAL));

  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("1")}}));
}

// Row 39
TEST_P(RenameTest, OpenDescriptorFollowsTheFile) {
  mount({.lower = {{{"a", File("hello")}}}, .upper = {}});
  const Fd fd = open("a", O_RDWR);

  EXPECT_THAT(rename("a", "b"), Succeeds());

  EXPECT_THAT(::pwrite(fd.get(), "J", 1, 0), SyscallReturns(1));
  EXPECT_THAT(::ftruncate(fd.get(), 4), Succeeds());
  EXPECT_THAT(::fchmod(fd.get(), 0600), Succeeds());
  EXPECT_THAT(::fallocate(fd.get(), 0, 0, 8), Succeeds());
  EXPECT_EQ(read_file("b"), std::string("Jell\0\0\0\0", 8));
  EXPECT_EQ(lstat("b").st_mode & 07777U, 0600U);
  EXPECT_THAT(list(), ::testing::ElementsAre("b"));
}

// Row 39
TEST_P(RenameTest, ReaderOpenedBeforeSeesWritesAfterTheRename) {
  mount({.lower = {{{"a", File("hello")}}}, .upper = {}});
  const Fd fd = open("a");

  EXPECT_THAT(rename("a", "b"), Succeeds());
  EXPECT_THAT(write_file("b", "other"), Succeeds());

  EXPECT_EQ(pread_all(fd), "other");
}

// Row 51
TEST_P(RenameTest, SourceAndTargetAreNeverBothMissing) {
  mount({.lower = {{{"a", File("x")}}}, .upper = {}});
  std::atomic<int> begun = 0;
  std::atomic<int> done = 0;
  std::atomic<bool> stop = false;
  std::atomic<int> looks = 0;
  std::atomic<int> missed = 0;
  std::thread watcher([&] {
    while (!stop) {
      const int before = done;
      const bool seen = exists("a") || exists("b") || exists("a");
      // Two renames during one look can hide the file from it, one cannot.
      if (begun - before > 1) continue;
      ++looks;
      if (!seen) ++missed;
    }
  });

  // On a busy machine the watcher may be slow to get a turn.
  for (int i = 0; i < 500 || (looks < 10 && i < 50'000); ++i) {
    for (const auto& [from, to] : {std::pair("a", "b"), std::pair("b", "a")}) {
      ++begun;
      EXPECT_THAT(rename(from, to), Succeeds());
      ++done;
    }
  }
  stop = true;
  watcher.join();

  EXPECT_GT(looks, 0);
  EXPECT_EQ(missed, 0);
}

VENEER_ON_EVERY_TARGET(RenameTest);

}  // namespace
}  // namespace veneer::testing
