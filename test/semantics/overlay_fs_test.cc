// SPDX-License-Identifier: MIT
//
// The library: OverlayFS from its first mount to what becomes of the changes,
// served by threads of this very process.

#include "veneer/overlay_fs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iterator>

#include "test/support/isolation.h"
#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

using ::testing::HasSubstr;

MATCHER(IsDone, negation ? "fails" : "is done") {
  if (arg.has_value()) return true;
  *result_listener << "which says: " << arg.error().message();
  return false;
}

MATCHER_P(IsRefusedWith, code, "is refused with " + error_name(code)) {
  if (arg.has_value()) return false;
  *result_listener << "which says: " << arg.error().message();
  return arg.error().code() == code;
}

class OverlayFSTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) VENEER_SKIP_WITHOUT("root's rights, to mount");
    if (scratch_root().empty()) VENEER_SKIP_WITHOUT("a scratch directory");
    static std::atomic<int> number = 0;
    place_ = scratch_root() + "/library" + std::to_string(number++);
    ASSERT_THAT(::mkdir(place_.c_str(), 0755), Succeeds());
    build_tree(base_, make_dir("base"));
  }
  void TearDown() override {
    if (place_.empty()) return;
    EXPECT_THAT(read_tree(path("base")), TreeIs(base_));
    run({"rm", "-rf", "--one-file-system", place_});
  }

  [[nodiscard]] std::string path(const std::string& name) const {
    return place_ + "/" + name;
  }
  [[nodiscard]] std::string make_dir(const std::string& name) const {
    EXPECT_THAT(::mkdir(path(name).c_str(), 0755), Succeeds());
    return path(name);
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    struct stat status{};
    return ::lstat(path(name).c_str(), &status) == 0;
  }
  [[nodiscard]] OverlayFS mounted() const {
    OverlayFS overlay(path("base"));
    EXPECT_THAT(overlay.mount(), IsDone());
    return overlay;
  }
  // For tests whose subject is that it changes.
  void restore_base() const {
    std::filesystem::remove_all(path("base"));
    build_tree(base_, make_dir("base"));
  }
  static void write_to(const std::filesystem::path& file,
                       const std::string& text) {
    std::ofstream(file) << text;
  }
  static std::string read_from(const std::filesystem::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const Tree base_ = {{"etc", Dir()}, {"etc/motd", File("hello")}};

 private:
  std::string place_;
};

TEST_F(OverlayFSTest, ChangesAreSeenInTheMountAndKeptInTheUpper) {
  OverlayFS overlay = mounted();
  const OverlayHandle handle = overlay.handle();
  EXPECT_EQ(handle.lower(), path("base"));
  EXPECT_EQ(handle.upper(), path("base.upper"));
  EXPECT_EQ(handle.mount_point(), path("base.mountpoint"));

  EXPECT_EQ(read_from(handle.mount_point() / "etc/motd"), "hello");
  write_to(handle.mount_point() / "etc/motd", "changed");
  EXPECT_EQ(read_from(handle.mount_point() / "etc/motd"), "changed");

  EXPECT_THAT(overlay.umount(), IsDone());
  EXPECT_EQ(read_from(handle.upper() / "etc/motd"), "changed");
}

TEST_F(OverlayFSTest, UmountRemovesTheMountPointItMade) {
  OverlayFS overlay = mounted();
  ASSERT_TRUE(overlay.is_mounted());

  ASSERT_THAT(overlay.umount(), IsDone());

  EXPECT_FALSE(overlay.is_mounted());
  EXPECT_FALSE(exists("base.mountpoint"));
  EXPECT_THAT(overlay.umount(), IsDone()) << "nothing happens";
}

TEST_F(OverlayFSTest, UmountLeavesAMountPointThatWasThere) {
  OverlayFS overlay(path("base"));
  ASSERT_THAT(overlay.set_mount(make_dir("mine")), IsDone());
  write_to(path("mine/file"), "mine");
  ASSERT_THAT(overlay.mount(), IsDone());
  EXPECT_FALSE(exists("mine/file"));

  ASSERT_THAT(overlay.overlay_action(OverlayAction::Discard), IsDone());

  EXPECT_EQ(read_from(path("mine/file")), "mine");
}

TEST_F(OverlayFSTest, PreserveKeepsTheChangesForTheNextMount) {
  OverlayFS overlay = mounted();
  write_to(overlay.handle().mount_point() / "new", "text");
  ASSERT_THAT(overlay.overlay_action(OverlayAction::Preserve), IsDone());
  EXPECT_FALSE(overlay.is_mounted());

  const OverlayFS again = mounted();

  EXPECT_EQ(read_from(again.handle().mount_point() / "new"), "text");
}

TEST_F(OverlayFSTest, DiscardRemovesAllThatWasMade) {
  OverlayFS overlay = mounted();
  write_to(overlay.handle().mount_point() / "new", "text");
  std::filesystem::remove(overlay.handle().mount_point() / "etc/motd");

  ASSERT_THAT(overlay.overlay_action(OverlayAction::Discard), IsDone());

  EXPECT_FALSE(exists("base.upper") || exists("base.work") ||
               exists("base.mountpoint"));
  const OverlayFS again = mounted();
  EXPECT_EQ(read_from(again.handle().mount_point() / "etc/motd"), "hello");
}

TEST_F(OverlayFSTest, DiscardKnowsWhatAnEarlierProcessMade) {
  {
    const OverlayFS first = mounted();
    write_to(first.handle().mount_point() / "new", "text");
  }
  ASSERT_TRUE(exists("base.upper/new"));

  OverlayFS second(path("base"));
  ASSERT_THAT(second.overlay_action(OverlayAction::Discard), IsDone());

  EXPECT_FALSE(exists("base.upper") || exists("base.work"));
}

TEST_F(OverlayFSTest, DiscardEmptiesAnUpperItDidNotMake) {
  OverlayFS overlay(path("base"));
  ASSERT_THAT(overlay.set_upper(make_dir("mine")), IsDone());
  ASSERT_THAT(overlay.mount(), IsDone());
  write_to(overlay.handle().mount_point() / "new", "text");

  ASSERT_THAT(overlay.overlay_action(OverlayAction::Discard), IsDone());

  EXPECT_TRUE(std::filesystem::is_empty(path("mine")));
  EXPECT_FALSE(exists("mine.work"));
}

TEST_F(OverlayFSTest, DiscardSparesAnUpperThatHeldFilesBefore) {
  write_to(std::filesystem::path(make_dir("mine")) / "precious", "text");
  OverlayFS overlay(path("base"));
  ASSERT_THAT(overlay.set_upper(path("mine")), IsDone());
  ASSERT_THAT(overlay.mount(), IsDone());

  EXPECT_THAT(overlay.overlay_action(OverlayAction::Discard),
              IsRefusedWith(ENOTEMPTY));

  EXPECT_EQ(read_from(path("mine/precious")), "text");
}

TEST_F(OverlayFSTest, CommitMergesTheChangesAndRemovesWhatWasMade) {
  for (const OverlayAction action :
       {OverlayAction::Commit, OverlayAction::CommitAtomic}) {
    OverlayFS overlay = mounted();
    write_to(overlay.handle().mount_point() / "etc/motd", "changed");
    std::filesystem::create_directory(overlay.handle().mount_point() / "new");

    ASSERT_THAT(overlay.overlay_action(action), IsDone());

    EXPECT_FALSE(overlay.is_mounted());
    EXPECT_EQ(read_from(path("base/etc/motd")), "changed");
    EXPECT_TRUE(exists("base/new"));
    EXPECT_FALSE(exists("base.upper") || exists("base.work") ||
                 exists("base.mountpoint"));
    restore_base();
  }
}

TEST_F(OverlayFSTest, CommitOfABusyMountIsRefusedAndItGoesOn) {
  OverlayFS overlay = mounted();
  const auto file = overlay.handle().mount_point() / "etc/motd";
  const Fd held(::open(file.c_str(), O_RDONLY | O_CLOEXEC));

  EXPECT_THAT(overlay.overlay_action(OverlayAction::Commit),
              IsRefusedWith(EBUSY));

  EXPECT_TRUE(overlay.is_mounted());
}

TEST_F(OverlayFSTest, CommitRefusesWhatSomebodyElseChanged) {
  OverlayFS overlay = mounted();
  write_to(overlay.handle().mount_point() / "etc/motd", "ours");
  ASSERT_THAT(overlay.umount(), IsDone());
  write_to(path("base/etc/motd"), "somebody else's");

  const auto refused = overlay.overlay_action(OverlayAction::Commit);

  EXPECT_THAT(refused, IsRefusedWith(ESTALE));
  EXPECT_THAT(refused.error().message(), HasSubstr("etc/motd"));
  EXPECT_EQ(read_from(path("base/etc/motd")), "somebody else's");
  EXPECT_EQ(read_from(path("base.upper/etc/motd")), "ours");
  restore_base();
}

TEST_F(OverlayFSTest, ChangesAreListedMountedAndNot) {
  OverlayFS overlay = mounted();
  ASSERT_THAT(overlay.changes(), IsDone());
  EXPECT_TRUE(overlay.changes()->empty());
  const auto at = overlay.handle().mount_point();
  write_to(at / "etc/motd", "changed");
  write_to(at / "new", "text");
  std::filesystem::rename(at / "etc", at / "moved");

  for (const bool is_mounted : {true, false}) {
    if (!is_mounted) {
      ASSERT_THAT(overlay.umount(), IsDone());
    }
    const auto changes = overlay.changes();
    ASSERT_THAT(changes, IsDone());
    ASSERT_EQ(changes->size(), 3U);
    EXPECT_EQ(changes->at(0).path, "moved");
    EXPECT_EQ(changes->at(0).old_path, "etc");
    EXPECT_EQ(letter_of(changes->at(0).kind), 'R');
    EXPECT_EQ(changes->at(1).path, "moved/motd");
    EXPECT_EQ(changes->at(1).kind, ChangeKind::kContent);
    EXPECT_TRUE(changes->at(1).content_differs);
    EXPECT_EQ(changes->at(2).kind, ChangeKind::kAdded);
    EXPECT_EQ(changes->at(2).size, 4U);
    EXPECT_TRUE(changes->at(2).conflict.empty());
  }
}

TEST_F(OverlayFSTest, NeverMountedHasNoChangesAndNothingToCommit) {
  OverlayFS overlay(path("base"));

  EXPECT_TRUE(overlay.changes()->empty());
  EXPECT_THAT(overlay.overlay_action(OverlayAction::Commit), IsDone());

  EXPECT_FALSE(exists("base.upper") || exists("base.work"));
}

TEST_F(OverlayFSTest, ProgressIsToldAndCanStop) {
  OverlayFS overlay = mounted();
  write_to(overlay.handle().mount_point() / "new", "text");
  int calls = 0;
  overlay.set_progress([&](const Progress& progress) {
    EXPECT_FALSE(progress.stage.empty());
    ++calls;
    return false;
  });

  EXPECT_THAT(overlay.overlay_action(OverlayAction::Commit),
              IsRefusedWith(ECANCELED));
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(exists("base/new"));

  overlay.set_progress({});
  EXPECT_THAT(overlay.overlay_action(OverlayAction::Commit), IsDone());
  EXPECT_TRUE(exists("base/new"));
  restore_base();
}

TEST_F(OverlayFSTest, SettersAreRefusedWhileMounted) {
  OverlayFS overlay = mounted();

  EXPECT_THAT(overlay.set_upper("/x"), IsRefusedWith(EBUSY));
  EXPECT_THAT(overlay.set_work("/x"), IsRefusedWith(EBUSY));
  EXPECT_THAT(overlay.set_mount("/x"), IsRefusedWith(EBUSY));
  EXPECT_THAT(overlay.add_lower("/x"), IsRefusedWith(EBUSY));
  EXPECT_THAT(overlay.set_read_only(true), IsRefusedWith(EBUSY));
  EXPECT_THAT(overlay.set_inode_mode(InodeMode::kVirtual),
              IsRefusedWith(EBUSY));
  EXPECT_THAT(overlay.set_option("ro"), IsRefusedWith(EBUSY));
  EXPECT_THAT(overlay.mount(), IsRefusedWith(EBUSY));
}

TEST_F(OverlayFSTest, UmountOfABusyMountIsRefusedAndItGoesOn) {
  OverlayFS overlay = mounted();
  const auto file = overlay.handle().mount_point() / "etc/motd";
  {
    const Fd held(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_THAT(held.get(), Succeeds());

    EXPECT_THAT(overlay.umount(), IsRefusedWith(EBUSY));
    EXPECT_TRUE(overlay.is_mounted());
    EXPECT_EQ(read_from(file), "hello");
  }
  EXPECT_THAT(overlay.umount(), IsDone());
}

TEST_F(OverlayFSTest, EndOfTheObjectUnmountsEvenIfBusy) {
  Fd held;
  {
    const OverlayFS overlay = mounted();
    held = Fd(::open((overlay.handle().mount_point() / "etc/motd").c_str(),
                     O_RDONLY | O_CLOEXEC));
    ASSERT_THAT(held.get(), Succeeds());
  }

  EXPECT_FALSE(exists("base.mountpoint/etc"));
  const OverlayFS again = mounted();
  EXPECT_TRUE(again.is_mounted());
}

TEST_F(OverlayFSTest, UnmountFromOutsideIsNoticed) {
  OverlayFS overlay = mounted();

  const Finished end = run(
      {veneer_program(), "umount", overlay.handle().mount_point().string()});

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(overlay.umount(), IsDone());
  EXPECT_FALSE(overlay.is_mounted());
  EXPECT_THAT(overlay.mount(), IsDone());
}

TEST_F(OverlayFSTest, FailedMountLeavesNothingBehind) {
  OverlayFS overlay(path("base"));
  ASSERT_THAT(overlay.add_lower(path("missing")), IsDone());

  const auto refused = overlay.mount();

  EXPECT_THAT(refused, IsRefusedWith(ENOENT));
  EXPECT_THAT(refused.error().message(), HasSubstr(path("missing")));
  EXPECT_FALSE(exists("base.upper") || exists("base.work") ||
               exists("base.mountpoint"));
}

TEST_F(OverlayFSTest, MissingDirectoriesAreMadeAndGoWithADiscard) {
  OverlayFS overlay(path("base"));
  ASSERT_THAT(overlay.set_upper(path("u")), IsDone());
  ASSERT_THAT(overlay.set_work(path("w")), IsDone());
  ASSERT_THAT(overlay.set_mount(path("m")), IsDone());
  ASSERT_THAT(overlay.mount(), IsDone());
  EXPECT_TRUE(exists("u") && exists("w") && exists("m/etc"));

  ASSERT_THAT(overlay.overlay_action(OverlayAction::Discard), IsDone());

  EXPECT_FALSE(exists("u") || exists("w") || exists("m"));
}

TEST_F(OverlayFSTest, AddedLowersAreBelow) {
  build_tree({{"etc", Dir()},
              {"etc/motd", File("below")},
              {"etc/hosts", File("below")}},
             make_dir("second"));
  OverlayFS overlay(path("base"));
  ASSERT_THAT(overlay.add_lower(path("second")), IsDone());
  ASSERT_THAT(overlay.mount(), IsDone());
  const auto etc = overlay.handle().mount_point() / "etc";

  EXPECT_EQ(read_from(etc / "motd"), "hello");
  EXPECT_EQ(read_from(etc / "hosts"), "below");
}

TEST_F(OverlayFSTest, ReadOnlyOverlayRefusesWritesAndMakesNoUpper) {
  OverlayFS overlay(path("base"));
  ASSERT_THAT(overlay.set_read_only(true), IsDone());
  ASSERT_THAT(overlay.mount(), IsDone());
  EXPECT_EQ(overlay.handle().upper(), "");

  const auto file = overlay.handle().mount_point() / "new";
  EXPECT_THAT(::open(file.c_str(), O_WRONLY | O_CREAT, 0644), FailsWith(EROFS));

  EXPECT_FALSE(exists("base.upper") || exists("base.work"));
}

TEST_F(OverlayFSTest, ModesDoNotDependOnThisProcess) {
  const OverlayFS overlay = mounted();
  const auto file = overlay.handle().mount_point() / "open-to-all";
  const mode_t before = ::umask(0);
  ASSERT_THAT(::close(::open(file.c_str(), O_CREAT | O_WRONLY, 0666)),
              Succeeds());

  ::umask(before);

  struct stat status{};
  ASSERT_THAT(::stat(file.c_str(), &status), Succeeds());
  EXPECT_EQ(status.st_mode & 07777, 0666U);
}

TEST_F(OverlayFSTest, TwoOverlaysOfOneLowerLiveSideBySide) {
  OverlayFS other(path("base"));
  ASSERT_THAT(other.set_upper(path("u")), IsDone());
  ASSERT_THAT(other.set_mount(path("m")), IsDone());
  ASSERT_THAT(other.mount(), IsDone());
  const OverlayFS overlay = mounted();

  write_to(overlay.handle().mount_point() / "etc/motd", "one");
  write_to(other.handle().mount_point() / "etc/motd", "two");

  EXPECT_EQ(read_from(path("base.upper/etc/motd")), "one");
  EXPECT_EQ(read_from(path("u/etc/motd")), "two");
}

TEST_F(OverlayFSTest, OverlayCanBeMountedOverItsOwnLower) {
  OverlayFS overlay(path("base"));
  ASSERT_THAT(overlay.set_mount(path("base")), IsDone());
  ASSERT_THAT(overlay.mount(), IsDone());

  write_to(path("base/etc/motd"), "changed");
  EXPECT_EQ(read_from(path("base/etc/motd")), "changed");

  ASSERT_THAT(overlay.umount(), IsDone());
  EXPECT_EQ(read_from(path("base/etc/motd")), "hello");
}

TEST_F(OverlayFSTest, StatusIsWhatTheCommandPrints) {
  OverlayFS overlay(path("base"));
  EXPECT_THAT(overlay.status(), IsRefusedWith(ENOTCONN));
  ASSERT_THAT(overlay.set_option("fsync=strict"), IsDone());
  ASSERT_THAT(overlay.mount(), IsDone());

  const auto status = overlay.status();

  ASSERT_THAT(status, IsDone());
  EXPECT_THAT(*status, HasSubstr("\"kind\": \"library\""));
  EXPECT_THAT(*status, HasSubstr("\"value\": \"strict\""));
  EXPECT_THAT(*status, HasSubstr(path("base.upper")));
}

TEST_F(OverlayFSTest, UnknownOptionIsRefused) {
  OverlayFS overlay(path("base"));

  EXPECT_THAT(overlay.set_option("fsink=strict"), IsRefusedWith(EINVAL));
}

TEST_F(OverlayFSTest, MovedObjectKeepsItsMount) {
  OverlayFS first = mounted();
  const OverlayFS second = std::move(first);

  EXPECT_TRUE(second.is_mounted());
  EXPECT_EQ(read_from(second.handle().mount_point() / "etc/motd"), "hello");
}

}  // namespace
}  // namespace veneer::testing
