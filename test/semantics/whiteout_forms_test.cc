// SPDX-License-Identifier: MIT
//
// The forms in which a layer says "removed" and "nothing from below": the
// kernel's devices and xattrs, and the marker files of aufs and OCI. All are
// read in every layer; one is written, the kernel's unless told otherwise.

#include <fcntl.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr char kWhiteoutXattr[] = "trusted.overlay.whiteout";
constexpr char kOpaqueXattr[] = "trusted.overlay.opaque";

class WhiteoutFormsTest : public OverlayTest {};

// Row 22
TEST_P(WhiteoutFormsTest, DeviceInALowerHides) {
  mount({.lower = {{{"a", Whiteout()}}, {{"a", File("1")}, {"b", File("2")}}},
         .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("2")}}));
}

// Row 22
TEST_P(WhiteoutFormsTest, DeviceInTheLastLowerIsNotShown) {
  mount({.lower = {{{"a", Whiteout()}, {"b", File("2")}}}, .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("2")}}));
}

// Row 22
TEST_P(WhiteoutFormsTest, XattrWhiteoutInAMarkedDirectoryHides) {
  mount({.lower = {{{"d", Dir().xattr(kOpaqueXattr, "x")},
                    {"d/a", File().xattr(kWhiteoutXattr, "")},
                    {"d/plain", File()}},
                   {{"d", Dir()}, {"d/a", File("1")}, {"d/b", File("2")}}},
         .upper = {}});

  EXPECT_THAT(
      merged(),
      TreeIs(Tree{{"d", Dir()}, {"d/b", File("2")}, {"d/plain", File()}}));
  EXPECT_THAT(lstat_status("d/a"), FailsWith(ENOENT));
}

// Row 22
TEST_P(WhiteoutFormsTest, XattrWhiteoutInAMarkedRootHides) {
  mount({.lower = {{{"", Dir().xattr(kOpaqueXattr, "x")},
                    {"a", File().xattr(kWhiteoutXattr, "y")}},
                   {{"a", File("1")}, {"b", File("2")}}},
         .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("2")}}));
}

TEST_P(WhiteoutFormsTest, RemovedXattrWhiteoutNameCanBeMadeAgain) {
  mount({.lower = {{{"d", Dir().xattr(kOpaqueXattr, "x")},
                    {"d/a", File().xattr(kWhiteoutXattr, "")}},
                   {{"d", Dir()}, {"d/a", File("1")}}},
         .upper = {}});

  EXPECT_THAT(write_file("d/a", "new"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}, {"d/a", File("new")}}));
  EXPECT_THAT(unlink("d/a"), Succeeds());
  EXPECT_THAT(list("d"), ::testing::IsEmpty());
}

TEST_P(WhiteoutFormsTest, EveryWhiteoutOfAnUpperIsOneInode) {
  mount(
      {.lower = {{{"a", File()}, {"b", File()}, {"c", File()}}}, .upper = {}});

  EXPECT_THAT(unlink("a"), Succeeds());
  EXPECT_THAT(unlink("b"), Succeeds());
  EXPECT_THAT(unlink("c"), Succeeds());

  const Tree after = upper();
  EXPECT_EQ(after.at("a").ino, after.at("b").ino);
  EXPECT_EQ(after.at("b").ino, after.at("c").ino);
}

VENEER_ON_EVERY_TARGET(WhiteoutFormsTest);

// Rows 22 and 24: the forms of other programs. To kernel overlayfs mounted
// with trusted xattrs, user.overlay.* says nothing and marker files are files.
class ForeignWhiteoutTest : public OverlayTest {};

TEST_P(ForeignWhiteoutTest, UserXattrWhiteoutHides) {
  mount({.lower = {{{"d", Dir().xattr("user.overlay.opaque", "x")},
                    {"d/a", File().xattr("user.overlay.whiteout", "")}},
                   {{"d", Dir()}, {"d/a", File("1")}, {"d/b", File("2")}}},
         .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}, {"d/b", File("2")}}));
}

TEST_P(ForeignWhiteoutTest, UserXattrOpaqueHides) {
  mount({.lower = {{{"d", Dir().xattr("user.overlay.opaque", "y")}},
                   {{"d", Dir()}, {"d/a", File("1")}}},
         .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}}));
}

TEST_P(ForeignWhiteoutTest, MarkerFileHides) {
  mount({.lower = {{{".wh.a", File()}, {"d", Dir()}, {"d/.wh.x", File()}},
                   {{"a", File("1")},
                    {"b", File("2")},
                    {"d", Dir()},
                    {"d/x", Dir()},
                    {"d/x/deep", File()},
                    {"d/y", File("3")}}},
         .upper = {}});

  EXPECT_THAT(merged(),
              TreeIs(Tree{{"b", File("2")}, {"d", Dir()}, {"d/y", File("3")}}));
  EXPECT_THAT(lstat_status("d/x/deep"), FailsWith(ENOENT));
  EXPECT_THAT(lstat_status(".wh.a"), FailsWith(ENOENT));
}

TEST_P(ForeignWhiteoutTest, MarkerDoesNotHideItsOwnLayersEntry) {
  mount({.lower = {{{".wh.a", File()}, {"a", File("same layer")}},
                   {{"a", File("below")}}},
         .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("same layer")}}));
}

TEST_P(ForeignWhiteoutTest, OpaqueMarkerHidesWhatIsBelow) {
  mount({.lower = {{{"d", Dir()},
                    {"d/.wh..wh..opq", File()},
                    {"d/new", File("1")}},
                   {{"d", Dir()}, {"d/old", File("2")}}},
         .upper = {}});

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}, {"d/new", File("1")}}));
  EXPECT_THAT(lstat_status("d/old"), FailsWith(ENOENT));
}

VENEER_ONLY(ForeignWhiteoutTest);

// Row 11: kernel overlayfs 6.18 answers ENOTEMPTY, although nothing shows.
class XattrWhiteoutRmdirTest : public OverlayTest {};

TEST_P(XattrWhiteoutRmdirTest, DirectoryOfNothingButXattrWhiteoutsIsEmpty) {
  mount({.lower = {{{"d", Dir().xattr(kOpaqueXattr, "x")},
                    {"d/a", File().xattr(kWhiteoutXattr, "")}},
                   {{"d", Dir()}, {"d/a", File("1")}}},
         .upper = {}});
  ASSERT_THAT(write_file("d/a", "new"), Succeeds());
  ASSERT_THAT(unlink("d/a"), Succeeds());

  EXPECT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{}));
}

VENEER_ONLY(XattrWhiteoutRmdirTest);

// Rows 22 and 25: marker files written, as asked for with --whiteouts dotwh.
class MarkerUpperTest : public OverlayTest {
 protected:
  void mount_marking(const Tree& lower0) {
    mount({.lower = {lower0},
           .upper = {},
           .veneer_options = {"--whiteouts", "dotwh"}});
  }
};

TEST_P(MarkerUpperTest, UnlinkLeavesAMarkerFile) {
  mount_marking({{"etc", Dir()}, {"etc/motd", File("hello")}});

  EXPECT_THAT(unlink("etc/motd"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"etc", Dir()}}));
  EXPECT_EQ(upper().at("etc/.wh.motd").kind, Kind::kFile);
  EXPECT_FALSE(upper().has("etc/motd"));
  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{{"etc", Dir()}}));
}

TEST_P(MarkerUpperTest, NameMadeAgainTakesTheMarkerAway) {
  mount_marking({{"a", File("old")}});
  ASSERT_THAT(unlink("a"), Succeeds());

  EXPECT_THAT(write_file("a", "new"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("new")}}));
  EXPECT_FALSE(upper().has(".wh.a"));
}

TEST_P(MarkerUpperTest, DirectoryMadeAgainHoldsAnOpaqueMarker) {
  mount_marking({{"d", Dir()}, {"d/old", File("x")}});
  ASSERT_THAT(unlink("d/old"), Succeeds());
  ASSERT_THAT(rmdir("d"), Succeeds());

  EXPECT_THAT(mkdir("d"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}}));
  EXPECT_TRUE(upper().has("d/.wh..wh..opq"));
  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}}));
}

TEST_P(MarkerUpperTest, NamesBeginningLikeAMarkerAreRefused) {
  mount_marking({{"a", File("1")}});

  EXPECT_THAT(write_file(".wh.a", ""), FailsWith(EINVAL));
  EXPECT_THAT(mkdir(".wh.d"), FailsWith(EINVAL));
  EXPECT_THAT(rename("a", ".wh.b"), FailsWith(EINVAL));
  EXPECT_THAT(link("a", ".wh.c"), FailsWith(EINVAL));
  EXPECT_THAT(symlink("a", ".wh.s"), FailsWith(EINVAL));

  EXPECT_THAT(merged(), TreeIs(Tree{{"a", File("1")}}));
}

TEST_P(MarkerUpperTest, RenameLeavesAMarkerFile) {
  mount_marking({{"a", File("1")}});

  EXPECT_THAT(rename("a", "b"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("1")}}));
  EXPECT_TRUE(upper().has(".wh.a"));
  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("1")}}));
}

TEST_P(MarkerUpperTest, FormIsRememberedByTheUpper) {
  mount_marking({{"a", File("1")}, {"b", File("2")}});
  ASSERT_THAT(unlink("a"), Succeeds());

  unmount();
  const Finished again = run({veneer_program(), "mount", "--lower", l(0, ""),
                              "--upper", u(), "--work", work_path(), m()});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(unlink("b"), Succeeds());

  EXPECT_TRUE(upper().has(".wh.b"));
  EXPECT_EQ(run({veneer_program(), "umount", m()}).status, 0);
}

TEST_P(MarkerUpperTest, OpaqueMarkerLeavesTheTimesOfItsDirectory) {
  mount_marking({{"d", Dir()}, {"d/old", File("x")}});
  ASSERT_THAT(mkdir("new"), Succeeds());
  ASSERT_THAT(unlink("d/old"), Succeeds());
  ASSERT_THAT(rmdir("d"), Succeeds());
  ASSERT_THAT(lutimes("new", {1, 2}, {3, 4}), Succeeds());

  EXPECT_THAT(rename("new", "d"), Succeeds());

  EXPECT_TRUE(upper().has("d/.wh..wh..opq"));
  EXPECT_EQ(lstat("d").st_mtim.tv_sec, 3);
  EXPECT_EQ(lstat("d").st_mtim.tv_nsec, 4);
}

VENEER_ONLY(MarkerUpperTest);

}  // namespace
}  // namespace veneer::testing
