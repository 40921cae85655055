// SPDX-License-Identifier: MIT
//
// What the command line says to nonsense: one line that names the thing, exit
// status 1 (2 for a usage that could never work), and nothing left behind.
// There is no kernel counterpart: mount(2) has no messages.

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

using ::testing::HasSubstr;

class BadInputTest : public OverlayTest {
 protected:
  void SetUp() override {
    OverlayTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    prepare({.lower = {{{"f", File("x")}}}, .upper = {}});
    before_ = everything();
  }
  // All that is on the test's disk.
  Tree everything() { return read_tree(quiet_disk_path()); }

  Finished veneer(std::vector<std::string> args) {
    args.insert(args.begin(), veneer_program());
    return run(args, 20);
  }
  Finished mount_with(std::vector<std::string> options) {
    options.insert(options.begin(), "mount");
    options.push_back(m());
    return veneer(options);
  }
  void expect_refused(const Finished& result, int status,
                      const std::string& names) {
    EXPECT_EQ(result.status, status) << result.err;
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1)
        << "not one line: " << result.err;
    EXPECT_THAT(result.err, HasSubstr(names));
    constexpr Compare kSame = {.ctime = true};
    EXPECT_EQ(differences(before_, everything(), kSame), "") << "left behind";
    EXPECT_THAT(::umount2(m().c_str(), 0), FailsWith(EINVAL))
        << "it is mounted";
  }

  Tree before_;
};

TEST_P(BadInputTest, MissingLowerIsNamed) {
  expect_refused(mount_with({"--lower", l(0, "none"), "--upper", u(), "--work",
                             work_path()}),
                 1, l(0, "none"));
}

TEST_P(BadInputTest, LowerThatIsAFileIsNamed) {
  expect_refused(
      mount_with({"--lower", l(0, "f"), "--upper", u(), "--work", work_path()}),
      1, l(0, "f"));
}

TEST_P(BadInputTest, MissingUpperIsNamed) {
  expect_refused(mount_with({"--lower", l(0, ""), "--upper", u("none"),
                             "--work", work_path()}),
                 1, u("none"));
}

TEST_P(BadInputTest, MissingWorkIsNamed) {
  expect_refused(mount_with({"--lower", l(0, ""), "--upper", u(), "--work",
                             work_path() + "/none"}),
                 1, work_path() + "/none");
}

TEST_P(BadInputTest, MissingMountPointIsNamed) {
  expect_refused(veneer({"mount", "--lower", l(0, ""), "--upper", u(), "--work",
                         work_path(), m("none")}),
                 1, m("none"));
}

TEST_P(BadInputTest, MountPointThatIsAFileIsNamed) {
  build_tree({{"file", File("x")}}, m());

  expect_refused(veneer({"mount", "--lower", l(0, ""), "--upper", u(), "--work",
                         work_path(), m("file")}),
                 1, m("file"));
}

TEST_P(BadInputTest, UpperInsideTheLowerIsRefused) {
  build_tree({{"in", Dir()}}, l(0, ""));
  accept_lower_changes();
  before_ = everything();

  expect_refused(mount_with({"--lower", l(0, ""), "--upper", l(0, "in"),
                             "--work", work_path()}),
                 1, l(0, "in"));
}

TEST_P(BadInputTest, LowerInsideTheUpperIsRefused) {
  build_tree({{"in", Dir()}}, u());
  before_ = everything();

  expect_refused(
      mount_with({"--lower", u("in"), "--upper", u(), "--work", work_path()}),
      1, u());
}

TEST_P(BadInputTest, WorkInsideTheUpperIsRefused) {
  build_tree({{"in", Dir()}}, u());
  before_ = everything();

  expect_refused(
      mount_with({"--lower", l(0, ""), "--upper", u(), "--work", u("in")}), 1,
      u("in"));
}

TEST_P(BadInputTest, WorkThatIsTheUpperIsRefused) {
  expect_refused(
      mount_with({"--lower", l(0, ""), "--upper", u(), "--work", u()}), 1, u());
}

TEST_P(BadInputTest, WorkOnAnotherFileSystemIsRefused) {
  const std::string elsewhere = make_dir("elsewhere");
  before_ = everything();
  ASSERT_THAT(::mount("other", elsewhere.c_str(), "tmpfs", 0, nullptr),
              Succeeds());

  const Finished result =
      mount_with({"--lower", l(0, ""), "--upper", u(), "--work", elsewhere});

  const bool is_empty = read_tree(elsewhere).entries().size() == 1;
  ::umount2(elsewhere.c_str(), MNT_DETACH);
  EXPECT_TRUE(is_empty) << "left something in the work directory";
  expect_refused(result, 1, elsewhere);
}

TEST_P(BadInputTest, WorkWithForeignFilesIsRefused) {
  build_tree({{"precious", File("mine")}}, work_path());
  before_ = everything();

  expect_refused(
      mount_with({"--lower", l(0, ""), "--upper", u(), "--work", work_path()}),
      1, work_path());
}

TEST_P(BadInputTest, UnknownOptionsAreUsageErrors) {
  expect_refused(mount_with({"--lower", l(0, ""), "--frobnicate"}), 2,
                 "frobnicate");
  expect_refused(mount_with({"--lower", l(0, ""), "-o", "frobnicate"}), 2,
                 "frobnicate");
}

TEST_P(BadInputTest, UnknownOptionValuesAreUsageErrors) {
  expect_refused(mount_with({"--lower", l(0, ""), "--inode-mode", "strange"}),
                 2, "strange");
  expect_refused(mount_with({"--lower", l(0, ""), "--whiteouts", "strange"}), 2,
                 "strange");
  expect_refused(mount_with({"--lower", l(0, ""), "--threads", "-1"}), 2,
                 "threads");
  expect_refused(mount_with({"--lower", l(0, ""), "--timeout", "soon"}), 2,
                 "timeout");
}

TEST_P(BadInputTest, NoLowerIsAUsageError) {
  const Finished result = mount_with({});

  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("lower"));
}

TEST_P(BadInputTest, UnmountingWhatIsNotMountedIsRefused) {
  expect_refused(veneer({"umount", m()}), 1, m());
  expect_refused(veneer({"umount", m("none")}), 1, m("none"));
}

TEST_P(BadInputTest, UnmountingAForeignMountIsRefused) {
  ASSERT_THAT(::mount("other", m().c_str(), "tmpfs", 0, nullptr), Succeeds());

  const Finished result = veneer({"umount", m()});

  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr(m()));
  EXPECT_THAT(::umount2(m().c_str(), 0), Succeeds()) << "it was unmounted";
}

TEST_P(BadInputTest, StatusOfWhatIsNotMountedIsRefused) {
  expect_refused(veneer({"status", m()}), 1, m());
}

TEST_P(BadInputTest, UnknownCommandIsAUsageError) {
  const Finished result = veneer({"frobnicate"});

  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("frobnicate"));
}

TEST_P(BadInputTest, VersionIsTold) {
  const Finished result = veneer({"--version"});

  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, ::testing::ContainsRegex("[0-9]+\\.[0-9]+"));
}

VENEER_ONLY(BadInputTest);

}  // namespace
}  // namespace veneer::testing
