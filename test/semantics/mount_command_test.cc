// SPDX-License-Identifier: MIT
//
// Ways to mount beside plain `veneer mount`: mount(8), an fstab line, the
// foreground, a log; and what is left when it is over.
//
// mount(8) finds its helpers in /sbin alone, so this test lays a kernel overlay
// over /usr/sbin, which is seen in the namespace of this test program only.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MountCommandTest : public OverlayTest {
 protected:
  void prepare_file() {
    prepare({.lower = {{{"f", File("x")}}, {{"g", File("y")}}}, .upper = {}});
  }

  // Puts the helper and the program where mount(8) finds them.
  void install_helper() {
    const std::string over = make_dir("sbin_upper");
    const std::string work = make_dir("sbin_work");
    std::filesystem::copy(VENEER_SOURCE_DIR "/tools/mount.fuse.veneer", over);
    std::filesystem::create_symlink(veneer_program(), over + "/veneer");
    const Outcome laid =
        mount_kernel({"/usr/sbin"}, over, work, "/usr/sbin", {});
    ASSERT_THAT(laid, Succeeds());
    is_laid_ = true;
  }
  void TearDown() override {
    if (is_laid_) ::umount2("/usr/sbin", MNT_DETACH);
    OverlayTest::TearDown();
  }

  [[nodiscard]] Finished mount8(const std::string& source,
                                const std::string& options) const {
    return run({"mount", "-t", "fuse.veneer", "-o", options, source, m()});
  }
  [[nodiscard]] std::string upper_option() const {
    return "upperdir=" + u() + ",workdir=" + work_path();
  }
  // The line of /proc/mounts for the mount point, or nothing.
  [[nodiscard]] std::string mount_line() const {
    std::ifstream mounts("/proc/mounts");
    for (std::string line; std::getline(mounts, line);) {
      if (line.find(" " + m() + " ") != std::string::npos) return line;
    }
    return "";
  }
  void expect_umount() const {
    const Finished end = run({veneer_program(), "umount", m()});
    EXPECT_EQ(end.status, 0) << end.err;
    EXPECT_EQ(mount_line(), "");
  }

 private:
  bool is_laid_ = false;
};

TEST_P(MountCommandTest, MountTakesTheLowerAsItsSource) {
  prepare_file();
  install_helper();

  const Finished end = mount8(l(0, ""), upper_option());

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_EQ(read_file("f"), "x");
  EXPECT_THAT(write_file("new", "text"), Succeeds());
  EXPECT_THAT(mount_line(), HasSubstr(l(0, "") + " " + m() + " fuse.veneer"));
  expect_umount();
}

TEST_P(MountCommandTest, MountTakesAStackAsItsSource) {
  prepare_file();
  install_helper();

  const Finished end = mount8(l(0, "") + ":" + l(1, ""), "ro");

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(list(), ::testing::ElementsAre("f", "g"));
  expect_umount();
}

TEST_P(MountCommandTest, MountTakesTheLowersFromTheOptions) {
  prepare_file();
  install_helper();
  // mount(8) makes a path of a source that happens to be a file here.
  ASSERT_EQ(::chdir("/"), 0);

  for (const char* const source : {"none", "overlay", "veneer"}) {
    const Finished end =
        mount8(source, "lowerdir=" + l(0, "") + ":" + l(1, ""));

    ASSERT_EQ(end.status, 0) << end.err;
    EXPECT_THAT(mount_line(), HasSubstr(std::string(source) + " " + m()));
    EXPECT_THAT(list(), ::testing::ElementsAre("f", "g"));
    expect_umount();
  }
}

TEST_P(MountCommandTest, DevicesAndSetIdBitsWorkForRootUnlessForbidden) {
  prepare_file();
  install_helper();

  ASSERT_EQ(mount8(l(0, ""), upper_option()).status, 0);
  EXPECT_THAT(mount_line(), Not(HasSubstr("nodev")));
  EXPECT_THAT(mount_line(), Not(HasSubstr("nosuid")));
  expect_umount();

  ASSERT_EQ(mount8(l(0, ""), upper_option() + ",nodev,nosuid").status, 0);
  EXPECT_THAT(mount_line(), HasSubstr("nodev"));
  EXPECT_THAT(mount_line(), HasSubstr("nosuid"));
  expect_umount();
}

TEST_P(MountCommandTest, FstabLineIsMountedOnce) {
  prepare_file();
  install_helper();
  const std::string fstab = make_dir("config") + "/fstab";
  std::ofstream(fstab) << l(0, "") << " " << m() << " fuse.veneer "
                       << upper_option()
                       << ",nofail,x-systemd.requires=a,_netdev 0 0\n";

  for (int i = 0; i < 2; ++i) {
    const Finished end = run({"mount", "-a", "-T", fstab});
    ASSERT_EQ(end.status, 0) << end.err;
  }

  EXPECT_EQ(read_file("f"), "x");
  expect_umount();
}

TEST_P(MountCommandTest, HelperTellsWhyNot) {
  prepare_file();
  install_helper();

  const Finished missing = mount8(l(0, "") + "/nowhere", "ro");
  const Finished unknown = mount8(l(0, ""), "ro,bananas");

  EXPECT_NE(missing.status, 0);
  EXPECT_THAT(missing.err, HasSubstr("nowhere does not exist"));
  EXPECT_NE(unknown.status, 0);
  EXPECT_THAT(unknown.err, HasSubstr("'bananas'"));
  EXPECT_EQ(mount_line(), "");
}

TEST_P(MountCommandTest, RemountRightAfterUmount8Works) {
  prepare_file();

  for (int i = 0; i < 5; ++i) {
    const Finished end = run({veneer_program(), "mount", "--lower", l(0, ""),
                              "-o", upper_option(), m()});
    ASSERT_EQ(end.status, 0) << end.err;
    ASSERT_EQ(run({"umount", m()}).status, 0);
  }
}

TEST_P(MountCommandTest, DaemonLetsGoOfThePipesOfItsStarter) {
  prepare_file();

  // A shell reads until the last writer is gone.
  const Finished end =
      run({"sh", "-c", "said=$(\"$0\" \"$@\" 2>&1); echo \"[$said]\"",
           veneer_program(), "mount", "--lower", l(0, ""), m()},
          20);

  EXPECT_EQ(end.status, 0);
  EXPECT_EQ(end.out, "[]\n");
  expect_umount();
}

TEST_P(MountCommandTest, DaemonDoesNotHoldTheDirectoryItWasStartedIn) {
  prepare_file();
  const std::string start = make_dir("start");
  ASSERT_EQ(run({"mount", "-t", "tmpfs", "t", start}).status, 0);

  const Finished end =
      run({"sh", "-c", "cd \"$1\" && exec \"$0\" mount --lower \"$2\" \"$3\"",
           veneer_program(), start, l(0, ""), m()});

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(::umount2(start.c_str(), 0), Succeeds());
  expect_umount();
}

TEST_P(MountCommandTest, ForegroundServesUntilItIsTerminated) {
  prepare_file();
  const std::string lower = l(0, "");
  const pid_t server = ::fork();
  if (server == 0) {
    ::execl(veneer_program().c_str(), "veneer", "mount", "--foreground",
            "--lower", lower.c_str(), m().c_str(), nullptr);
    ::_exit(127);
  }
  const double deadline = monotonic_seconds() + 20;
  while (mount_line().empty() && monotonic_seconds() < deadline) {
    ::usleep(1000);
  }
  EXPECT_EQ(read_file("f"), "x");

  ::kill(server, SIGTERM);
  int status = 0;
  ::waitpid(server, &status, 0);

  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(mount_line(), "");
}

TEST_P(MountCommandTest, DefaultDirectoriesComeAndTheMountPointGoes) {
  prepare_file();
  const std::string lower = l(0, "");
  ASSERT_EQ(run({veneer_program(), "mount", "--lower", lower}).status, 0);
  EXPECT_TRUE(std::filesystem::exists(lower + ".mountpoint/f"));

  const Finished end = run({veneer_program(), "umount", lower + ".mountpoint"});

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_FALSE(std::filesystem::exists(lower + ".mountpoint"));
  EXPECT_TRUE(std::filesystem::exists(lower + ".upper"));
  EXPECT_TRUE(std::filesystem::exists(lower + ".work"));
}

TEST_P(MountCommandTest, DefaultMountPointGoesAfterAKillToo) {
  prepare_file();
  const std::string lower = l(0, "");
  const std::string at = lower + ".mountpoint";
  ASSERT_EQ(run({veneer_program(), "mount", "--lower", lower}).status, 0);
  const auto status = nlohmann::json::parse(
      run({veneer_program(), "status", "--json", at}).out, nullptr, false);
  ASSERT_TRUE(status.is_object());
  ::kill(status["server"]["pid"].get<pid_t>(), SIGKILL);

  const Finished end = run({veneer_program(), "umount", at});

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_FALSE(std::filesystem::exists(at));
}

TEST_P(MountCommandTest, NothingIsLeftOfAMountThatFailsLate) {
  prepare_file();
  const std::string lower = l(0, "");
  // Everything is in order but the last step: there is no /dev/fuse.
  const Finished end =
      run({"unshare", "-m", "sh", "-c",
           "mount --bind /dev/null /dev/fuse && exec \"$0\" mount --lower "
           "\"$1\"",
           veneer_program(), lower});

  EXPECT_EQ(end.status, 1);
  EXPECT_THAT(end.err, HasSubstr("cannot be mounted"));
  for (const char* const made : {".upper", ".work", ".mountpoint"}) {
    EXPECT_FALSE(std::filesystem::exists(lower + made)) << made;
  }
}

TEST_P(MountCommandTest, StatusSaysWhyEachSettingIsAsItIs) {
  prepare_file();
  ASSERT_EQ(run({veneer_program(), "mount", "--lower", l(0, ""), "--upper", u(),
                 "--work", work_path(), "--whiteouts", "dotwh", m()})
                .status,
            0);
  ASSERT_THAT(write_file("new", "text"), Succeeds());

  const auto status = nlohmann::json::parse(
      run({veneer_program(), "status", "--json", m()}).out, nullptr, false);

  ASSERT_TRUE(status.is_object());
  EXPECT_EQ(status["layers"]["upper"], u());
  EXPECT_EQ(status["settings"]["whiteouts"]["value"], "dotwh");
  EXPECT_THAT(status["settings"]["whiteouts"]["why"].get<std::string>(),
              HasSubstr("asked for"));
  for (const auto& [name, setting] : status["settings"].items()) {
    EXPECT_NE(setting.value("why", ""), "") << name;
  }
  EXPECT_EQ(status["counters"]["bytes_written"], 4);
  EXPECT_GT(status["counters"]["messages"]["total"], 0);
  expect_umount();
}

TEST_P(MountCommandTest, LogGetsTheWarningsOfTheDaemon) {
  prepare_file();
  const std::string log = make_dir("logs") + "/veneer.log";
  ASSERT_EQ(
      run({veneer_program(), "mount", "--lower", l(0, ""), "--log", log, m()})
          .status,
      0);
  expect_umount();
  EXPECT_TRUE(std::filesystem::exists(log));

  const Finished refused = run({veneer_program(), "mount", "--lower", l(0, ""),
                                "--log", "/nowhere/log", m()});

  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("log /nowhere/log"));
  EXPECT_EQ(mount_line(), "");
}

VENEER_ONLY(MountCommandTest);

}  // namespace
}  // namespace veneer::testing
