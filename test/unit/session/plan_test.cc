// SPDX-License-Identifier: MIT
//
// Which directories an overlay uses, and which it refuses to use together.

#include "session/plan.h"

#include <gmock/gmock.h>
#include <linux/capability.h>

#include "sys/credentials.h"
#include "test/unit/session/scratch.h"

namespace veneer::session {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PlanTest : public ScratchTest {
 protected:
  // All there, and as it should be.
  Config good() {
    Config config;
    config.lowers = {dir("lower")};
    config.upper = dir("upper");
    config.work = dir("work");
    config.mount_point = dir("mount");
    return config;
  }

  static Plan plan_for(const Config& config) {
    auto plan = make_plan(config);
    EXPECT_TRUE(plan) << plan.error().message();
    return plan ? *std::move(plan) : Plan();
  }

  static void expect_refused(const Config& config, int code,
                             const std::string& thing) {
    const auto plan = make_plan(config);
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code(), code) << plan.error().message();
    EXPECT_THAT(plan.error().message(), HasSubstr(thing));
    // The remedy.
    EXPECT_THAT(plan.error().message(), ::testing::EndsWith(")"));
  }
};

TEST_F(PlanTest, OneLowerAloneHasTheDefaultPathsBesideIt) {
  Config config;
  config.lowers = {dir("base") + "///"};

  const Plan plan = plan_for(config);

  EXPECT_THAT(plan.lowers, ElementsAre(path("base")));
  EXPECT_EQ(plan.upper.path, path("base.upper"));
  EXPECT_EQ(plan.work.path, path("base.work"));
  EXPECT_EQ(plan.mount_point.path, path("base.mountpoint"));
  EXPECT_TRUE(plan.upper.make && plan.work.make && plan.mount_point.make);
}

TEST_F(PlanTest, DefaultPathsThatExistAreUsedAsTheyAre) {
  Config config;
  config.lowers = {dir("base")};
  dir("base.upper");
  dir("base.work");
  dir("base.mountpoint");

  const Plan plan = plan_for(config);

  EXPECT_FALSE(plan.upper.make || plan.work.make || plan.mount_point.make);
}

TEST_F(PlanTest, WithoutAnUpperANamedMountPointIsReadOnly) {
  Config config;
  config.lowers = {dir("base")};
  config.mount_point = dir("mount");

  EXPECT_EQ(plan_for(config).upper.path, "");
}

TEST_F(PlanTest, SeveralLowersWithoutAnUpperAreReadOnly) {
  Config config;
  config.lowers = {dir("a"), dir("b")};

  const Plan plan = plan_for(config);

  EXPECT_EQ(plan.upper.path, "");
  EXPECT_EQ(plan.mount_point.path, path("a.mountpoint"));
}

TEST_F(PlanTest, WorkDirectoryFollowsTheNamedUpper) {
  Config config = good();
  config.work.clear();

  const Plan plan = plan_for(config);

  EXPECT_EQ(plan.work.path, path("upper.work"));
  EXPECT_TRUE(plan.work.make);
}

TEST_F(PlanTest, ReadOnlyShowsTheUpperAndNeedsNoWorkDirectory) {
  Config config = good();
  config.read_only = true;

  const Plan plan = plan_for(config);

  EXPECT_EQ(plan.upper.path, path("upper"));
  EXPECT_EQ(plan.work.path, "");
}

TEST_F(PlanTest, LowerMayBeTheMountPoint) {
  Config config = good();
  config.mount_point = config.lowers[0];

  EXPECT_EQ(plan_for(config).mount_point.path, path("lower"));
}

TEST_F(PlanTest, MountPointMayLieInsideALowerForRootOnly) {
  Config config = good();
  config.mount_point = dir("lower/inside");

  if (sys::have_capability(CAP_SYS_ADMIN)) {
    EXPECT_EQ(plan_for(config).mount_point.path, path("lower/inside"));
    ASSERT_TRUE(sys::drop_thread_capability(CAP_SYS_ADMIN));
    expect_refused(config, EINVAL, "works for root only");
    ASSERT_TRUE(sys::raise_thread_capability(CAP_SYS_ADMIN));
  } else {
    expect_refused(config, EINVAL, "works for root only");
  }
}

TEST_F(PlanTest, MountPointNeedNotBeEmpty) {
  Config config = good();
  file("mount/entry");

  EXPECT_TRUE(make_plan(config));
}

TEST_F(PlanTest, MountPointIsKnownByItsResolvedPath) {
  Config config = good();
  std::filesystem::create_directory_symlink(config.mount_point, path("link"));
  config.mount_point = path("link");

  EXPECT_EQ(plan_for(config).mount_point.path, path("mount"));
}

TEST_F(PlanTest, MissingDirectoryIsNamed) {
  for (std::string Config::* const member :
       {&Config::upper, &Config::work, &Config::mount_point}) {
    Config config = good();
    config.*member = path("nowhere");
    expect_refused(config, ENOENT, path("nowhere") + " does not exist");
  }
  Config config = good();
  config.lowers.push_back(path("nowhere"));
  expect_refused(config, ENOENT, "lower directory " + path("nowhere"));
}

TEST_F(PlanTest, MissingDirectoryIsMadeWhereThatIsWanted) {
  Config config = good();
  config.upper = path("new_upper");
  config.mount_point = path("new_mount");
  config.make_missing = true;

  const Plan plan = plan_for(config);

  EXPECT_TRUE(plan.upper.make);
  EXPECT_TRUE(plan.mount_point.make);
  EXPECT_FALSE(exists("new_upper"));
}

TEST_F(PlanTest, FileInPlaceOfADirectoryIsNamed) {
  for (std::string Config::* const member :
       {&Config::upper, &Config::work, &Config::mount_point}) {
    Config config = good();
    config.*member = file("file");
    expect_refused(config, ENOTDIR, path("file") + " is not a directory");
  }
  Config config = good();
  config.lowers = {file("file")};
  expect_refused(config, ENOTDIR, "lower directory " + path("file"));
}

TEST_F(PlanTest, SameDirectoryTwiceIsRefused) {
  Config config = good();
  config.lowers.push_back(config.lowers[0] + "/");
  expect_refused(config, EINVAL, "named twice");

  config = good();
  config.upper = config.lowers[0];
  expect_refused(config, EINVAL, "is also the lower directory");

  config = good();
  config.work = config.upper;
  expect_refused(config, EINVAL, "is also the");
}

TEST_F(PlanTest, SameDirectoryByALinkIsRefused) {
  Config config = good();
  std::filesystem::create_directory_symlink(config.lowers[0], path("link"));
  config.upper = path("link");

  expect_refused(config, EINVAL, "is also the lower directory");
}

TEST_F(PlanTest, UpperInsideALowerIsRefused) {
  Config config = good();
  config.upper = dir("lower/deep/upper");

  expect_refused(config, EINVAL, "lies inside the lower directory");
}

TEST_F(PlanTest, LowerInsideTheUpperIsRefused) {
  Config config = good();
  config.lowers.push_back(dir("upper/lower"));

  expect_refused(config, EINVAL, "lies inside the upper directory");
}

TEST_F(PlanTest, WorkInsideTheUpperIsRefused) {
  Config config = good();
  config.work = dir("upper/work");

  expect_refused(config, EINVAL,
                 "work directory " + path("upper/work") +
                     " lies inside the upper directory");
}

TEST_F(PlanTest, WorkThatWouldBeMadeInsideTheUpperIsRefused) {
  Config config = good();
  config.work = path("upper/work");
  config.make_missing = true;

  expect_refused(config, EINVAL, "lies inside the upper directory");
}

TEST_F(PlanTest, LowerInsideALowerIsRefused) {
  Config config = good();
  config.lowers.push_back(dir("lower/sub"));

  expect_refused(config, EINVAL, "lies inside the lower directory");
}

TEST_F(PlanTest, NamesThatOnlyBeginAlikeAreNoOverlap) {
  Config config = good();
  config.lowers = {dir("a"), dir("a-b"), dir("ab"), dir("a b/c")};

  EXPECT_TRUE(make_plan(config));
}

TEST_F(PlanTest, MountPointInsideTheUpperIsRefused) {
  Config config = good();
  config.mount_point = dir("upper/mount");

  expect_refused(config, EINVAL, "mount point " + path("upper/mount"));
}

TEST_F(PlanTest, ForeignWorkDirectoryIsRefused) {
  Config config = good();
  file("work/thesis.tex");

  expect_refused(config, ENOTEMPTY, "'thesis.tex'");
}

TEST_F(PlanTest, WorkDirectoryOfAnEarlierMountIsAccepted) {
  Config config = good();
  dir("work/work");
  dir("work/index");
  file("work/veneer.json");

  EXPECT_TRUE(make_plan(config));
}

TEST_F(PlanTest, WorkDirectoryWithoutAnUpperIsRefused) {
  Config config = good();
  config.upper.clear();

  expect_refused(config, EINVAL, "--upper");
}

TEST_F(PlanTest, WorkDirectoryOnAnotherFileSystemIsRefused) {
  Config config = good();
  config.work = "/proc";

  expect_refused(config, EXDEV, "/proc is not on the file system");
}

TEST_F(PlanTest, MountPointInUseIsRefused) {
  Config config = good();
  config.mount_point = "/proc";

  expect_refused(config, EBUSY, "/proc is in use");
}

TEST_F(PlanTest, NoLowerIsRefused) {
  expect_refused(Config(), EINVAL, "no lower directory");
}

TEST_F(PlanTest, NothingIsMadeByPlanning) {
  Config config;
  config.lowers = {dir("base")};

  plan_for(config);

  EXPECT_FALSE(exists("base.upper") || exists("base.work") ||
               exists("base.mountpoint"));
}

TEST(ToAbsolute, StripsSlashesAndResolvesDots) {
  EXPECT_EQ(to_absolute("/usr/"), "/usr");
  EXPECT_EQ(to_absolute("/"), "/");
  EXPECT_EQ(to_absolute("."), std::filesystem::current_path().string());
  EXPECT_EQ(to_absolute("x"), std::filesystem::current_path().string() + "/x");
}

}  // namespace
}  // namespace veneer::session
