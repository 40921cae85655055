// SPDX-License-Identifier: MIT
//
// Listing directories: each name of the merged tree once, whatever changes
// meanwhile, and positions that can be returned to.

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <set>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using DirStream = std::unique_ptr<DIR, CloseDir>;

Tree numbered_files(const std::string& prefix, int count) {
  Tree tree;
  for (int i = 0; i < count; ++i) {
    tree.set(prefix + std::to_string(i), File());
  }
  return tree;
}

bool is_dot(const std::string& name) { return name == "." || name == ".."; }

// The names from where the stream stands, with how often each was seen.
std::map<std::string, int> count_names(const DirStream& dir) {
  std::map<std::string, int> seen;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (!is_dot(entry->d_name)) ++seen[entry->d_name];
  }
  return seen;
}

class ReaddirTest : public OverlayTest {
 protected:
  DirStream open_dir(const std::string& path = "") {
    return DirStream(::opendir(m(path).c_str()));
  }
};

TEST_P(ReaddirTest, NamesOfEveryLayerAppearOnce) {
  mount({.lower = {{{"a", File()}, {"both", File()}},
                   {{"b", File()}, {"both", File()}, {"up", File()}}},
         .upper = {{"up", File()}, {"new", Dir()}}});

  EXPECT_THAT(list(), ::testing::ElementsAre("a", "b", "both", "new", "up"));
}

// Row 19
TEST_P(ReaddirTest, UnlinkingEachEntryWhileReadingRemovesAll) {
  mount({.lower = {numbered_files("low", 2500)},
         .upper = numbered_files("up", 2500)});
  const DirStream dir = open_dir();
  int removed = 0;

  while (const dirent* entry = ::readdir(dir.get())) {
    if (is_dot(entry->d_name)) continue;
    ASSERT_THAT(unlink(entry->d_name), Succeeds()) << entry->d_name;
    ++removed;
  }

  EXPECT_EQ(removed, 5000);
  EXPECT_THAT(list(), ::testing::IsEmpty());
}

TEST_P(ReaddirTest, TwentyThousandNamesAppearOnceEach) {
  mount({.lower = {numbered_files("low", 10'000)},
         .upper = numbered_files("up", 10'000)});

  const std::vector<std::string> names = list();

  EXPECT_EQ(names.size(), 20'000U);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 20'000U);
}

// Row 20
TEST_P(ReaddirTest, SeekdirReturnsToWhereTelldirWas) {
  mount({.lower = {numbered_files("low", 200)},
         .upper = numbered_files("up", 200)});
  const DirStream dir = open_dir();
  std::vector<std::pair<long, std::string>> positions;
  while (true) {
    const long at = ::telldir(dir.get());
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    positions.emplace_back(at, entry->d_name);
  }

  for (auto it = positions.rbegin(); it != positions.rend(); ++it) {
    ::seekdir(dir.get(), it->first);
    const dirent* entry = ::readdir(dir.get());
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(std::string(entry->d_name), it->second);
  }
}

// Row 20
TEST_P(ReaddirTest, UntouchedNamesAppearOnceWhileOthersComeAndGo) {
  mount({.lower = {numbered_files("stay", 1000)},
         .upper = numbered_files("go", 1000)});
  const DirStream dir = open_dir();
  std::map<std::string, int> seen;
  int step = 0;

  while (const dirent* entry = ::readdir(dir.get())) {
    ++seen[entry->d_name];
    if (step < 1000) {
      const std::string number = std::to_string(step);
      ASSERT_THAT(unlink("go" + number), Succeeds());
      ASSERT_THAT(write_file("come" + number, ""), Succeeds());
    }
    ++step;
  }

  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(seen["stay" + std::to_string(i)], 1) << i;
  }
  for (const auto& [name, times] : seen) EXPECT_LE(times, 1) << name;
}

TEST_P(ReaddirTest, RewinddirShowsWhatWasMadeMeanwhile) {
  mount({.lower = {{{"a", File()}}}, .upper = {}});
  const DirStream dir = open_dir();
  EXPECT_EQ(count_names(dir).size(), 1U);

  ASSERT_THAT(write_file("b", ""), Succeeds());
  ::rewinddir(dir.get());

  EXPECT_EQ(count_names(dir), (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
}

TEST_P(ReaddirTest, DotAndDotDotAreListedWithTheirNumbers) {
  mount({.lower = {{{"d", Dir()}, {"d/e", Dir()}}}, .upper = {}});
  const DirStream dir = open_dir("d/e");
  std::map<std::string, ino_t> numbers;

  while (const dirent* entry = ::readdir(dir.get())) {
    numbers[entry->d_name] = entry->d_ino;
  }

  EXPECT_EQ(numbers["."], lstat("d/e").st_ino);
  EXPECT_EQ(numbers[".."], lstat("d").st_ino);
}

TEST_P(ReaddirTest, TypesAreThoseOfTheEntries) {
  mount({.lower = {{{"dir", Dir()},
                    {"file", File()},
                    {"link", Symlink("x")},
                    {"fifo", Fifo()},
                    {"null", CharDev(1, 3)}}},
         .upper = {{"sock", Socket()}, {"block", BlockDev(7, 0)}}});
  const DirStream dir = open_dir();
  std::map<std::string, int> types;

  while (const dirent* entry = ::readdir(dir.get())) {
    if (!is_dot(entry->d_name)) types[entry->d_name] = entry->d_type;
  }

  EXPECT_EQ(types, (std::map<std::string, int>{{"dir", DT_DIR},
                                               {"file", DT_REG},
                                               {"link", DT_LNK},
                                               {"fifo", DT_FIFO},
                                               {"null", DT_CHR},
                                               {"sock", DT_SOCK},
                                               {"block", DT_BLK}}));
}

TEST_P(ReaddirTest, RemovedDirectoryStillOpenListsNothing) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}});
  const DirStream dir = open_dir("d");

  ASSERT_THAT(rmdir("d"), Succeeds());

  EXPECT_TRUE(count_names(dir).empty());
}

// Row 22
TEST_P(ReaddirTest, WhiteoutIsNeitherListedNorFound) {
  mount({.lower = {{{"b", Whiteout()}, {"keep", File()}},
                   {{"a", File()}, {"b", File()}}},
         .upper = {{"a", Whiteout()}}});

  EXPECT_THAT(list(), ::testing::ElementsAre("keep"));
  EXPECT_THAT(lstat_status("a"), FailsWith(ENOENT));
  EXPECT_THAT(lstat_status("b"), FailsWith(ENOENT));
  EXPECT_THAT(try_open("a", O_RDONLY), FailsWith(ENOENT));
}

TEST_P(ReaddirTest, CreatedAndRemovedNamesShowAtOnce) {
  mount({.lower = {{{"a", File()}, {"b", File()}}}, .upper = {}});
  EXPECT_THAT(list(), ::testing::ElementsAre("a", "b"));

  ASSERT_THAT(write_file("c", ""), Succeeds());
  EXPECT_THAT(list(), ::testing::ElementsAre("a", "b", "c"));
  ASSERT_THAT(unlink("a"), Succeeds());
  EXPECT_THAT(list(), ::testing::ElementsAre("b", "c"));
  ASSERT_THAT(rename("b", "z"), Succeeds());
  EXPECT_THAT(list(), ::testing::ElementsAre("c", "z"));
}

VENEER_ON_EVERY_TARGET(ReaddirTest);

// Row 21: kernel overlayfs counts positions in the list of one open, so its
// cookies mean nothing to another open, and nothing after a remount.
class ReaddirCookieTest : public OverlayTest {
 protected:
  struct Part {
    std::set<std::string> names;
    off_t cookie = 0;
  };
  // The names up to `limit`, starting at `cookie`, and the cookie after them.
  Part read_from(off_t cookie, std::size_t limit) {
    const DirStream dir(::opendir(m().c_str()));
    ::lseek(::dirfd(dir.get()), cookie, SEEK_SET);
    Part part{{}, cookie};
    while (part.names.size() < limit) {
      const dirent* entry = ::readdir(dir.get());
      if (entry == nullptr) break;
      if (!is_dot(entry->d_name)) part.names.insert(entry->d_name);
      part.cookie = entry->d_off;
    }
    return part;
  }
  // All 200 names, from the two halves of a listing.
  static void expect_whole(const Part& first, const Part& rest) {
    EXPECT_EQ(first.names.size(), 60U);
    EXPECT_EQ(rest.names.size(), 140U);
    std::set<std::string> all = first.names;
    all.insert(rest.names.begin(), rest.names.end());
    EXPECT_EQ(all.size(), 200U) << "the halves share names";
  }
};

TEST_P(ReaddirCookieTest, IsValidInAnotherOpen) {
  mount({.lower = {numbered_files("low", 100)},
         .upper = numbered_files("up", 100)});

  const Part first = read_from(0, 60);
  const Part rest = read_from(first.cookie, 1000);

  expect_whole(first, rest);
}

TEST_P(ReaddirCookieTest, IsValidAfterDroppedCaches) {
  mount({.lower = {numbered_files("low", 100)},
         .upper = numbered_files("up", 100)});

  const Part first = read_from(0, 60);
  drop_caches();
  const Part rest = read_from(first.cookie, 1000);

  expect_whole(first, rest);
}

TEST_P(ReaddirCookieTest, IsValidAfterRemount) {
  mount({.lower = {numbered_files("low", 100)},
         .upper = numbered_files("up", 100)});

  const Part first = read_from(0, 60);
  remount();
  const Part rest = read_from(first.cookie, 1000);

  expect_whole(first, rest);
}

TEST_P(ReaddirCookieTest, IsValidAfterChangesAndRemount) {
  mount({.lower = {numbered_files("low", 100)},
         .upper = numbered_files("up", 100)});

  const Part first = read_from(0, 60);
  for (const std::string& name : first.names) {
    ASSERT_THAT(unlink(name), Succeeds());
  }
  remount();
  const Part rest = read_from(first.cookie, 1000);

  expect_whole(first, rest);
}

VENEER_ONLY(ReaddirCookieTest);

}  // namespace
}  // namespace veneer::testing
