// SPDX-License-Identifier: MIT
//
// Time stamps: nanoseconds, before 1970 and after 2038, each by itself, birth
// time included; and reading that never marks a lower layer.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr time_t kLongAgo = 1'000'000'000;
constexpr time_t kBefore1970 = -86'400;
constexpr time_t kAfter2038 = 4'000'000'000;

class TimesTest : public OverlayTest {
 protected:
  static struct statx birth_of(const std::string& path) {
    struct statx status{};
    EXPECT_THAT(::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW,
                        STATX_BASIC_STATS | STATX_BTIME, &status),
                Succeeds());
    return status;
  }
};

// Row 54
TEST_P(TimesTest, NanosecondsAreKeptByCopyUp) {
  mount({.lower = {{{"f", File("x").mtime(kLongAgo, 123'456'789)}}},
         .upper = {}});

  EXPECT_EQ(lstat("f").st_mtim.tv_nsec, 123'456'789);
  EXPECT_THAT(chmod("f", 0600), Succeeds());

  EXPECT_EQ(lstat("f").st_mtim.tv_sec, kLongAgo);
  EXPECT_EQ(lstat("f").st_mtim.tv_nsec, 123'456'789);
}

// Row 54
TEST_P(TimesTest, BeforeTheEpochAndAfter2038AreSetAndKept) {
  mount({.lower = {{{"old", File("x").mtime(kBefore1970, 5)},
                    {"new", File("x").mtime(kAfter2038, 6)},
                    {"set", File("x")}}},
         .upper = {}});

  EXPECT_EQ(lstat("old").st_mtim.tv_sec, kBefore1970);
  EXPECT_EQ(lstat("new").st_mtim.tv_sec, kAfter2038);
  EXPECT_THAT(chmod("old", 0600), Succeeds());
  EXPECT_THAT(chmod("new", 0600), Succeeds());
  EXPECT_THAT(lutimes("set", {kBefore1970, 1}, {kAfter2038, 2}), Succeeds());

  EXPECT_EQ(lstat("old").st_mtim.tv_sec, kBefore1970);
  EXPECT_EQ(lstat("old").st_mtim.tv_nsec, 5);
  EXPECT_EQ(lstat("new").st_mtim.tv_sec, kAfter2038);
  EXPECT_EQ(lstat("set").st_atim.tv_sec, kBefore1970);
  EXPECT_EQ(lstat("set").st_mtim.tv_sec, kAfter2038);
  remount();
  EXPECT_EQ(lstat("set").st_mtim.tv_sec, kAfter2038);
  EXPECT_EQ(lstat("set").st_mtim.tv_nsec, 2);
}

// Row 54
TEST_P(TimesTest, SettingAccessTimeAloneKeepsModificationTime) {
  mount({.lower = {{{"f", File("x").mtime(kLongAgo, 7)}}}, .upper = {}});

  EXPECT_THAT(lutimes("f", {kLongAgo + 5, 9}, {0, UTIME_OMIT}), Succeeds());

  EXPECT_EQ(lstat("f").st_atim.tv_sec, kLongAgo + 5);
  EXPECT_EQ(lstat("f").st_mtim.tv_sec, kLongAgo);
  EXPECT_EQ(lstat("f").st_mtim.tv_nsec, 7);
}

// Row 54
TEST_P(TimesTest, SettingModificationTimeAloneKeepsAccessTime) {
  mount({.lower = {{{"f", File("x").mtime(kLongAgo, 7)}}}, .upper = {}});

  EXPECT_THAT(lutimes("f", {0, UTIME_OMIT}, {kLongAgo + 5, 9}), Succeeds());

  EXPECT_EQ(lstat("f").st_atim.tv_sec, kLongAgo);
  EXPECT_EQ(lstat("f").st_mtim.tv_sec, kLongAgo + 5);
}

TEST_P(TimesTest, NowIsNow) {
  mount({.lower = {{{"f", File("x").mtime(kLongAgo)}}}, .upper = {}});
  const time_t before = ::time(nullptr);

  EXPECT_THAT(lutimes("f", {0, UTIME_NOW}, {0, UTIME_NOW}), Succeeds());

  EXPECT_GE(lstat("f").st_mtime, before);
  EXPECT_GE(lstat("f").st_atime, before);
}

TEST_P(TimesTest, WriteAdvancesModificationAndChangeTime) {
  mount({.lower = {{{"f", File("x").mtime(kLongAgo)}}}, .upper = {}});
  const time_t before = ::time(nullptr);

  EXPECT_THAT(append("f", "y"), Succeeds());

  EXPECT_GE(lstat("f").st_mtime, before);
  EXPECT_GE(lstat("f").st_ctime, before);
}

TEST_P(TimesTest, ChmodAdvancesChangeTimeOnly) {
  mount({.lower = {{{"f", File("x").mtime(kLongAgo)}}}, .upper = {}});
  const time_t before = ::time(nullptr);

  EXPECT_THAT(chmod("f", 0600), Succeeds());

  EXPECT_GE(lstat("f").st_ctime, before);
  EXPECT_EQ(lstat("f").st_mtime, kLongAgo);
}

TEST_P(TimesTest, CopyUpOfAFileKeepsItsDirectorysTimes) {
  mount({.lower = {{{"d", Dir().mtime(kLongAgo, 3)}, {"d/f", File("x")}}},
         .upper = {}});

  EXPECT_THAT(append("d/f", "y"), Succeeds());

  EXPECT_EQ(lstat("d").st_mtim.tv_sec, kLongAgo);
  EXPECT_EQ(lstat("d").st_mtim.tv_nsec, 3);
}

// Row 55
TEST_P(TimesTest, BirthTimeOfALowerFileIsItsOwn) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});

  const struct statx lower_birth = birth_of(l(0, "f"));
  const struct statx merged_birth = birth_of(m("f"));

  ASSERT_TRUE(merged_birth.stx_mask & STATX_BTIME);
  EXPECT_EQ(merged_birth.stx_btime.tv_sec, lower_birth.stx_btime.tv_sec);
  EXPECT_EQ(merged_birth.stx_btime.tv_nsec, lower_birth.stx_btime.tv_nsec);
}

// Row 55
TEST_P(TimesTest, BirthTimeOfANewFileIsWhenItWasMade) {
  mount({.lower = {{}}, .upper = {}});
  const time_t before = ::time(nullptr);
  ASSERT_THAT(write_file("f", "x"), Succeeds());
  ASSERT_THAT(lutimes("f", {1, 0}, {1, 0}), Succeeds());

  const struct statx birth = birth_of(m("f"));

  ASSERT_TRUE(birth.stx_mask & STATX_BTIME);
  EXPECT_GE(birth.stx_btime.tv_sec, before);
  EXPECT_LE(birth.stx_btime.tv_sec, ::time(nullptr));
}

// Row 56
TEST_P(TimesTest, ReadingAdvancesTheAccessTimeOfAnUpperFile) {
  mount({.lower = {{}}, .upper = {{"f", File("x").mtime(kLongAgo)}}});

  EXPECT_EQ(read_file("f"), "x");

  EXPECT_GT(lstat("f").st_atime, kLongAgo);
}

// Row 56: that the layers' access times stay is checked when each test ends.
TEST_P(TimesTest, LookingAtEverythingLeavesTheLowerLayerUnmarked) {
  mount({.lower = {{{"d", Dir().mtime(kLongAgo)},
                    {"d/f", File(std::string(200'000, 'x')).mtime(kLongAgo)},
                    {"d/s", Symlink("f").mtime(kLongAgo)},
                    {"d/fifo", Fifo().mtime(kLongAgo)}}},
         .upper = {}});

  EXPECT_THAT(list("d"), ::testing::SizeIs(3));
  EXPECT_EQ(read_file("d/s").size(), 200'000U);
  EXPECT_EQ(readlink("d/s"), "f");
  EXPECT_THAT(listxattr("d/f"), ::testing::IsEmpty());
  drop_caches();
  EXPECT_EQ(read_file("d/f").size(), 200'000U);
  EXPECT_EQ(lower(0).at("d/f").accessed.tv_sec, kLongAgo);
  EXPECT_EQ(lower(0).at("d/s").accessed.tv_sec, kLongAgo);
}

VENEER_ON_EVERY_TARGET(TimesTest);

}  // namespace
}  // namespace veneer::testing
