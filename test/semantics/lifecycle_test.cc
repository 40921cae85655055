// SPDX-License-Identifier: MIT
//
// The daemon's life: mounted when the command returns, unmounted by command or
// signal with everything written, cleared away after a kill, and never two at
// once on the same layers. The kernel's overlayfs has no process to lose.

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

using ::testing::HasSubstr;

// The processes that run `program` with `argument` among its arguments.
std::vector<pid_t> find_processes(const std::string& program,
                                  const std::string& argument) {
  std::vector<pid_t> found;
  DIR* dir = ::opendir("/proc");
  while (const dirent* entry = ::readdir(dir)) {
    const std::string id = entry->d_name;
    if (!std::ranges::all_of(id, ::isdigit)) continue;
    char exe[PATH_MAX];
    const ssize_t n =
        ::readlink(("/proc/" + id + "/exe").c_str(), exe, sizeof(exe));
    if (n < 0 || std::string(exe, static_cast<std::size_t>(n)) != program) {
      continue;
    }
    std::ifstream in("/proc/" + id + "/cmdline", std::ios::binary);
    const std::string line((std::istreambuf_iterator<char>(in)), {});
    if (line.find(argument) != std::string::npos) {
      found.push_back(std::stoi(id));
    }
  }
  ::closedir(dir);
  return found;
}

class LifecycleTest : public OverlayTest {
 protected:
  [[nodiscard]] std::vector<pid_t> daemons() const {
    char real[PATH_MAX];
    EXPECT_NE(::realpath(veneer_program().c_str(), real), nullptr);
    return find_processes(real, m());
  }
  void signal_daemon(int signal) {
    const std::vector<pid_t> all = daemons();
    ASSERT_FALSE(all.empty()) << "no daemon found for " << m();
    for (const pid_t daemon : all) ::kill(daemon, signal);
    const double deadline = monotonic_seconds() + 20;
    while (!daemons().empty() && monotonic_seconds() < deadline) {
      ::usleep(1000);
    }
    EXPECT_TRUE(daemons().empty()) << "still running after the signal";
  }
  void mount_file() {
    mount({.lower = {{{"f", File("x")}, {"g", File("y")}}}, .upper = {}});
  }
  [[nodiscard]] bool is_mount_point() const {
    struct stat inside{};
    struct stat outside{};
    return ::stat(m().c_str(), &inside) != 0 ||
           (::stat((m() + "/..").c_str(), &outside) == 0 &&
            inside.st_dev != outside.st_dev);
  }
  [[nodiscard]] Finished mount_again_at(const std::string& path,
                                        const std::string& upper,
                                        const std::string& work) {
    return run({veneer_program(), "mount", "--lower", l(0, ""), "--upper",
                upper, "--work", work, path});
  }
};

TEST_P(LifecycleTest, DaemonEndsWithTheUnmount) {
  mount_file();
  EXPECT_EQ(daemons().size(), 1U);

  unmount();

  const double deadline = monotonic_seconds() + 10;
  while (!daemons().empty() && monotonic_seconds() < deadline) {
    ::usleep(1000);
  }
  EXPECT_THAT(daemons(), ::testing::IsEmpty());
  EXPECT_FALSE(is_mount_point());
}

TEST_P(LifecycleTest, TerminationSignalUnmountsCleanly) {
  mount_file();
  ASSERT_THAT(append("f", "written"), Succeeds());

  signal_daemon(SIGTERM);

  EXPECT_FALSE(is_mount_point());
  const Finished again = try_mount();
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(read_file("f"), "xwritten");
}

TEST_P(LifecycleTest, InterruptSignalUnmountsCleanly) {
  mount_file();

  signal_daemon(SIGINT);

  EXPECT_FALSE(is_mount_point());
  const Finished again = try_mount();
  EXPECT_EQ(again.status, 0) << again.err;
}

TEST_P(LifecycleTest, KilledDaemonsMountIsClearedByUmount) {
  mount_file();
  ASSERT_THAT(append("f", "written"), Succeeds());
  signal_daemon(SIGKILL);
  // The last two while the kernel is still closing the connection.
  EXPECT_THAT(lstat_status("f"),
              ::testing::AnyOf(FailsWith(ENOTCONN), FailsWith(ECONNABORTED),
                               FailsWith(ECANCELED)));

  unmount();

  EXPECT_FALSE(is_mount_point());
  const Finished again = try_mount();
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(read_file("f"), "xwritten");
  EXPECT_THAT(merged(),
              TreeIs(Tree{{"f", File("xwritten")}, {"g", File("y")}}));
}

TEST_P(LifecycleTest, MountAfterAKillNeedsNoCleaningOfTheLayers) {
  mount_file();
  ASSERT_THAT(unlink("g"), Succeeds());
  signal_daemon(SIGKILL);
  ASSERT_THAT(::umount2(m().c_str(), MNT_DETACH), Succeeds());

  const Finished again = try_mount();

  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(merged(), TreeIs(Tree{{"f", File("x")}}));
}

// Row 49: the kernel's copy-up cannot be killed alone.
TEST_P(LifecycleTest, KillDuringACopyUpLeavesTheOldFileOrAWholeCopy) {
  constexpr std::size_t kSize = 48 << 20;
  mount({.lower = {{{"big", File(std::string(kSize, 'b'))}}},
         .upper = {},
         .apart = true});

  for (int delay_us = 500; delay_us <= 16'000; delay_us *= 2) {
    std::thread writer([this] { static_cast<void>(append("big", "!")); });
    ::usleep(static_cast<useconds_t>(delay_us));
    signal_daemon(SIGKILL);
    writer.join();
    unmount();

    struct stat copy{};
    if (::lstat(u("big").c_str(), &copy) == 0) {
      EXPECT_GE(static_cast<std::size_t>(copy.st_size), kSize)
          << "torn after " << delay_us << " us";
    }
    const Finished again = try_mount();
    ASSERT_EQ(again.status, 0) << again.err;
    const std::string content = read_file("big");
    EXPECT_TRUE(content.substr(0, kSize) == std::string(kSize, 'b'));
  }
}

TEST_P(LifecycleTest, SecondMountOnTheSameUpperIsRefused) {
  mount_file();
  const std::string other = make_dir("other");
  const std::string work = make_dir("other_work");

  const Finished second = mount_again_at(other, u(), work);

  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr(u()));
  EXPECT_EQ(read_file("f"), "x") << "the first mount goes on";
  EXPECT_THAT(append("f", "!"), Succeeds());
}

TEST_P(LifecycleTest, SecondMountOnTheSameWorkIsRefused) {
  mount_file();
  const std::string other = make_dir("other");
  const std::string upper = make_dir("other_upper");

  const Finished second = mount_again_at(other, upper, work_path());

  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr(work_path()));
  EXPECT_THAT(append("f", "!"), Succeeds());
}

TEST_P(LifecycleTest, SecondMountOnTheSameLowerWorks) {
  mount_file();
  const std::string other = make_dir("other");

  const Finished second =
      mount_again_at(other, make_dir("other_upper"), make_dir("other_work"));

  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_THAT(read_tree(other), TreeIs(merged(), Compare{.root = false}));
  EXPECT_EQ(run({veneer_program(), "umount", other}).status, 0);
}

TEST_P(LifecycleTest, MountPointInUseIsRefused) {
  mount_file();

  const Finished second =
      mount_again_at(m(), make_dir("other_upper"), make_dir("other_work"));

  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.err, HasSubstr(m()));
  EXPECT_EQ(read_file("f"), "x");
}

TEST_P(LifecycleTest, UnmountWhileAFileIsOpenIsRefused) {
  mount_file();
  Fd fd = open("f", O_RDWR);

  const Finished busy = run({veneer_program(), "umount", m()});

  EXPECT_EQ(busy.status, 1);
  EXPECT_THAT(busy.err, HasSubstr(m()));
  EXPECT_THAT(::pwrite(fd.get(), "X", 1, 0), SyscallReturns(1));
  EXPECT_EQ(read_file("f"), "X");
  fd.reset();
}

TEST_P(LifecycleTest, MountAnswersWhenTheCommandReturns) {
  prepare({.lower = {{{"f", File("x")}}}, .upper = {}});

  for (int i = 0; i < 20; ++i) {
    const Finished mounted = try_mount();
    ASSERT_EQ(mounted.status, 0) << mounted.err;
    EXPECT_EQ(read_file("f"), "x");
    unmount();
  }
}

TEST_P(LifecycleTest, OneLowerAloneUsesThePathsBesideIt) {
  prepare({.lower = {{{"f", File("x")}}}, .upper = {}});
  const std::string tree = make_dir("tree");
  build_tree({{"f", File("x")}}, tree);

  const Finished mounted = run({veneer_program(), "mount", "--lower", tree});
  ASSERT_EQ(mounted.status, 0) << mounted.err;

  const std::string at = tree + ".mountpoint";
  EXPECT_THAT(::unlink((at + "/f").c_str()), Succeeds());
  EXPECT_EQ(run({veneer_program(), "umount", at}).status, 0);
  EXPECT_THAT(read_tree(tree + ".upper"), TreeIs(Tree{{"f", Whiteout()}}));
  EXPECT_THAT(read_tree(tree), TreeIs(Tree{{"f", File("x")}}));
}

TEST_P(LifecycleTest, StatusTellsTheLayers) {
  mount_file();

  const Finished status = run({veneer_program(), "status", m()});
  const Finished json = run({veneer_program(), "status", "--json", m()});

  EXPECT_EQ(status.status, 0) << status.err;
  EXPECT_THAT(status.out, HasSubstr(u()));
  EXPECT_THAT(status.out, HasSubstr(l(0, "")));
  EXPECT_EQ(json.status, 0) << json.err;
  EXPECT_THAT(json.out, ::testing::StartsWith("{"));
}

VENEER_ONLY(LifecycleTest);

}  // namespace
}  // namespace veneer::testing
