// SPDX-License-Identifier: MIT
//
// rename(2) of directories: those of the layers below move too, by a redirect
// in the upper, without copying what is in them and without EXDEV.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class RenameDirTest : public OverlayTest {};

// Row 8
TEST_P(RenameDirTest, LowerDirectoryMovesWithItsContent) {
  mount({.lower = {{{"d", Dir().mode(0711).owner(1, 2)},
                    {"d/f", File("x")},
                    {"d/sub", Dir()},
                    {"d/sub/g", File("y")}}},
         .upper = {}});

  EXPECT_THAT(rename("d", "e"), Succeeds());

  const Tree after = {{"e", Dir().mode(0711).owner(1, 2)},
                      {"e/f", File("x")},
                      {"e/sub", Dir()},
                      {"e/sub/g", File("y")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

// Row 8
TEST_P(RenameDirTest, LowerDirectoryIsNotCopied) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("x")}}}, .upper = {}});

  EXPECT_THAT(rename("d", "e"), Succeeds());

  // The kernel writes the short form of the redirect, we the absolute one.
  const Tree after = upper();
  EXPECT_THAT(after, TreeIs(Tree{{"d", Whiteout()}, {"e", Dir()}}));
  EXPECT_THAT(after.at("e").xattrs.at("trusted.overlay.redirect"),
              ::testing::AnyOf("d", "/d"));
}

// Row 8
TEST_P(RenameDirTest, ToAnotherParentWritesAnAbsoluteRedirect) {
  mount(
      {.lower =
           {{{"a", Dir()}, {"a/d", Dir()}, {"a/d/f", File("x")}, {"b", Dir()}}},
       .upper = {}});

  EXPECT_THAT(rename("a/d", "b/e"), Succeeds());

  EXPECT_EQ(upper().at("b/e").xattrs.at("trusted.overlay.redirect"), "/a/d");
  const Tree after = {
      {"a", Dir()}, {"b", Dir()}, {"b/e", Dir()}, {"b/e/f", File("x")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

// Row 9
TEST_P(RenameDirTest, MergedDirectoryMovesWithBothParts) {
  mount({.lower = {{{"d", Dir()}, {"d/low", File("1")}, {"d/gone", File("2")}}},
         .upper = {{"d", Dir()}, {"d/up", File("3")}, {"d/gone", Whiteout()}}});

  EXPECT_THAT(rename("d", "e"), Succeeds());

  const Tree after = {{"e", Dir()}, {"e/low", File("1")}, {"e/up", File("3")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

// Row 9
TEST_P(RenameDirTest, DirectoryOfThreeLayersMovesTwiceAndBack) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}},
                   {{"d", Dir()}, {"d/b", File("2")}},
                   {{"d", Dir()}, {"d/c", File("3")}}},
         .upper = {}});

  EXPECT_THAT(rename("d", "e"), Succeeds());
  EXPECT_THAT(rename("e", "f"), Succeeds());
  const Tree at_f = {
      {"f", Dir()}, {"f/a", File("1")}, {"f/b", File("2")}, {"f/c", File("3")}};
  EXPECT_THAT(merged(), TreeIs(at_f));
  EXPECT_THAT(rename("f", "d"), Succeeds());

  const Tree after = {
      {"d", Dir()}, {"d/a", File("1")}, {"d/b", File("2")}, {"d/c", File("3")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

TEST_P(RenameDirTest, ParentAndChildBothMove) {
  mount({.lower = {{{"p", Dir()}, {"p/c", Dir()}, {"p/c/f", File("x")}}},
         .upper = {}});

  EXPECT_THAT(rename("p/c", "p/k"), Succeeds());
  EXPECT_THAT(rename("p", "q"), Succeeds());
  EXPECT_THAT(append("q/k/f", "!"), Succeeds());

  const Tree after = {{"q", Dir()}, {"q/k", Dir()}, {"q/k/f", File("x!")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

TEST_P(RenameDirTest, ChildMovesOutOfAMovedParent) {
  mount({.lower = {{{"p", Dir()}, {"p/c", Dir()}, {"p/c/f", File("x")}}},
         .upper = {}});

  EXPECT_THAT(rename("p", "q"), Succeeds());
  EXPECT_THAT(rename("q/c", "c"), Succeeds());

  const Tree after = {{"c", Dir()}, {"c/f", File("x")}, {"q", Dir()}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

// Row 10
TEST_P(RenameDirTest, UpperDirectoryOntoARemovedLowerNameStaysAsItWas) {
  mount({.lower = {{{"d", Dir()}, {"d/old", File("x")}}},
         .upper = {{"n", Dir()}, {"n/new", File("y")}}});
  ASSERT_THAT(unlink("d/old"), Succeeds());
  ASSERT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(rename("n", "d"), Succeeds());

  const Tree after = {{"d", Dir()}, {"d/new", File("y")}};
  EXPECT_THAT(merged(), TreeIs(after));
  EXPECT_THAT(lstat_status("d/old"), FailsWith(ENOENT));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

// Row 10
TEST_P(RenameDirTest, UpperDirectoryOntoAnEmptyLowerDirectory) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {{"n", Dir()}, {"n/f", File()}}});

  EXPECT_THAT(rename("n", "d"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}, {"d/f", File()}}));
  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}, {"d/f", File()}}));
}

// Row 11
TEST_P(RenameDirTest, OntoANonEmptyLowerDirectoryFails) {
  mount({.lower = {{{"a", Dir()}, {"b", Dir()}, {"b/f", File("x")}}},
         .upper = {{"c", Dir()}}});

  EXPECT_THAT(rename("a", "b"), FailsWith(ENOTEMPTY));
  EXPECT_THAT(rename("c", "b"), FailsWith(ENOTEMPTY));
}

// Row 11
TEST_P(RenameDirTest, OntoAnEmptiedDirectorySucceeds) {
  mount({.lower = {{{"a", Dir()},
                    {"a/mine", File("1")},
                    {"b", Dir()},
                    {"b/f", File("x")}}},
         .upper = {}});
  ASSERT_THAT(unlink("b/f"), Succeeds());

  EXPECT_THAT(rename("a", "b"), Succeeds());

  const Tree after = {{"b", Dir()}, {"b/mine", File("1")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

TEST_P(RenameDirTest, IntoItselfFails) {
  mount({.lower = {{{"d", Dir()}, {"d/s", Dir()}}}, .upper = {}});

  EXPECT_THAT(rename("d", "d/s/d"), FailsWith(EINVAL));
  EXPECT_THAT(rename("d/s", "d"), FailsWith(ENOTEMPTY));
}

TEST_P(RenameDirTest, NewDirectoryAtTheOldNameIsEmpty) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("x")}}}, .upper = {}});

  EXPECT_THAT(rename("d", "e"), Succeeds());
  EXPECT_THAT(mkdir("d"), Succeeds());

  const Tree after = {{"d", Dir()}, {"e", Dir()}, {"e/f", File("x")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

TEST_P(RenameDirTest, FilesOfAMovedDirectoryCanBeChangedAndRemoved) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}, {"d/b", File("2")}}},
         .upper = {}});
  ASSERT_THAT(rename("d", "e"), Succeeds());

  EXPECT_THAT(append("e/a", "+"), Succeeds());
  EXPECT_THAT(unlink("e/b"), Succeeds());

  const Tree after = {{"e", Dir()}, {"e/a", File("1+")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
  EXPECT_THAT(unlink("e/a"), Succeeds());
  EXPECT_THAT(rmdir("e"), Succeeds());
  EXPECT_THAT(merged(), TreeIs(Tree{}));
}

// Row 40
TEST_P(RenameDirTest, DescriptorOfTheDirectoryFollowsIt) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("x")}, {"p", Dir()}}},
         .upper = {}});
  const Fd dir = open("d", O_DIRECTORY);

  EXPECT_THAT(rename("d", "p/e"), Succeeds());

  const Fd made(::openat(dir.get(), "n", O_CREAT | O_WRONLY, 0644));
  EXPECT_THAT(made.get(), Succeeds());
  EXPECT_THAT(::unlinkat(dir.get(), "f", 0), Succeeds());
  EXPECT_THAT(merged(),
              TreeIs(Tree{{"p", Dir()}, {"p/e", Dir()}, {"p/e/n", File()}}));
}

// Row 40
TEST_P(RenameDirTest, WorkingDirectoryFollowsTheDirectory) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}});

  const Outcome made = as_user(User{}, [this] {
    if (::chdir(m("d").c_str()) != 0) return outcome(-1);
    if (const Outcome moved = rename("d", "e"); !moved.ok()) return moved;
    return outcome(::mkdir("made", 0755));
  });

  EXPECT_THAT(made, Succeeds());
  EXPECT_THAT(merged(), TreeIs(Tree{{"e", Dir()}, {"e/made", Dir()}}));
}

TEST_P(RenameDirTest, LongRelativeNameIsRedirected) {
  const std::string name(200, 'n');
  mount({.lower = {{{name, Dir()}, {name + "/f", File("x")}}}, .upper = {}});

  EXPECT_THAT(rename(name, "short"), Succeeds());

  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{{"short", Dir()}, {"short/f", File("x")}}));
}

VENEER_ON_EVERY_TARGET(RenameDirTest);

}  // namespace
}  // namespace veneer::testing
