// SPDX-License-Identifier: MIT
//
// From names to objects through several layers: whiteouts, opaque directories,
// redirects and metacopies, as one finds them on disk.

#include "test/unit/overlay/scene.h"

namespace veneer::overlay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using veneer::testing::code_of;

class LookupTest : public veneer::testing::Scene {
 protected:
  void open_three() {
    open({.lowers = {"top", "middle", "bottom"}, .upper = ""});
  }
  /// A file that is one hole, marked as a metacopy.
  void metacopy(const std::string& name, off_t size,
                const std::string& redirect = {}) {
    write(name, "");
    ASSERT_EQ(::truncate(path(name).c_str(), size), 0);
    mark(name, "metacopy", "");
    if (!redirect.empty()) mark(name, "redirect", redirect);
  }
};

// --- Merging ----------------------------------------------------------------

TEST_F(LookupTest, TopmostLayerWins) {
  write("top/f", "top");
  write("middle/f", "middle");
  write("bottom/f", "bottom");
  write("bottom/g", "only");
  open_three();

  EXPECT_EQ(content("f"), "top");
  EXPECT_EQ(content("g"), "only");
  EXPECT_FALSE(has("h"));
  EXPECT_THAT(names(), ElementsAre("f", "g"));
}

TEST_F(LookupTest, DirectoriesMerge) {
  write("top/d/1", "1");
  write("middle/d/2", "2");
  write("bottom/d/3", "3");
  open_three();

  EXPECT_THAT(names("d"), ElementsAre("1", "2", "3"));
  EXPECT_EQ(content("d/2"), "2");
}

TEST_F(LookupTest, AttributesOfADirectoryAreTheTopmosts) {
  make_dir("top/d", 0700);
  make_dir("bottom/d", 0755);
  open_three();

  EXPECT_EQ(attr_of("d").mode & 0777, 0700U);
}

TEST_F(LookupTest, MergedDirectoryCountsItsSubdirectories) {
  for (const char* dir :
       {"top/d/a", "middle/d/a", "middle/d/b", "bottom/d/c"}) {
    make_dir(dir);
  }
  open_three();

  EXPECT_EQ(attr_of("d").nlink, 5U);
}

TEST_F(LookupTest, WhiteoutHidesInEachForm) {
  write("bottom/device", "x");
  write("bottom/marker", "x");
  write("bottom/stays", "x");
  make_dir("middle");
  whiteout("middle/device");
  write("middle/.wh.marker", "");
  open_three();

  EXPECT_FALSE(has("device"));
  EXPECT_FALSE(has("marker"));
  EXPECT_THAT(names(), ElementsAre("stays"));
}

TEST_F(LookupTest, NameComesBackAboveItsWhiteout) {
  write("bottom/d/old", "x");
  make_dir("middle");
  whiteout("middle/d");
  write("top/d/new", "y");
  open_three();

  EXPECT_THAT(names("d"), ElementsAre("new"));
  EXPECT_FALSE(has("d/old"));
}

TEST_F(LookupTest, FileInBetweenCutsDirectoriesApart) {
  write("bottom/d/old", "x");
  write("middle/d", "a file");
  write("top/d/new", "y");
  open_three();

  EXPECT_THAT(names("d"), ElementsAre("new"));
}

TEST_F(LookupTest, OpaqueDirectoryHidesWhatIsBelowInEachForm) {
  write("bottom/xattr/old", "x");
  write("bottom/marker/old", "x");
  write("middle/xattr/new", "y");
  mark("middle/xattr", "opaque", "y");
  write("middle/marker/new", "y");
  write("middle/marker/.wh..wh..opq", "");
  open_three();

  EXPECT_THAT(names("xattr"), ElementsAre("new"));
  EXPECT_THAT(names("marker"), ElementsAre("new"));
  EXPECT_FALSE(has("marker/old"));
}

TEST_F(LookupTest, ParentOfARootIsTheRoot) {
  write("bottom/d/f", "x");
  open_three();

  EXPECT_EQ(fs().lookup_parent(kRootId)->id, kRootId);
  EXPECT_EQ(fs().lookup_parent(at("d"))->id, kRootId);
  EXPECT_EQ(code_of(fs().lookup_parent(at("d/f"))), ENOTDIR);
  EXPECT_EQ(code_of(fs().lookup_self(NodeId{99})), ESTALE);
}

// Its id is valid until the kernel forgets it, which may be later.
TEST_F(LookupTest, HandleOfARemovedFileIsStaleBeforeItIsForgotten) {
  write("lower/f", "x");
  write("lower/kept", "y");
  hard_link("lower/kept", "lower/other");
  open();
  const NodeId gone = at("f");
  const NodeId linked = at("kept");

  EXPECT_EQ(remove("f"), 0);
  EXPECT_EQ(remove("kept"), 0);

  EXPECT_EQ(code_of(fs().lookup_self(gone)), ESTALE);
  EXPECT_EQ(code_of(fs().lookup_self(linked)), 0);
}

// --- Redirects --------------------------------------------------------------

TEST_F(LookupTest, AbsoluteRedirectIsFollowedFromTheRoots) {
  write("bottom/old/place/f", "x");
  make_dir("top/new");
  mark("top/new", "redirect", "/old/place");
  open_three();

  EXPECT_EQ(content("new/f"), "x");
}

TEST_F(LookupTest, RelativeRedirectIsAnotherNameInTheSameDirectory) {
  write("bottom/d/old/f", "x");
  make_dir("top/d/new");
  mark("top/d/new", "redirect", "old");
  open_three();

  EXPECT_EQ(content("d/new/f"), "x");
}

TEST_F(LookupTest, EachLayerMayRedirectAgain) {
  write("bottom/first/f", "x");
  make_dir("middle/a/second");
  mark("middle/a/second", "redirect", "/first");
  make_dir("top/b/c/third");
  mark("top/b/c/third", "redirect", "/a/second");
  open_three();

  EXPECT_EQ(content("b/c/third/f"), "x");
}

TEST_F(LookupTest, RelativeRedirectBelowAnAbsoluteOneStaysInItsDirectory) {
  write("bottom/a/first/f", "x");
  make_dir("middle/a/second");
  mark("middle/a/second", "redirect", "first");
  make_dir("top/third");
  mark("top/third", "redirect", "/a/second");
  open_three();

  EXPECT_EQ(content("third/f"), "x");
}

TEST_F(LookupTest, RedirectOfAnAncestorInTheMiddleIsFollowed) {
  write("bottom/e/sub/f", "x");
  make_dir("middle/d/sub");
  mark("middle/d", "redirect", "/e");
  whiteout("middle/e");
  make_dir("top/moved");
  mark("top/moved", "redirect", "/d/sub");
  open_three();

  EXPECT_EQ(content("moved/f"), "x");
  EXPECT_EQ(content("d/sub/f"), "x");
  EXPECT_FALSE(has("e"));
}

TEST_F(LookupTest, RedirectOfAnAncestorHoldsThoughItsLayerLacksTheRest) {
  write("bottom/e/sub/f", "x");
  make_dir("middle/d");
  mark("middle/d", "redirect", "/e");
  whiteout("middle/e");
  make_dir("top/moved");
  mark("top/moved", "redirect", "/d/sub");
  open_three();

  EXPECT_EQ(content("moved/f"), "x");
}

TEST_F(LookupTest, WhiteoutOnTheWayEndsARedirect) {
  write("bottom/old/f", "x");
  make_dir("middle");
  whiteout("middle/old");
  make_dir("top/new");
  mark("top/new", "redirect", "/old");
  open_three();

  EXPECT_THAT(names("new"), IsEmpty());
}

TEST_F(LookupTest, OpaqueDirectoryOnTheWayEndsARedirect) {
  write("bottom/a/old/f", "x");
  make_dir("middle/a");
  mark("middle/a", "opaque", "y");
  make_dir("top/new");
  mark("top/new", "redirect", "/a/old");
  open_three();

  EXPECT_THAT(names("new"), IsEmpty());
}

TEST_F(LookupTest, FileOrLinkOnTheWayEndsARedirect) {
  make_dir("elsewhere");
  write("elsewhere/f", "secret");
  make_dir("middle");
  make_link(path("elsewhere"), "middle/link");
  write("middle/file", "x");
  make_dir("top/a");
  mark("top/a", "redirect", "/link");
  make_dir("top/b");
  mark("top/b", "redirect", "/file/f");
  make_dir("top/c");
  mark("top/c", "redirect", "/link/f");
  open_three();

  for (const char* name : {"a", "b", "c"}) {
    EXPECT_THAT(names(name), IsEmpty()) << name;
  }
}

TEST_F(LookupTest, RedirectsThatPointAtEachOtherComeToAnEnd) {
  make_dir("top/a");
  mark("top/a", "redirect", "/b");
  make_dir("middle/b");
  mark("middle/b", "redirect", "/a");
  make_dir("middle/a");
  mark("middle/a", "redirect", "/b");
  make_dir("bottom/a");
  mark("bottom/a", "redirect", "/a");
  write("bottom/a/f", "x");
  open_three();

  EXPECT_EQ(content("a/f"), "x");
}

TEST_F(LookupTest, HostileRedirectsAreNotFollowed) {
  write("secret/f", "secret");
  write("bottom/other/f", "other");
  int i = 0;
  for (const char* bad : {"..", "../other", "/../secret", "/other/../../secret",
                          "/other/", "//other", "other/.", "./other"}) {
    const std::string name = "top/d" + std::to_string(i++);
    make_dir(name);
    mark(name, "redirect", bad);
  }
  open_three();

  while (i-- > 0) EXPECT_THAT(names("d" + std::to_string(i)), IsEmpty());
}

// --- Metacopies -------------------------------------------------------------

TEST_F(LookupTest, MetacopyHasItsOwnAttributesAndTheDataBelow) {
  metacopy("top/f", 4);
  ASSERT_EQ(::chmod(path("top/f").c_str(), 0600), 0);
  metacopy("middle/f", 4);
  write("bottom/f", "data");
  open_three();

  EXPECT_EQ(content("f"), "data");
  EXPECT_EQ(attr_of("f").mode & 0777, 0600U);
  EXPECT_EQ(attr_of("f").blocks, 8U);
}

TEST_F(LookupTest, MetacopyFollowsItsRedirect) {
  metacopy("top/new", 4, "/d/old");
  metacopy("middle/d/old", 4, "older");
  write("bottom/d/older", "data");
  write("bottom/new", "wrong");
  open_three();

  EXPECT_EQ(content("new"), "data");
}

TEST_F(LookupTest, MetacopyWithoutDataCannotBeReadButIsThere) {
  metacopy("top/alone", 4);
  metacopy("top/over_dir", 4);
  make_dir("middle/over_dir");
  metacopy("top/over_link", 4);
  make_dir("bottom");
  make_link("alone", "bottom/over_link");
  metacopy("top/over_nothing_but_these", 4);
  metacopy("bottom/over_nothing_but_these", 4);
  metacopy("bottom/last", 4);
  open_three();

  for (const std::string name :
       {"alone", "over_dir", "over_link", "over_nothing_but_these", "last"}) {
    EXPECT_EQ(attr_of(name).size, 4U) << name;
    EXPECT_EQ(code_of(fs().data(at(name))), EIO) << name;
    EXPECT_EQ(code_of(fs().seek(at(name), 0, SEEK_DATA)), EIO) << name;
  }
}

}  // namespace
}  // namespace veneer::overlay
