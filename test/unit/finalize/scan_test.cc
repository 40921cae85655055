// SPDX-License-Identifier: MIT
//
// What a session changed, told from its upper.

#include "finalize/scan.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/unit/finalize/finish_scene.h"

namespace veneer::finalize {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Scan : public testing::FinishScene {
 protected:
  void SetUp() override {
    FinishScene::SetUp();
    if (!testing::is_root()) GTEST_SKIP() << "needs root";
  }
};

TEST_F(Scan, ASessionThatDidNothingHasNoChanges) {
  write("lower/d/f", "text");
  open();
  ASSERT_EQ(content("d/f"), "text");
  close();

  EXPECT_THAT(lines(), IsEmpty());
}

TEST_F(Scan, AddedChangedAndDeletedNamesAreTold) {
  write("lower/changed", "old");
  write("lower/deleted", "old");
  write("lower/gone/with/this", "old");
  open();
  ASSERT_EQ(create("added"), 0);
  ASSERT_EQ(put("changed", "new"), 0);
  ASSERT_EQ(remove("deleted"), 0);
  ASSERT_EQ(remove("gone/with/this"), 0);
  ASSERT_EQ(remove_directory("gone/with"), 0);
  ASSERT_EQ(remove_directory("gone"), 0);
  close();

  EXPECT_THAT(lines(),
              ElementsAre("A added", "M changed", "D deleted", "D gone"));
}

TEST_F(Scan, WhatWasCopiedUpAndIsTheSameIsNoChange) {
  write("lower/d/f", "text", 0644);
  open();
  ASSERT_EQ(chmod("d/f", 0600), 0);
  ASSERT_EQ(chmod("d/f", 0644), 0);
  close();

  EXPECT_THAT(lines(), IsEmpty());
  EXPECT_THAT(lines({.unchanged = true, .progress = {}}),
              ElementsAre("= d", "= d/f"));
}

TEST_F(Scan, MetadataAloneIsASmallM) {
  write("lower/f", "text", 0644);
  make_dir("lower/d");
  open();
  ASSERT_EQ(chmod("f", 0600), 0);
  ASSERT_EQ(chmod("d", 0700), 0);
  close();

  EXPECT_THAT(lines(), ElementsAre("m d", "m f"));
}

TEST_F(Scan, EqualSizeAndTimeDoNotMakeEqualContents) {
  write("lower/f", "old text");
  open();
  const Attr before = attr_of("f");
  ASSERT_EQ(put("f", "new text"), 0);
  ASSERT_TRUE(fs().set_attr(caller_, at("f"), {.mtime = before.mtime}));
  close();

  EXPECT_THAT(lines(), ElementsAre("M f"));
}

TEST_F(Scan, ARenamedDirectoryIsOneChangeAndWhatIsInItKeepsItsStory) {
  write("lower/old/kept", "text");
  write("lower/old/changed", "text");
  write("lower/old/deleted", "text");
  open();
  ASSERT_EQ(rename("old", "new"), 0);
  ASSERT_EQ(put("new/changed", "TEXT"), 0);
  ASSERT_EQ(remove("new/deleted"), 0);
  close();

  EXPECT_THAT(lines(),
              ElementsAre("R old -> new", "M new/changed", "D new/deleted"));
}

TEST_F(Scan, TheRootIsPartOfTheTree) {
  make_dir("lower");
  open();
  ASSERT_TRUE(fs().set_attr(caller_, overlay::kRootId, {.mode = 0700}));
  close();
  auto trees = open_trees(directories());
  ASSERT_TRUE(trees);
  const auto changes = scan(*trees);

  ASSERT_TRUE(changes);
  ASSERT_EQ(changes->size(), 1);
  EXPECT_EQ(changes->front().path, "");
  EXPECT_EQ(changes->front().kind, ChangeKind::kMetadata);
  EXPECT_NE(changes->front().differs & kModeDiffers, 0U);
}

TEST_F(Scan, DirectoriesThatChangedPlacesAreBothRenamed) {
  write("lower/a/1", "1");
  write("lower/b/2", "2");
  open();
  ASSERT_EQ(rename("a", "b", RENAME_EXCHANGE), 0);
  close();

  EXPECT_THAT(lines(), ElementsAre("R b -> a", "R a -> b"));
}

TEST_F(Scan, ARenamedFileIsKnownByWhereItCameFrom) {
  write("lower/d/old", "text");
  open();
  ASSERT_EQ(rename("d/old", "new"), 0);
  close();

  EXPECT_THAT(lines(), ElementsAre("R d/old -> new"));
}

TEST_F(Scan, ADirectoryMadeAnewReplacesTheOldOne) {
  write("lower/d/old", "text");
  open();
  ASSERT_EQ(remove("d/old"), 0);
  ASSERT_EQ(remove_directory("d"), 0);
  ASSERT_EQ(make_directory("d"), 0);
  ASSERT_EQ(create("d/new"), 0);
  close();

  EXPECT_THAT(lines(), ElementsAre("O d", "A d/new"));
}

TEST_F(Scan, AnotherTypeIsAT) {
  write("lower/file", "text");
  make_dir("lower/dir");
  open();
  ASSERT_EQ(remove("file"), 0);
  ASSERT_EQ(make_directory("file"), 0);
  ASSERT_EQ(remove_directory("dir"), 0);
  ASSERT_EQ(create("dir", S_IFLNK | 0777, "nowhere"), 0);
  close();

  EXPECT_THAT(lines(), ElementsAre("T dir", "T file"));
}

TEST_F(Scan, TheTimeOfADirectoryCountsOnlyWhereNothingElseHappened) {
  write("lower/busy/f", "text");
  make_dir("lower/touched");
  open();
  ASSERT_EQ(create("busy/new"), 0);
  ASSERT_TRUE(fs().set_attr(caller_, at("touched"),
                            {.mtime = timespec{.tv_sec = 1, .tv_nsec = 2}}));
  close();

  EXPECT_THAT(lines(), ElementsAre("A busy/new", "m touched"));
}

TEST_F(Scan, AllNamesOfAFileAreToldThoughTheUpperHasOne) {
  write("lower/deep/down/first", "text");
  hard_link("lower/deep/down/first", "lower/second");
  open();
  ASSERT_EQ(put("second", "TEXT"), 0);
  close();

  EXPECT_THAT(lines(), ElementsAre("M deep/down/first", "M second"));
}

TEST_F(Scan, NamesThatAreNoTextAreTold) {
  const std::string name = "\xff\xfe\n";
  write("lower/" + name, "text");
  open();
  ASSERT_EQ(remove(name), 0);
  close();

  EXPECT_THAT(lines(), ElementsAre("D " + name));
}

TEST_F(Scan, OfSeveralLowersTheMergedTreeIsTheBase) {
  write("lower/d/top", "text");
  write("below/d/f", "text");
  write("below/d/deleted", "text");
  lowers_ = {"lower", "below"};
  open({.lowers = lowers_});
  ASSERT_EQ(chmod("d/f", 0600), 0);
  ASSERT_EQ(remove("d/deleted"), 0);
  ASSERT_EQ(rename("d/top", "d/moved"), 0);
  close();

  EXPECT_THAT(lines(),
              ElementsAre("D d/deleted", "m d/f", "R d/top -> d/moved"));
}

TEST_F(Scan, ABaseThatChangedSinceIsAConflict) {
  write("lower/changed", "text");
  write("lower/removed", "text");
  write("lower/left", "text");
  open();
  ASSERT_EQ(put("changed", "mine"), 0);
  ASSERT_EQ(put("removed", "mine"), 0);
  ASSERT_EQ(put("left", "mine"), 0);
  close();
  write("lower/changed", "theirs");
  ASSERT_TRUE(std::filesystem::remove(path("lower/removed")));

  EXPECT_THAT(lines({.conflicts = true, .progress = {}}),
              ElementsAre("M changed !", "M left", "A removed !"));
}

TEST_F(Scan, WhatIsDeletedHereAndChangedThereIsAConflict) {
  write("lower/d/sub/f", "text");
  write("lower/f", "text");
  began_ = ::time(nullptr) + 1000;
  open();
  for (const char* name : {"d/sub/f", "f"}) ASSERT_EQ(remove(name), 0);
  ASSERT_EQ(remove_directory("d/sub"), 0);
  ASSERT_EQ(remove_directory("d"), 0);
  close();
  write("lower/d/sub/f", "theirs");
  std::filesystem::last_write_time(
      path("lower/d/sub/f"),
      std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));

  EXPECT_THAT(lines({.conflicts = true, .progress = {}}),
              ElementsAre("D d !", "D f"));
}

TEST_F(Scan, IsStoppedByItsProgress) {
  for (int i = 0; i < 300; ++i) write("upper/f" + std::to_string(i), "");
  make_dir("lower");
  auto trees = open_trees(directories());
  ASSERT_TRUE(trees);

  const auto stopped =
      scan(*trees, {.progress = [](std::uint64_t) { return false; }});

  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ECANCELED);
}

}  // namespace
}  // namespace veneer::finalize
