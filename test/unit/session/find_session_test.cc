// SPDX-License-Identifier: MIT
//
// Sessions by name, with manifests as a mount would have left them, and the
// locks that keep two commands apart. Nothing here mounts.

#include "session/find_session.h"

#include <gtest/gtest.h>

#include "session/finish.h"
#include "session/session_lock.h"
#include "sys/open.h"
#include "sys/xattr.h"
#include "test/support/result.h"
#include "test/unit/session/scratch.h"

namespace veneer::session {
namespace {

using veneer::testing::code_of;

class FindSessionTest : public ScratchTest {
 protected:
  // A session that is not mounted; returns its manifest.
  Manifest leave_session(const std::string& upper, const std::string& work) {
    Manifest manifest;
    manifest.lowers = {dir("base")};
    manifest.upper = dir(upper);
    manifest.work = dir(work);
    manifest.mount_point = path("base.mountpoint");
    manifest.made_upper = true;
    manifest.made_work = true;
    manifest.began = 7;
    leave(manifest);
    return manifest;
  }
  static void leave(const Manifest& manifest) {
    const auto work = sys::open_dir(manifest.work);
    ASSERT_TRUE(work);
    ASSERT_TRUE(write_manifest(work->get(), manifest));
  }
};

TEST_F(FindSessionTest, UpperLeadsToTheWorkDirectoryBesideIt) {
  leave_session("base.upper", "base.work");
  leave_session("mine", "mine.work");

  const auto by_default = find_session(path("base.upper"));
  const auto by_name = find_session(path("mine") + "/");

  ASSERT_TRUE(by_default) << by_default.error().message();
  EXPECT_EQ(by_default->manifest.work, path("base.work"));
  EXPECT_EQ(by_default->state, SessionState::kUnmounted);
  EXPECT_EQ(directories_of(*by_default).began, 7);
  ASSERT_TRUE(by_name) << by_name.error().message();
  EXPECT_EQ(by_name->manifest.work, path("mine.work"));
}

TEST_F(FindSessionTest, WorkDirectoryAndMountPointLeadThereToo) {
  leave_session("base.upper", "base.work");

  EXPECT_EQ(find_session(path("base.work"))->manifest.upper,
            path("base.upper"));
  EXPECT_EQ(find_session(path("base.mountpoint"))->manifest.upper,
            path("base.upper"));
}

TEST_F(FindSessionTest, MarkLeadsToAWorkDirectoryElsewhere) {
  leave_session("u", "elsewhere");
  ASSERT_EQ(code_of(find_session(path("u"))), EINVAL);

  mark_work(path("u"), path("elsewhere"));
  const auto upper = sys::open_dir(path("u"));
  const auto mark = sys::get_xattr_fd(upper->get(), work_mark_name().c_str());
  if (!mark || !*mark) GTEST_SKIP() << "no attributes on this file system";

  EXPECT_EQ(find_session(path("u"))->manifest.work, path("elsewhere"));
}

TEST_F(FindSessionTest, WorkDirectoryBesideTheUpperNeedsNoMark) {
  mark_work(dir("u"), dir("u.work"));
  mark_work(dir("base.upper"), dir("base.work"));

  for (const char* const name : {"u", "base.upper"}) {
    const auto upper = sys::open_dir(path(name));
    const auto mark = sys::get_xattr_fd(upper->get(), work_mark_name().c_str());
    EXPECT_FALSE(mark && *mark) << name;
  }
}

TEST_F(FindSessionTest, ManifestOfAnotherUpperIsNotTaken) {
  Manifest manifest = leave_session("u", "u.work");
  manifest.upper = dir("other");
  leave(manifest);

  EXPECT_EQ(code_of(find_session(path("u"))), EINVAL);
}

TEST_F(FindSessionTest, UpperMayBeReachedByAnotherPath) {
  leave_session("u", "u.work");
  std::filesystem::create_directory_symlink(path("u"), path("link"));
  std::filesystem::create_directory_symlink(path("u.work"), path("link.work"));

  EXPECT_TRUE(find_session(path("link")));
}

TEST_F(FindSessionTest, OthersAreRefused) {
  dir("plain");
  leave_session("u", "u.work");
  file("u.work/veneer.json");

  EXPECT_EQ(code_of(find_session(path("none"))), ENOENT);
  EXPECT_EQ(code_of(find_session("")), ENOENT);
  EXPECT_EQ(code_of(find_session(path("plain"))), EINVAL);
  EXPECT_EQ(code_of(find_session(path("u"))), EUCLEAN);
  EXPECT_EQ(code_of(find_session(path("u.work"))), EUCLEAN);
}

TEST_F(FindSessionTest, ServerThatDiedIsNoticed) {
  Manifest manifest = leave_session("u", "u.work");
  manifest.mounted = true;
  manifest.server = {1, 1};  // that process started at another time
  leave(manifest);

  EXPECT_EQ(find_session(path("u"))->state, SessionState::kKilled);
}

TEST_F(FindSessionTest, ServerThatLivesHasItMounted) {
  Manifest manifest = leave_session("u", "u.work");
  manifest.mounted = true;
  manifest.server = current_process();
  leave(manifest);

  EXPECT_EQ(find_session(path("u"))->state, SessionState::kMounted);
}

TEST_F(FindSessionTest, LockedSessionIsRefusedToTheNext) {
  leave_session("u", "u.work");
  const auto session = find_session(path("u"));
  {
    const auto first = lock_session(path("u"), path("u.work"));
    ASSERT_TRUE(first) << first.error().message();

    EXPECT_EQ(code_of(lock_session(path("u"), path("u.work"))), EBUSY);
    EXPECT_EQ(code_of(commit(*session, {})), EBUSY);
    EXPECT_EQ(code_of(discard(*session, {})), EBUSY);
    EXPECT_EQ(code_of(recover(*session, {})), EBUSY);
  }
  EXPECT_TRUE(lock_session(path("u"), path("u.work")));
}

TEST_F(FindSessionTest, LockIsPossibleWithoutAnUpper) {
  const auto lock = lock_session(path("none"), dir("u.work"));

  ASSERT_TRUE(lock) << lock.error().message();
  EXPECT_FALSE(lock->upper);
  EXPECT_EQ(code_of(lock_session(dir("u"), path("none"))), ENOENT);
}

TEST_F(FindSessionTest, DiscardRemovesNothingThatIsNotOurs) {
  Manifest manifest = leave_session("u", "u.work");
  manifest.made_upper = false;
  manifest.upper_was_empty = true;
  leave(manifest);
  file("u.work/precious");
  dir("u.work/work");
  file("u/new");

  ASSERT_EQ(code_of(discard(*find_session(path("u")), {})), 0);

  EXPECT_TRUE(exists("u"));
  EXPECT_FALSE(exists("u/new"));
  EXPECT_TRUE(exists("u.work/precious"));
  EXPECT_FALSE(exists("u.work/work") || exists("u.work/veneer.json"));
}

}  // namespace
}  // namespace veneer::session
