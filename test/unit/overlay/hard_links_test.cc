// SPDX-License-Identifier: MIT
//
// Files with several names: one file before and after copy-up, in memory and
// after a remount, with an index and without.

#include "test/unit/overlay/scene.h"

namespace veneer::overlay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using veneer::layer::WhiteoutForm;
using veneer::testing::code_of;

class HardLinksTest : public veneer::testing::Scene {
 protected:
  void SetUp() override {
    Scene::SetUp();
    write("lower/a", "text");
    make_dir("lower/d");
    hard_link("lower/a", "lower/b");
    hard_link("lower/a", "lower/d/c");
  }
  void expect_one_file(std::initializer_list<const char*> names,
                       std::uint32_t nlink, const std::string& text) {
    const std::uint64_t ino = attr_of(*names.begin()).ino;
    for (const char* name : names) {
      EXPECT_EQ(attr_of(name).ino, ino) << name;
      EXPECT_EQ(attr_of(name).nlink, nlink) << name;
      EXPECT_EQ(content(name), text) << name;
    }
  }
};

TEST_F(HardLinksTest, NamesOfALowerFileAreOneNode) {
  open();

  EXPECT_EQ(at("a"), at("b"));
  expect_one_file({"a", "b", "d/c"}, 3, "text");
}

TEST_F(HardLinksTest, ChangeThroughOneNameIsSeenByAllForGood) {
  open();
  ASSERT_EQ(put("b", "T"), 0);

  expect_one_file({"a", "b", "d/c"}, 3, "Text");
  remount();
  expect_one_file({"d/c", "a", "b"}, 3, "Text");
  EXPECT_THAT(names_in("upper.work/index"), SizeIs(1));
}

TEST_F(HardLinksTest, MetadataCopyIsSeenByAllForGood) {
  open();
  ASSERT_EQ(chmod("a", 0600), 0);
  remount();

  for (const char* name : {"a", "b", "d/c"}) {
    EXPECT_EQ(attr_of(name).mode & 0777, 0600U) << name;
  }
  expect_one_file({"a", "b", "d/c"}, 3, "text");
  ASSERT_EQ(put("d/c", "T"), 0);
  remount();
  expect_one_file({"a", "b", "d/c"}, 3, "Text");
}

TEST_F(HardLinksTest, LinksComeAndGoAndTheCountFollows) {
  open();
  ASSERT_EQ(remove("a"), 0);
  expect_one_file({"b", "d/c"}, 2, "text");
  ASSERT_EQ(link_to("b", "d/e"), 0);
  expect_one_file({"b", "d/c", "d/e"}, 3, "text");
  remount();
  expect_one_file({"d/e", "b", "d/c"}, 3, "text");
  ASSERT_EQ(remove("b"), 0);
  ASSERT_EQ(remove("d/c"), 0);
  remount();
  expect_one_file({"d/e"}, 1, "text");
  ASSERT_EQ(remove("d/e"), 0);

  EXPECT_THAT(names(), ElementsAre("d"));
  EXPECT_THAT(names_in("upper.work/index"), IsEmpty());
}

TEST_F(HardLinksTest, RenamedNameIsStillOfTheFile) {
  open();
  ASSERT_EQ(rename("a", "d/x"), 0);
  ASSERT_EQ(rename("d/c", "y"), 0);
  expect_one_file({"d/x", "y", "b"}, 3, "text");
  remount();
  expect_one_file({"b", "d/x", "y"}, 3, "text");
  ASSERT_EQ(put("y", "T"), 0);
  remount();
  expect_one_file({"b", "d/x", "y"}, 3, "Text");
}

TEST_F(HardLinksTest, RenameOfOneNameOverAnotherDoesNothing) {
  open();
  ASSERT_EQ(rename("a", "b"), 0);

  expect_one_file({"a", "b", "d/c"}, 3, "text");
}

TEST_F(HardLinksTest, NameThatIsOverwrittenLowersTheCount) {
  write("lower/other", "other");
  open();
  ASSERT_EQ(rename("other", "a"), 0);

  EXPECT_EQ(content("a"), "other");
  expect_one_file({"b", "d/c"}, 2, "text");
  remount();
  EXPECT_EQ(content("a"), "other");
  expect_one_file({"b", "d/c"}, 2, "text");
}

TEST_F(HardLinksTest, UnlinkedFileStaysReadableAndWritable) {
  open();
  const NodeId id = at("a");
  for (const char* name : {"a", "b", "d/c"}) ASSERT_EQ(remove(name), 0);

  EXPECT_EQ(content(id), "text");
  EXPECT_EQ(put(id, "T"), 0);
  EXPECT_EQ(content(id), "Text");
  EXPECT_EQ(fs().get_attr(id)->nlink, 0U);
}

TEST_F(HardLinksTest, SymbolicLinksAndFifosHaveSeveralNamesToo) {
  make_link("to", "lower/l1");
  hard_link("lower/l1", "lower/l2");
  ASSERT_EQ(::mkfifo(path("lower/p1").c_str(), 0600), 0);
  hard_link("lower/p1", "lower/p2");
  open();

  for (const std::string kind : {"l", "p"}) {
    ASSERT_EQ(code_of(fs().set_attr(caller_, at(kind + "1"),
                                    {.mtime = timespec{7, 0}})),
              0);
    EXPECT_EQ(attr_of(kind + "2").mtime.tv_sec, 7) << kind;
    EXPECT_EQ(rename(kind + "2", kind + "3"), 0) << kind;
    EXPECT_EQ(remove(kind + "1"), 0) << kind;
    EXPECT_EQ(attr_of(kind + "3").nlink, 1U) << kind;
  }
  remount();
  EXPECT_EQ(*fs().read_link(at("l3")), "to");
  EXPECT_EQ(attr_of("p3").mtime.tv_sec, 7);
}

TEST_F(HardLinksTest, CopyUpThatFailedHalfWayCanBeTriedAgain) {
  for (std::uint64_t n = 1; n < 40; ++n) {
    close();
    std::filesystem::remove_all(path("upper"));
    std::filesystem::remove_all(path("upper.work"));
    open();
    at("a");
    at("b");
    sys::fault::arm_error(n, ENOSPC);
    const int code = put("a", "T");
    sys::fault::disarm();
    if (code == 0) {
      EXPECT_GT(n, 5U);
      return;
    }
    EXPECT_EQ(code, ENOSPC) << n;
    EXPECT_EQ(put("b", "T"), 0) << "after change " << n;
    expect_one_file({"a", "b", "d/c"}, 3, "Text");
    remount();
    expect_one_file({"a", "b", "d/c"}, 3, "Text");
  }
  ADD_FAILURE() << "never done";
}

// --- Files of the upper -----------------------------------------------------

TEST_F(HardLinksTest, UpperFileHasAsManyNamesAsItHas) {
  open();
  ASSERT_EQ(create("x"), 0);
  ASSERT_EQ(put("x", "new"), 0);
  ASSERT_EQ(link_to("x", "d/y"), 0);
  expect_one_file({"x", "d/y"}, 2, "new");
  ASSERT_EQ(remove("x"), 0);
  expect_one_file({"d/y"}, 1, "new");
  ASSERT_EQ(link_to("d/y", "x"), 0);
  remount();
  expect_one_file({"x", "d/y"}, 2, "new");
}

TEST_F(HardLinksTest, NameFoundLaterBringsAnUnlinkedFileBack) {
  open();
  ASSERT_EQ(create("x"), 0);
  ASSERT_EQ(link_to("x", "y"), 0);
  remount();
  const NodeId id = at("x");
  ASSERT_EQ(remove("x"), 0);

  EXPECT_EQ(at("y"), id);
  EXPECT_EQ(fs().get_attr(id)->nlink, 1U);
  ASSERT_EQ(put("y", "z"), 0);
  EXPECT_EQ(content(id), "z");
}

// --- Without an index -------------------------------------------------------

class NoIndexTest : public HardLinksTest,
                    public ::testing::WithParamInterface<WhiteoutForm> {
 protected:
  void SetUp() override {
    HardLinksTest::SetUp();
    open({.form = GetParam(), .index = false});
  }
};

// The names are one file while the mount lasts; each of them can be renamed,
// removed and written to, whichever was copied up.
TEST_P(NoIndexTest, EachNameCanBeRemovedAfterACopyUp) {
  at("a");
  at("b");
  at("d/c");
  ASSERT_EQ(put("a", "T"), 0);

  for (const char* name : {"b", "a", "d/c"}) {
    EXPECT_EQ(remove(name), 0) << name;
  }
  EXPECT_THAT(names(), ElementsAre("d"));
  EXPECT_THAT(names("d"), IsEmpty());
  remount();
  EXPECT_THAT(names(), ElementsAre("d"));
  EXPECT_THAT(names("d"), IsEmpty());
}

TEST_P(NoIndexTest, EachNameCanBeRenamedAfterACopyUp) {
  at("a");
  at("b");
  ASSERT_EQ(put("d/c", "T"), 0);

  EXPECT_EQ(rename("a", "a2"), 0);
  EXPECT_EQ(rename("b", "b2"), 0);
  EXPECT_EQ(rename("d/c", "c2"), 0);
  EXPECT_THAT(names(), ElementsAre("a2", "b2", "c2", "d"));
  remount();
  EXPECT_THAT(names(), ElementsAre("a2", "b2", "c2", "d"));
}

TEST_P(NoIndexTest, EachNameCanBeOverwrittenAndExchanged) {
  write("lower/other", "other");
  at("a");
  at("b");
  ASSERT_EQ(put("d/c", "T"), 0);

  EXPECT_EQ(rename("a", "other", RENAME_EXCHANGE), 0);
  EXPECT_EQ(rename("a", "b"), 0);
  EXPECT_EQ(content("b"), "other");
  EXPECT_EQ(content("other"), "Text");
  EXPECT_EQ(link_to("other", "again"), 0);
  EXPECT_EQ(content("again"), "Text");
}

INSTANTIATE_TEST_SUITE_P(Form, NoIndexTest,
                         ::testing::Values(WhiteoutForm::kKernel,
                                           WhiteoutForm::kDotWh),
                         veneer::testing::form_name);

}  // namespace
}  // namespace veneer::overlay
