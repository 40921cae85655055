// SPDX-License-Identifier: MIT
//
// What patterns match, and what comes along.

#include "finalize/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace veneer::finalize {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Matches, APatternWithoutASlashIsForNamesAtAnyDepth) {
  EXPECT_TRUE(matches("*.o", "main.o"));
  EXPECT_TRUE(matches("*.o", "src/deep/main.o"));
  EXPECT_FALSE(matches("*.o", "main.cc"));
}

TEST(Matches, APatternWithASlashIsForWholePaths) {
  EXPECT_TRUE(matches("etc/*.conf", "etc/a.conf"));
  EXPECT_FALSE(matches("etc/*.conf", "usr/etc/a.conf"));
  EXPECT_FALSE(matches("etc/*.conf", "etc/deep/a.conf"));
  EXPECT_TRUE(matches("/etc/", "etc"));
}

TEST(Matches, TwoStarsAreAnyDirectories) {
  EXPECT_TRUE(matches("etc/**/a.conf", "etc/a.conf"));
  EXPECT_TRUE(matches("etc/**/a.conf", "etc/x/y/a.conf"));
  EXPECT_FALSE(matches("etc/**/a.conf", "usr/a.conf"));
  EXPECT_TRUE(matches("etc/**", "etc/x/y"));
}

TEST(Matches, ADirectoryIsAllThatIsInIt) {
  EXPECT_TRUE(matches("build", "build/x/y"));
  EXPECT_TRUE(matches("a/b", "a/b/c"));
  EXPECT_FALSE(matches("a/b", "a/bc"));
}

Change change(ChangeKind kind, std::string path, mode_t mode = S_IFREG) {
  Change made{.kind = kind, .path = std::move(path)};
  made.on_upper = kind != ChangeKind::kDeleted;
  made.attr.mode = mode;
  return made;
}

std::vector<std::string> paths(const Changes& changes) {
  std::vector<std::string> all;
  for (const Change& one : changes) all.push_back(one.path);
  return all;
}

TEST(Select, WithoutPatternsEverythingIsTaken) {
  const Selection all = select({change(ChangeKind::kMetadata, "", S_IFDIR),
                                change(ChangeKind::kAdded, "a")},
                               {}, {});

  EXPECT_THAT(paths(all.taken), ElementsAre("", "a"));
  EXPECT_FALSE(all.is_partial);
}

TEST(Select, AnExcludeWinsOverAnInclude) {
  const Selection some = select(
      {change(ChangeKind::kAdded, "a.o"), change(ChangeKind::kAdded, "a.cc")},
      {"a.*"}, {"*.o"});

  EXPECT_THAT(paths(some.taken), ElementsAre("a.cc"));
  EXPECT_THAT(paths(some.left), ElementsAre("a.o"));
  EXPECT_TRUE(some.is_partial);
}

TEST(Select, NewDirectoriesAboveComeAlong) {
  const Selection some = select({change(ChangeKind::kNone, "old", S_IFDIR),
                                 change(ChangeKind::kAdded, "old/new", S_IFDIR),
                                 change(ChangeKind::kAdded, "old/new/f"),
                                 change(ChangeKind::kAdded, "old/new/g")},
                                {"f"}, {});

  EXPECT_THAT(paths(some.taken), ElementsAre("old/new", "old/new/f"));
  EXPECT_THAT(paths(some.left), ElementsAre("old", "old/new/g"));
}

TEST(Select, AllNamesOfAFileComeAlong) {
  Change a = change(ChangeKind::kContent, "a");
  Change b = change(ChangeKind::kContent, "b");
  a.link_group = b.link_group = 7;

  EXPECT_THAT(paths(select({a, b}, {"b"}, {}).taken), ElementsAre("a", "b"));
}

TEST(Select, BothEndsOfARenameComeAlong) {
  Change from = change(ChangeKind::kNone, "from");
  from.on_upper = false;
  from.moved_away = true;
  from.base_path = from.covered_path = "from";
  Change to = change(ChangeKind::kRenamed, "to");
  to.base_path = "from";

  EXPECT_THAT(paths(select({from, to}, {"to"}, {}).taken),
              ElementsAre("from", "to"));
}

TEST(Select, WhatComesOutOfADirectoryThatGoesComesAlong) {
  Change gone = change(ChangeKind::kDeleted, "dir", S_IFDIR);
  gone.base_path = gone.covered_path = "dir";
  Change saved = change(ChangeKind::kRenamed, "saved", S_IFDIR);
  saved.base_path = "dir/sub";

  EXPECT_THAT(paths(select({gone, saved}, {"dir"}, {}).taken),
              ElementsAre("dir", "saved"));
  EXPECT_THAT(paths(select({gone, saved}, {"other"}, {}).taken), IsEmpty());
}

}  // namespace
}  // namespace veneer::finalize
