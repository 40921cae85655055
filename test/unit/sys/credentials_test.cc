// SPDX-License-Identifier: MIT
//
// Who owns what a thread makes, and that it is itself again afterwards.

#include "sys/credentials.h"

#include <linux/capability.h>
#include <sys/wait.h>

#include <latch>
#include <thread>

#include "sys/file.h"
#include "sys/link.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

class CredentialsTest : public TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_TRUE(chmod_fd(dir(), 0777));
  }
  Attr make(const char* name) const {
    EXPECT_TRUE(make_node_at(dir(), name, S_IFREG | 0600, 0));
    return stat_at(dir(), name).value_or(Attr{});
  }
};

TEST_F(CredentialsTest, FilesBelongToWhomItActsFor) {
  {
    const ScopedCredentials as(1234, 5678);
    ASSERT_TRUE(as.status());
    const Attr attr = make("theirs");
    EXPECT_EQ(attr.uid, 1234U);
    EXPECT_EQ(attr.gid, 5678U);
  }
  const Attr attr = make("ours");
  EXPECT_EQ(attr.uid, 0U);
  EXPECT_EQ(attr.gid, 0U);
}

TEST_F(CredentialsTest, GroupAloneMayChange) {
  const ScopedCredentials as(0, 5678);

  ASSERT_TRUE(as.status());
  EXPECT_EQ(make("file").gid, 5678U);
}

TEST_F(CredentialsTest, OtherThreadsAreNotConcerned) {
  std::latch is_changed(1);
  uid_t owner = 1;
  std::thread other([&] {  // started before, for threads inherit
    is_changed.wait();
    owner = make("file").uid;
  });
  {
    const ScopedCredentials as(1234, 5678);
    EXPECT_TRUE(as.status());
    is_changed.count_down();
    other.join();
  }

  EXPECT_EQ(owner, 0U);
}

TEST_F(CredentialsTest, PermissionsAreThoseOfTheUser) {
  make_dir("closed");
  ASSERT_TRUE(chmod_fd(open("closed", O_PATH).get(), 0700));
  const UniqueFd closed = open("closed", O_PATH);
  {
    const ScopedCredentials as(1234, 5678);
    EXPECT_EQ(code_of(make_dir_at(closed.get(), "sub", 0700)), EACCES);
  }
  EXPECT_TRUE(make_dir_at(closed.get(), "sub", 0700));
}

TEST_F(CredentialsTest, CapabilityGoesAndComesBack) {
  if (!have_capability(CAP_FSETID)) GTEST_SKIP() << "needs CAP_FSETID";

  ASSERT_TRUE(drop_thread_capability(CAP_FSETID));
  EXPECT_FALSE(have_capability(CAP_FSETID));
  EXPECT_TRUE(have_capability(CAP_FOWNER));
  bool has_other_thread = false;
  std::thread([&] {
    // Threads inherit; a thread that was there before would still have it.
    ignore_error(raise_thread_capability(CAP_FSETID));
    has_other_thread = have_capability(CAP_FSETID);
  }).join();
  EXPECT_TRUE(has_other_thread);
  EXPECT_FALSE(have_capability(CAP_FSETID));

  ASSERT_TRUE(raise_thread_capability(CAP_FSETID));
  EXPECT_TRUE(have_capability(CAP_FSETID));
}

TEST_F(CredentialsTest, UnknownCapabilityIsNotThere) {
  EXPECT_FALSE(have_capability(-1));
  EXPECT_FALSE(have_capability(1000));
  EXPECT_EQ(code_of(drop_thread_capability(1000)), EINVAL);
}

// Runs `test` as a user without rights; true if it said so.
template <typename Test>
bool is_true_unprivileged(Test&& test) {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool became = ::setresgid(1234, 1234, 1234) == 0 &&
                        ::setresuid(1234, 1234, 1234) == 0;
    ::_exit(became && test() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status == 0;
}

TEST_F(CredentialsTest, WithoutRightsNobodyElseCanBeActedFor) {
  EXPECT_TRUE(is_true_unprivileged([&] {
    const ScopedCredentials as(4321, 8765);
    return code_of(as.status()) == EPERM &&
           make_node_at(dir(), "file", S_IFREG | 0600, 0).has_value() &&
           stat_at(dir(), "file")->uid == 1234;
  }));
}

}  // namespace
}  // namespace veneer::sys
