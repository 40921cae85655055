// SPDX-License-Identifier: MIT
//
// The merge rules, without layers: what each part says, and whether the next
// one is asked.

#include "overlay/merge.h"

#include <gtest/gtest.h>

namespace veneer::overlay {
namespace {

Child child(mode_t mode, Marks marks = {}) {
  Child child;
  child.attr.mode = mode;
  child.marks = std::move(marks);
  return child;
}
Child file(Marks marks = {}) { return child(S_IFREG | 0644, std::move(marks)); }
Child dir(Marks marks = {}) { return child(S_IFDIR | 0755, std::move(marks)); }
Child whiteout() { return child(S_IFCHR, {.whiteout = true}); }

TEST(Merge, NothingIsFoundWhereNothingIs) { EXPECT_FALSE(Merge().found()); }

TEST(Merge, WhiteoutEndsTheName) {
  Merge merge;
  EXPECT_FALSE(merge.add(1, whiteout()));
  EXPECT_FALSE(merge.found());
}

TEST(Merge, WhiteoutBelowADirectoryEndsTheMerge) {
  Merge merge;
  EXPECT_TRUE(merge.add(0, dir()));
  EXPECT_FALSE(merge.add(1, whiteout()));
  EXPECT_EQ(merge.parts().size(), 1U);
}

TEST(Merge, FileHidesWhatIsBelow) {
  for (const mode_t type : {S_IFREG, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFBLK}) {
    Merge merge;
    EXPECT_FALSE(merge.add(1, child(type | 0644)));
    EXPECT_TRUE(merge.found());
  }
}

TEST(Merge, DirectoriesMergeUntilOneIsOpaque) {
  Merge merge;
  EXPECT_TRUE(merge.add(0, dir()));
  EXPECT_TRUE(merge.add(2, dir()));
  EXPECT_FALSE(merge.add(5, dir({.opaque = true})));
  ASSERT_EQ(merge.parts().size(), 3U);
  EXPECT_EQ(merge.top().layer, 0);
  EXPECT_EQ(merge.parts()[2].layer, 5);
}

TEST(Merge, FileBelowADirectoryIsHiddenAndHidesTheRest) {
  Merge merge;
  EXPECT_TRUE(merge.add(0, dir()));
  EXPECT_FALSE(merge.add(1, file()));
  EXPECT_EQ(merge.parts().size(), 1U);
}

TEST(Merge, MetacopyTakesItsDataFromTheNextFile) {
  Merge merge;
  EXPECT_TRUE(merge.add(0, file({.metacopy = true})));
  EXPECT_TRUE(merge.add(1, file({.metacopy = true})));
  EXPECT_FALSE(merge.add(2, file()));
  EXPECT_EQ(merge.parts().size(), 3U);
}

TEST(Merge, OnlyARegularFileHasAMetacopysData) {
  for (const mode_t type : {S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR}) {
    Merge merge;
    EXPECT_TRUE(merge.add(0, file({.metacopy = true})));
    EXPECT_FALSE(merge.add(1, child(type | 0755)));
    EXPECT_EQ(merge.parts().size(), 1U);
  }
}

TEST(Merge, MetacopyMarkOnAnythingElseMeansNothing) {
  Merge merge;
  EXPECT_FALSE(merge.add(0, child(S_IFLNK | 0777, {.metacopy = true})));
  Merge directories;
  EXPECT_FALSE(directories.add(0, dir({.opaque = true, .metacopy = true})));
}

TEST(Trail, WithoutARedirectStaysTheSame) {
  Trail trail{.path = "name"};
  trail.follow(std::nullopt);
  EXPECT_EQ(trail.path, "name");
  EXPECT_FALSE(trail.from_root);
}

TEST(Trail, RelativeRedirectIsAnotherNameInTheSameDirectory) {
  Trail trail{.path = "name"};
  trail.follow("other");
  EXPECT_EQ(trail.path, "other");
  EXPECT_FALSE(trail.from_root);
}

TEST(Trail, AbsoluteRedirectGoesOnFromTheRoots) {
  Trail trail{.path = "name"};
  trail.follow("/a/b");
  EXPECT_EQ(trail.path, "a/b");
  EXPECT_TRUE(trail.from_root);
}

TEST(Trail, RelativeRedirectUnderAPathReplacesItsLastName) {
  Trail trail{.path = "name"};
  trail.follow("/a/b");
  trail.follow("c");
  EXPECT_EQ(trail.path, "a/c");
  trail.follow("/top");
  trail.follow("d");
  EXPECT_EQ(trail.path, "d");
  EXPECT_TRUE(trail.from_root);
}

}  // namespace
}  // namespace veneer::overlay
