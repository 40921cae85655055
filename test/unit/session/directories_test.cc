// SPDX-License-Identifier: MIT
//
// What is made for an overlay, and that a failure or a discard removes exactly
// that.

#include "session/directories.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "session/finish.h"
#include "session/manifest.h"
#include "sys/open.h"
#include "test/unit/session/scratch.h"

namespace veneer::session {
namespace {

// As OverlayFS does it.
Result<void> discard_at(const std::string& upper, const std::string& work) {
  TRY_ASSIGN(const auto session, session_at(upper, work));
  if (session) TRY(discard(*session, {}));
  return {};
}

class DirectoriesTest : public ScratchTest {
 protected:
  Plan default_plan() {
    Config config;
    config.lowers = {dir("base")};
    auto plan = make_plan(config);
    EXPECT_TRUE(plan);
    return *plan;
  }

  // As a mount leaves it in the work directory.
  void record(bool made_upper, bool upper_was_empty, bool made_work = true) {
    Manifest manifest;
    manifest.lowers = {path("base")};
    manifest.upper = path("upper");
    manifest.work = path("work");
    manifest.mount_point = path("mount");
    manifest.made_upper = made_upper;
    manifest.made_work = made_work;
    manifest.made_mount_point = true;
    manifest.upper_was_empty = upper_was_empty;
    dir("work/work/left");
    dir("work/index");
    dir("mount");
    const auto work = sys::open_dir(path("work"));
    ASSERT_TRUE(work);
    ASSERT_TRUE(write_manifest(work->get(), manifest));
  }
};

TEST_F(DirectoriesTest, MissingOnesAreMadeAndStayIfKept) {
  const Plan plan = default_plan();

  {
    auto made = MadeDirectories::make(plan);
    ASSERT_TRUE(made);
    made->keep();
  }

  EXPECT_TRUE(exists("base.upper") && exists("base.work") &&
              exists("base.mountpoint"));
}

TEST_F(DirectoriesTest, NotKeptTheyAreGoneAgain) {
  const Plan plan = default_plan();

  {
    const auto made = MadeDirectories::make(plan);
    ASSERT_TRUE(made);
    dir("base.work/work/left");  // as opening an upper does
  }

  EXPECT_FALSE(exists("base.upper") || exists("base.work") ||
               exists("base.mountpoint"));
}

TEST_F(DirectoriesTest, ExistingOnesAreNeverRemoved) {
  dir("base.upper");
  dir("base.work");
  dir("base.mountpoint");
  const Plan plan = default_plan();

  {
    const auto made = MadeDirectories::make(plan);
    ASSERT_TRUE(made);
    dir("base.work/work");
  }

  EXPECT_TRUE(exists("base.upper") && exists("base.mountpoint"));
  EXPECT_TRUE(exists("base.work"));
  EXPECT_FALSE(exists("base.work/work"));
}

TEST_F(DirectoriesTest, WorkDirectoryInUseBeforeKeepsItsContents) {
  dir("base.work/index/entry");
  const Plan plan = default_plan();

  {
    ASSERT_TRUE(MadeDirectories::make(plan));
  }

  EXPECT_TRUE(exists("base.work/index/entry"));
}

TEST_F(DirectoriesTest, UpperLooksLikeTheLowerWhoseRootItStandsFor) {
  dir("base");
  ASSERT_EQ(::chmod(path("base").c_str(), 01770), 0);
  const Plan plan = default_plan();

  const auto made = MadeDirectories::make(plan);

  ASSERT_TRUE(made);
  struct stat upper{};
  ASSERT_EQ(::stat(path("base.upper").c_str(), &upper), 0);
  EXPECT_EQ(upper.st_mode & 07777, 01770U);
}

TEST_F(DirectoriesTest, OneThatCannotBeMadeTakesTheOthersBack) {
  Plan plan = default_plan();
  plan.work.path = path("nowhere/work");

  const auto made = MadeDirectories::make(plan);

  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), ::testing::HasSubstr("nowhere/work"));
  EXPECT_FALSE(exists("base.upper"));
}

TEST_F(DirectoriesTest, DiscardRemovesWhatVeneerMade) {
  dir("upper/etc");
  file("upper/etc/motd");
  record(/*made_upper=*/true, /*upper_was_empty=*/true);

  const auto done = discard_at(path("upper"), path("work"));

  ASSERT_TRUE(done) << done.error().message();
  EXPECT_FALSE(exists("upper") || exists("work") || exists("mount"));
}

TEST_F(DirectoriesTest, DiscardEmptiesAnUpperOfTheUsersOwn) {
  dir("upper/etc");
  record(/*made_upper=*/false, /*upper_was_empty=*/true, /*made_work=*/false);

  ASSERT_TRUE(discard_at(path("upper"), path("work")));

  EXPECT_TRUE(exists("upper") && exists("work"));
  EXPECT_TRUE(std::filesystem::is_empty(path("upper")));
  EXPECT_TRUE(std::filesystem::is_empty(path("work")));
}

TEST_F(DirectoriesTest, DiscardLeavesAnUpperAloneThatHadEntriesBefore) {
  dir("upper");
  file("upper/mine");
  record(/*made_upper=*/false, /*upper_was_empty=*/false);

  const auto done = discard_at(path("upper"), path("work"));

  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ENOTEMPTY);
  EXPECT_TRUE(exists("upper/mine") && exists("work/veneer.json"));
}

TEST_F(DirectoriesTest, DiscardWithoutAManifestDoesNothing) {
  dir("upper/etc");
  dir("work");

  EXPECT_TRUE(discard_at(path("upper"), path("work")));
  EXPECT_TRUE(discard_at(path("no_upper"), path("no_work")));

  EXPECT_TRUE(exists("upper/etc") && exists("work"));
}

TEST_F(DirectoriesTest, DiscardOpensUpDirectoriesThatWereShut) {
  dir("upper/shut/inner");
  std::filesystem::permissions(path("upper/shut"),
                               std::filesystem::perms::none);
  record(/*made_upper=*/true, /*upper_was_empty=*/true);

  const auto done = discard_at(path("upper"), path("work"));

  EXPECT_TRUE(done) << done.error().message();
  EXPECT_FALSE(exists("upper"));
}

TEST_F(DirectoriesTest, DiscardDoesNotFollowLinks) {
  dir("elsewhere/kept");
  dir("upper");
  std::filesystem::create_directory_symlink(path("elsewhere"),
                                            path("upper/link"));
  record(/*made_upper=*/true, /*upper_was_empty=*/true);

  ASSERT_TRUE(discard_at(path("upper"), path("work")));

  EXPECT_TRUE(exists("elsewhere/kept"));
}

TEST_F(DirectoriesTest, DiscardTwiceIsAsGoodAsOnce) {
  dir("upper");
  record(/*made_upper=*/true, /*upper_was_empty=*/true);

  ASSERT_TRUE(discard_at(path("upper"), path("work")));

  EXPECT_TRUE(discard_at(path("upper"), path("work")));
}

}  // namespace
}  // namespace veneer::session
