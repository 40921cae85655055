// SPDX-License-Identifier: MIT
//
// One format on disk, two implementations: what is done under one is seen
// under the other. Each test makes changes under its target, unmounts, mounts
// the same layers with the other program and compares the merged trees:
// contents, modes, owners, times, xattrs, link counts and link groups. Then it
// changes everything there, goes back to the first, and compares again.

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>

#include "test/support/acl.h"
#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class InteropTest : public OverlayTest {
 protected:
  void SetUp() override {
    OverlayTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (veneer_program().empty()) {
      VENEER_SKIP_WITHOUT("the program veneer (build it, or set VENEER_BIN)");
    }
    first_ = target();
    other_ = is_veneer() ? Target::kKernel : Target::kVeneer;
  }

  // A change to every file and directory of the merged tree.
  void change_everything() {
    const Tree tree = merged();
    for (const auto& [path, entry] : tree.entries()) {
      if (path.empty()) continue;
      if (entry.kind == Kind::kFile) {
        EXPECT_THAT(append(path, "+"), Succeeds()) << path;
      } else if (entry.kind == Kind::kDir) {
        EXPECT_THAT(mkdir(path + "/made"), Succeeds()) << path;
      }
      EXPECT_THAT(lchown(path, 31, 32), Succeeds()) << path;
    }
  }

  void expect_same_under_both() {
    const Tree here = merged();
    remount_as(other_);
    EXPECT_EQ(differences(here, merged()), "")
        << "seen by " << target_name(other_);
    remount_as(first_);
    EXPECT_EQ(differences(here, merged(), {.ino = true}), "")
        << "seen by " << target_name(first_) << " after the other one";

    remount_as(other_);
    change_everything();
    const Tree there = merged();
    remount_as(first_);
    EXPECT_EQ(differences(there, merged()), "")
        << "changed by " << target_name(other_) << ", seen by "
        << target_name(first_);
  }

 private:
  Target first_ = Target::kKernel;
  Target other_ = Target::kKernel;
};

TEST_P(InteropTest, UntouchedLayersLookTheSame) {
  mount({.lower = {{{"a", File("1").mode(0640).owner(1, 2).mtime(5, 6)},
                    {"d", Dir().mode(02750).xattr("user.x", "1")},
                    {"d/s", Symlink("../a")}},
                   {{"d", Dir()},
                    {"d/low", File("2")},
                    {"fifo", Fifo()},
                    {"null", CharDev(1, 3)}}},
         .upper = {{"up", File("3")}}});

  expect_same_under_both();
}

TEST_P(InteropTest, CopyUpLooksTheSame) {
  mount({.lower = {{{"d", Dir().mode(0711).owner(3, 4).mtime(5, 6)},
                    {"d/f",
                     File("x").mode(0640).owner(1, 2).xattr("user.a", "1")}}},
         .upper = {}});

  ASSERT_THAT(append("d/f", "y"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, WhiteoutsLookTheSame) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}, {"d", Dir()}},
                   {{"d", Dir()}, {"d/x", File("3")}, {"e", Dir()}}},
         .upper = {}});

  ASSERT_THAT(unlink("a"), Succeeds());
  ASSERT_THAT(unlink("d/x"), Succeeds());
  ASSERT_THAT(rmdir("e"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, OpaqueDirectoryLooksTheSame) {
  mount({.lower = {{{"d", Dir()}, {"d/old", File("1")}, {"d/s", Dir()}}},
         .upper = {}});
  ASSERT_THAT(unlink("d/old"), Succeeds());
  ASSERT_THAT(rmdir("d/s"), Succeeds());
  ASSERT_THAT(rmdir("d"), Succeeds());

  ASSERT_THAT(mkdir("d", 0700), Succeeds());
  ASSERT_THAT(write_file("d/new", "2"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, RenamedLowerDirectoryLooksTheSame) {
  mount({.lower = {{{"p", Dir()},
                    {"p/d", Dir()},
                    {"p/d/f", File("1")},
                    {"p/d/s", Dir()},
                    {"p/d/s/g", File("2")},
                    {"q", Dir()}}},
         .upper = {}});

  ASSERT_THAT(rename("p/d", "p/e"), Succeeds());
  ASSERT_THAT(rename("p/e/s", "q/t"), Succeeds());
  ASSERT_THAT(rename("p", "r"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, RenamedMergedDirectoryLooksTheSame) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}},
                   {{"d", Dir()}, {"d/b", File("2")}, {"d/c", File("3")}}},
         .upper = {{"d", Dir()}, {"d/up", File("4")}}});
  ASSERT_THAT(unlink("d/c"), Succeeds());

  ASSERT_THAT(rename("d", "e"), Succeeds());
  ASSERT_THAT(mkdir("d"), Succeeds());
  ASSERT_THAT(write_file("d/fresh", "5"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, MetadataOnlyCopyLooksTheSame) {
  mount({.lower = {{{"d", Dir()},
                    {"d/f", File("data below").mtime(5, 6)},
                    {"g", File(std::string(300'000, 'g'))}}},
         .upper = {}});

  ASSERT_THAT(chmod("d/f", 0600), Succeeds());
  ASSERT_THAT(lchown("g", 7, 8), Succeeds());
  ASSERT_THAT(setxattr("g", "user.k", "v"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, MetadataOnlyCopyThatMovedLooksTheSame) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("data below")}, {"e", Dir()}}},
         .upper = {}});

  ASSERT_THAT(chmod("d/f", 0600), Succeeds());
  ASSERT_THAT(rename("d/f", "e/g"), Succeeds());
  ASSERT_THAT(rename("e", "h"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, MetadataOnlyCopyFilledLaterLooksTheSame) {
  mount({.lower = {{{"f", File("data below").mtime(5, 6)}}}, .upper = {}});
  ASSERT_THAT(chmod("f", 0600), Succeeds());

  ASSERT_THAT(append("f", " and above"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, HardLinksOverCopyUpLookTheSame) {
  mount({.lower = {{{"a", File("1")},
                    {"b", HardLink("a")},
                    {"d", Dir()},
                    {"d/c", HardLink("a")}}},
         .upper = {}});

  ASSERT_THAT(append("b", "2"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, HardLinksAddedAndRemovedLookTheSame) {
  mount({.lower = {{{"a", File("1")},
                    {"b", HardLink("a")},
                    {"d", Dir()},
                    {"d/c", HardLink("a")},
                    {"single", File("s")}}},
         .upper = {}});

  ASSERT_THAT(unlink("a"), Succeeds());
  ASSERT_THAT(link("d/c", "e"), Succeeds());
  ASSERT_THAT(chmod("e", 0600), Succeeds());
  ASSERT_THAT(link("single", "double"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, TypeChangesLookTheSame) {
  mount({.lower = {{{"file", File("1")},
                    {"dir", Dir()},
                    {"dir/f", File("2")},
                    {"link", Symlink("file")}}},
         .upper = {}});

  ASSERT_THAT(unlink("file"), Succeeds());
  ASSERT_THAT(mkdir("file"), Succeeds());
  ASSERT_THAT(unlink("dir/f"), Succeeds());
  ASSERT_THAT(rmdir("dir"), Succeeds());
  ASSERT_THAT(symlink("file", "dir"), Succeeds());
  ASSERT_THAT(unlink("link"), Succeeds());
  ASSERT_THAT(mknod("link", S_IFIFO | 0600), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, XattrsAndListsLookTheSame) {
  const std::string list = acl({{AclEntry::kOwner, 6},
                                {AclEntry::kUser, 4, 4711},
                                {AclEntry::kGroup, 0},
                                {AclEntry::kMask, 4},
                                {AclEntry::kOther, 0}});
  mount({.lower = {{{"f", File("x").xattr("user.a", "1").xattr("user.e", "")},
                    {"d", Dir().xattr(kDefaultAcl, list)}}},
         .upper = {}});

  ASSERT_THAT(setxattr("f", "user.b", "2"), Succeeds());
  ASSERT_THAT(removexattr("f", "user.a"), Succeeds());
  ASSERT_THAT(setxattr("f", kAccessAcl, list), Succeeds());
  ASSERT_THAT(write_file("d/inherits", "x"), Succeeds());
  ASSERT_THAT(setxattr("f", "trusted.overlay.mine", "escaped"), Succeeds());
  ASSERT_THAT(setxattr("d", "trusted.overlay.opaque", "y"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, SpecialFilesLookTheSame) {
  mount({.lower = {{{"fifo", Fifo()},
                    {"sock", Socket()},
                    {"char", CharDev(1, 3)},
                    {"block", BlockDev(7, 200)}}},
         .upper = {}});

  ASSERT_THAT(chmod("fifo", 0600), Succeeds());
  ASSERT_THAT(lchown("sock", 1, 2), Succeeds());
  ASSERT_THAT(rename("char", "moved"), Succeeds());
  ASSERT_THAT(unlink("block"), Succeeds());
  ASSERT_THAT(mknod("new", S_IFBLK | 0600, makedev(7, 201)), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, SymlinksLookTheSame) {
  mount({.lower = {{{"s", Symlink("/no/where").mtime(5, 6)},
                    {"t", Symlink("s")},
                    {"d", Dir()}}},
         .upper = {}});

  ASSERT_THAT(lchown("s", 1, 2), Succeeds());
  ASSERT_THAT(rename("t", "d/t"), Succeeds());
  ASSERT_THAT(symlink("new", "d/n"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, ExchangesLookTheSame) {
  mount({.lower = {{{"f", File("1")},
                    {"g", File("2")},
                    {"d", Dir()},
                    {"d/x", File("3")},
                    {"e", Dir()},
                    {"e/y", File("4")}}},
         .upper = {{"up", Dir()}, {"up/z", File("5")}}});

  ASSERT_THAT(rename("f", "g", RENAME_EXCHANGE), Succeeds());
  ASSERT_THAT(rename("d", "e", RENAME_EXCHANGE), Succeeds());
  ASSERT_THAT(rename("up", "e", RENAME_EXCHANGE), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, RenameOntoRemovedNamesLooksTheSame) {
  mount({.lower = {{{"d", Dir()},
                    {"d/old", File("1")},
                    {"f", File("2")},
                    {"src", Dir()},
                    {"src/in", File("3")}}},
         .upper = {}});
  ASSERT_THAT(unlink("d/old"), Succeeds());

  ASSERT_THAT(rename("src", "d"), Succeeds());
  ASSERT_THAT(rename("f", "src"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, TimesLookTheSame) {
  mount({.lower = {{{"f", File("x")}, {"d", Dir()}, {"s", Symlink("f")}}},
         .upper = {}});

  ASSERT_THAT(lutimes("f", {-5, 1}, {4'000'000'000, 2}), Succeeds());
  ASSERT_THAT(lutimes("d", {1, 1}, {-86'400, 999'999'999}), Succeeds());
  ASSERT_THAT(lutimes("s", {1, 1}, {2, 2}), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, SparseAndTruncatedFilesLookTheSame) {
  mount({.lower = {{{"f", File(std::string(100'000, 'f'))},
                    {"g", File(std::string(100'000, 'g'))}}},
         .upper = {}});

  ASSERT_THAT(truncate("f", 12'345), Succeeds());
  ASSERT_THAT(truncate("f", 1 << 20), Succeeds());
  ASSERT_THAT(truncate("g", 0), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, NamesOfAnyBytesLookTheSame) {
  const std::string bytes = "\xff\x01 \n";
  const std::string longest(255, 'n');
  mount({.lower = {{{bytes, File("1")}, {longest, Dir()}}}, .upper = {}});

  ASSERT_THAT(append(bytes, "2"), Succeeds());
  ASSERT_THAT(rename(longest, bytes + "d"), Succeeds());
  ASSERT_THAT(write_file(".wh.file", ""), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, LayersOnDifferentDisksLookTheSame) {
  mount({.lower = {{{"a", File("1")},
                    {"b", HardLink("a")},
                    {"d", Dir()},
                    {"d/f", File("2")}},
                   {{"d", Dir()}, {"d/g", File("3")}}},
         .upper = {},
         .apart = true});

  ASSERT_THAT(append("a", "+"), Succeeds());
  ASSERT_THAT(chmod("d/f", 0600), Succeeds());
  ASSERT_THAT(rename("d/f", "f"), Succeeds());
  ASSERT_THAT(rename("d", "e"), Succeeds());

  expect_same_under_both();
}

TEST_P(InteropTest, LayersOnXfsLookTheSame) {
  mount({.lower = {{{"a", File("1")},
                    {"b", HardLink("a")},
                    {"d", Dir()},
                    {"d/f", File(std::string(500'000, 'f'))}}},
         .upper = {},
         .disk = DiskKind::kXfs});

  ASSERT_THAT(append("b", "+"), Succeeds());
  ASSERT_THAT(append("d/f", "+"), Succeeds());
  ASSERT_THAT(chmod("a", 0600), Succeeds());
  ASSERT_THAT(rename("d", "e"), Succeeds());

  expect_same_under_both();
}

VENEER_ON_EVERY_TARGET(InteropTest);

}  // namespace
}  // namespace veneer::testing
