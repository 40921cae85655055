// SPDX-License-Identifier: MIT
//
// st_ino, st_dev and d_ino: one number for one object, for as long as the
// mode promises, and the same one wherever it is told.

#include <dirent.h>

#include <map>
#include <set>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

using Numbers = std::map<std::string, ino_t>;

class InodeNumbersTest : public OverlayTest {
 protected:
  [[nodiscard]] virtual std::vector<std::string> options() const { return {}; }

  void mount_layers(bool apart) {
    mount({.lower = {{{"d", Dir()},
                      {"d/low", File("1")},
                      {"d/sub", Dir()},
                      {"a", File("2")},
                      {"link", Symlink("a")}},
                     {{"d", Dir()}, {"d/deep", File("3")}, {"e", Dir()}}},
           .upper = {{"d", Dir()}, {"d/up", File("4")}, {"new", File("5")}},
           .apart = apart,
           .veneer_options = options()});
  }
  [[nodiscard]] Numbers numbers() const {
    Numbers result;
    for (const auto& [path, entry] : merged().entries()) {
      result[path] = entry.ino;
    }
    return result;
  }
};

// Row 2
TEST_P(InodeNumbersTest, FileKeepsItsNumberAcrossCopyUp) {
  mount_layers(true);
  const ino_t before = lstat("a").st_ino;

  ASSERT_THAT(append("a", "!"), Succeeds());

  EXPECT_EQ(lstat("a").st_ino, before);
  drop_caches();
  EXPECT_EQ(lstat("a").st_ino, before);
}

// Row 3
TEST_P(InodeNumbersTest, DirectoryKeepsItsNumberAcrossCopyUp) {
  mount_layers(true);
  const ino_t lower_only = lstat("e").st_ino;
  const ino_t merged_dir = lstat("d").st_ino;

  ASSERT_THAT(chmod("e", 0700), Succeeds());
  ASSERT_THAT(write_file("e/f", "x"), Succeeds());
  ASSERT_THAT(chmod("d", 0700), Succeeds());

  EXPECT_EQ(lstat("e").st_ino, lower_only);
  EXPECT_EQ(lstat("d").st_ino, merged_dir);
  drop_caches();
  EXPECT_EQ(lstat("e").st_ino, lower_only);
  EXPECT_EQ(lstat("d").st_ino, merged_dir);
}

// Row 4
TEST_P(InodeNumbersTest, EveryObjectHasTheDeviceOfTheMount) {
  mount_layers(true);
  const dev_t device = lstat("").st_dev;

  for (const auto& [path, entry] : merged().entries()) {
    EXPECT_EQ(entry.dev, device) << path;
  }
}

// Row 6
TEST_P(InodeNumbersTest, DifferentObjectsHaveDifferentNumbers) {
  mount_layers(true);

  const Numbers all = numbers();

  std::set<ino_t> distinct;
  for (const auto& [path, number] : all) distinct.insert(number);
  EXPECT_EQ(distinct.size(), all.size());
}

// Row 7
TEST_P(InodeNumbersTest, ListingTellsTheSameNumbersAsStat) {
  mount_layers(true);
  ASSERT_THAT(append("d/low", "!"), Succeeds());
  ASSERT_THAT(rename("a", "d/moved"), Succeeds());

  for (const char* path : {"", "d", "e"}) {
    DIR* dir = ::opendir(m(path).c_str());
    ASSERT_NE(dir, nullptr);
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string child = path[0] == 0 ? name : path + ("/" + name);
      EXPECT_EQ(entry->d_ino, lstat(child).st_ino) << child;
    }
    ::closedir(dir);
  }
}

TEST_P(InodeNumbersTest, RenameKeepsTheNumber) {
  mount_layers(true);
  const ino_t file = lstat("a").st_ino;
  const ino_t dir = lstat("d").st_ino;

  ASSERT_THAT(rename("a", "b"), Succeeds());
  ASSERT_THAT(rename("d", "dd"), Succeeds());

  EXPECT_EQ(lstat("b").st_ino, file);
  EXPECT_EQ(lstat("dd").st_ino, dir);
}

VENEER_ON_EVERY_TARGET(InodeNumbersTest);

class InodePersistenceTest : public InodeNumbersTest {};

// Row 5
TEST_P(InodePersistenceTest, NumbersAreTheSameAfterRemount) {
  mount_layers(true);
  ASSERT_THAT(append("a", "!"), Succeeds());
  ASSERT_THAT(rename("d/low", "renamed"), Succeeds());
  ASSERT_THAT(rename("d/sub", "renamed_dir"), Succeeds());
  ASSERT_THAT(write_file("made", "x"), Succeeds());
  ASSERT_THAT(mkdir("made_dir"), Succeeds());
  const Numbers before = numbers();

  remount();

  EXPECT_EQ(numbers(), before);
}

// Row 5
TEST_P(InodePersistenceTest, CopyUpAndRenameBeforeARemountKeepTheNumber) {
  mount_layers(true);
  const ino_t file = lstat("a").st_ino;
  const ino_t dir = lstat("d/sub").st_ino;

  ASSERT_THAT(append("a", "!"), Succeeds());
  ASSERT_THAT(rename("a", "b"), Succeeds());
  ASSERT_THAT(rename("d/sub", "e/sub"), Succeeds());
  remount();

  EXPECT_EQ(lstat("b").st_ino, file);
  EXPECT_EQ(lstat("e/sub").st_ino, dir);
}

VENEER_ON_EVERY_TARGET(InodePersistenceTest);

// Rows 2 to 7 with --inode-mode virtual: numbers count up, for this mount only.
class VirtualInodeTest : public InodeNumbersTest {
 protected:
  [[nodiscard]] std::vector<std::string> options() const override {
    return {"--inode-mode", "virtual"};
  }
};

TEST_P(VirtualInodeTest, NumbersAreSmallUniqueAndStable) {
  mount_layers(true);

  const Numbers before = numbers();
  std::set<ino_t> distinct;
  for (const auto& [path, number] : before) {
    distinct.insert(number);
    EXPECT_LT(number, 1000U) << path;
  }
  ASSERT_THAT(append("a", "!"), Succeeds());
  ASSERT_THAT(chmod("e", 0700), Succeeds());
  drop_caches();

  EXPECT_EQ(distinct.size(), before.size());
  const Fd held = open("d");
  EXPECT_EQ(lstat("d").st_ino, fstat_of(held).st_ino);
}

TEST_P(VirtualInodeTest, CopyUpAndRenameKeepTheNumber) {
  mount_layers(true);
  const Fd held = open("a");
  const ino_t before = fstat_of(held).st_ino;

  ASSERT_THAT(append("a", "!"), Succeeds());
  ASSERT_THAT(rename("a", "b"), Succeeds());

  EXPECT_EQ(lstat("b").st_ino, before);
  EXPECT_EQ(fstat_of(held).st_ino, before);
}

VENEER_ONLY(VirtualInodeTest);

// Rows 2 to 7 with --inode-mode persistent: a hash of the first path.
class PersistentInodeTest : public InodeNumbersTest {
 protected:
  [[nodiscard]] std::vector<std::string> options() const override {
    return {"--inode-mode", "persistent"};
  }
};

TEST_P(PersistentInodeTest, NumbersAreUnique) {
  mount_layers(true);

  const Numbers all = numbers();

  std::set<ino_t> distinct;
  for (const auto& [path, number] : all) distinct.insert(number);
  EXPECT_EQ(distinct.size(), all.size());
}

TEST_P(PersistentInodeTest, NumbersAreTheSameAfterRemount) {
  mount_layers(true);
  ASSERT_THAT(append("a", "!"), Succeeds());
  ASSERT_THAT(write_file("made", "x"), Succeeds());
  const Numbers before = numbers();

  remount();

  EXPECT_EQ(numbers(), before);
}

TEST_P(PersistentInodeTest, RenamedAndCopiedUpFileKeepsItsNumberForEver) {
  mount_layers(true);
  const ino_t file = lstat("a").st_ino;
  const ino_t dir = lstat("d").st_ino;

  ASSERT_THAT(append("a", "!"), Succeeds());
  ASSERT_THAT(rename("a", "b"), Succeeds());
  ASSERT_THAT(rename("d", "dd"), Succeeds());
  remount();

  EXPECT_EQ(lstat("b").st_ino, file);
  EXPECT_EQ(lstat("dd").st_ino, dir);
}

TEST_P(PersistentInodeTest, NewFileAtAnOldPathIsAnotherObject) {
  mount_layers(true);
  const Fd held = open("a");
  ASSERT_THAT(rename("a", "b"), Succeeds());

  ASSERT_THAT(write_file("a", "other"), Succeeds());

  EXPECT_NE(lstat("a").st_ino, lstat("b").st_ino);
  EXPECT_EQ(fstat_of(held).st_ino, lstat("b").st_ino);
  EXPECT_EQ(pread_all(held), "2");
}

VENEER_ONLY(PersistentInodeTest);

// Row 57: kernel overlayfs tells 1 of every merged or copied-up directory.
class DirectoryLinksTest : public OverlayTest {};

TEST_P(DirectoryLinksTest, CountIsTwoAndOneForEachSubdirectory) {
  mount({.lower = {{{"d", Dir()}, {"d/a", Dir()}, {"d/f", File()}},
                   {{"d", Dir()}, {"d/a", Dir()}, {"d/b", Dir()}}},
         .upper = {{"d", Dir()}, {"d/c", Dir()}, {"d/b", Whiteout()}}});

  EXPECT_EQ(lstat("d").st_nlink, 4U) << "a and c";
  EXPECT_EQ(lstat("").st_nlink, 3U);
  EXPECT_EQ(lstat("d/a").st_nlink, 2U);
}

// Row 57
TEST_P(DirectoryLinksTest, CountFollowsMkdirRmdirAndRename) {
  mount({.lower = {{{"d", Dir()}, {"d/a", Dir()}, {"e", Dir()}}}, .upper = {}});
  EXPECT_EQ(lstat("d").st_nlink, 3U);

  ASSERT_THAT(mkdir("d/n"), Succeeds());
  EXPECT_EQ(lstat("d").st_nlink, 4U);
  ASSERT_THAT(rename("d/a", "e/a"), Succeeds());
  EXPECT_EQ(lstat("d").st_nlink, 3U);
  EXPECT_EQ(lstat("e").st_nlink, 3U);
  ASSERT_THAT(rmdir("d/n"), Succeeds());
  EXPECT_EQ(lstat("d").st_nlink, 2U);
  remount();
  EXPECT_EQ(lstat("d").st_nlink, 2U);
  EXPECT_EQ(lstat("e").st_nlink, 3U);
}

VENEER_ONLY(DirectoryLinksTest);

}  // namespace
}  // namespace veneer::testing
