// SPDX-License-Identifier: MIT
//
// A commit or discard that is killed: the session says so, nothing but ending
// it is let through, and whoever comes next ends it, to the same result.

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <iostream>

#include "session/finish.h"
#include "sys/fault.h"
#include "test/finish/session_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

enum class Ending : std::uint8_t { kCommit, kCommitAtomic, kDiscard };

constexpr char kChanges[] =
    "echo world >> etc/motd; chmod 700 run; echo n > new; mv old older; "
    "rm etc/hosts";

Result<void> finish(const std::string& upper, Ending ending) {
  TRY_ASSIGN(const auto session, session::find_session(upper));
  if (ending == Ending::kDiscard) {
    TRY(session::discard(session, {}));
    return {};
  }
  finalize::CommitOptions options;
  options.atomic = ending == Ending::kCommitAtomic;
  TRY(session::commit(session, options));
  return {};
}

class RecoveryTest : public SessionTest,
                     public ::testing::WithParamInterface<Ending> {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    before_ = read_tree(base());
    ASSERT_NO_FATAL_FAILURE(session(kChanges));
    ASSERT_EQ(run({"cp", "-a", base(), path("kept")}).status, 0);
    ASSERT_EQ(run({"cp", "-a", upper(), path("kept.upper")}).status, 0);
    ASSERT_EQ(run({"cp", "-a", path("base.work"), path("kept.work")}).status,
              0);
  }

  // In a process of its own; the number of changes it made, or -1 if it died.
  int finish_in_child(std::uint64_t crash_at) const {
    const pid_t child = ::fork();
    if (child == 0) {
      crash_at == 0 ? sys::fault::arm_count() : sys::fault::arm_crash(crash_at);
      const auto done = finish(upper(), GetParam());
      if (!done) std::cerr << done.error().message() << '\n';
      ::_exit(done ? static_cast<int>(sys::fault::count()) : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  void restore() const {
    for (const char* const end : {"", ".upper", ".work"}) {
      ASSERT_EQ(run({"rm", "-rf", base() + end}).status, 0);
      ASSERT_EQ(run({"cp", "-a", path(std::string("kept") + end), base() + end})
                    .status,
                0);
    }
    // The copy was made after the session; it is to pass for the base all the
    // same.
    auto manifest = nlohmann::json::parse(read("base.work/veneer.json"));
    manifest["began"] = std::time(nullptr);
    write("base.work/veneer.json", manifest.dump());
  }

  // The base is as it was and the changes are there, or all is done.
  void expect_old_or_new(std::uint64_t at) const {
    const std::string now = differences(seen(), read_tree(base()));
    const bool is_new = now.empty() || (GetParam() == Ending::kDiscard &&
                                        !exists("base.upper"));
    if (is_new && !exists("base.upper")) {
      if (GetParam() == Ending::kDiscard) {
        EXPECT_THAT(read_tree(base()), TreeIs(before_)) << "change " << at;
      }
      return;
    }
    ASSERT_NO_FATAL_FAILURE(mount());
    EXPECT_THAT(read_tree(m()),
                AnyOf(TreeIs(seen(), Compare{.dir_mtime = false}),
                      TreeIs(before_, Compare{.dir_mtime = false})))
        << "killed at change " << at << "\n"
        << now;
    ASSERT_EQ(veneer({"umount", m()}).status, 0);
  }

  // A dozen points, the first and the last among them.
  void kill_at_some_points(
      const std::function<void(std::uint64_t)>& then) const {
    const int changes = finish_in_child(0);
    ASSERT_GT(changes, 4);
    const auto last = static_cast<std::uint64_t>(changes);
    const std::uint64_t step = std::max<std::uint64_t>(1, last / 12);
    for (std::uint64_t at = 1; at <= last; at += step) {
      ASSERT_NO_FATAL_FAILURE(restore());
      ASSERT_EQ(finish_in_child(at), -1) << "change " << at;
      ASSERT_NO_FATAL_FAILURE(then(at));
    }
  }

 private:
  Tree before_;
};

TEST_P(RecoveryTest, RecoverEndsItAndTwiceIsHarmless) {
  kill_at_some_points([this](std::uint64_t at) {
    const bool is_known = exists("base.work/veneer.json");
    const Finished first = veneer({"recover", upper()});
    EXPECT_EQ(first.status == 0, is_known) << at << ": " << first.err;
    if (exists("base.upper")) {
      const Finished second = veneer({"recover", upper()});
      EXPECT_EQ(second.status, 0) << second.err;
      EXPECT_THAT(second.out, HasSubstr("nothing was interrupted"));
    }
    expect_old_or_new(at);
  });
}

TEST_P(RecoveryTest, MountEndsIt) {
  kill_at_some_points([this](std::uint64_t at) {
    ASSERT_NO_FATAL_FAILURE(mount());
    ASSERT_EQ(veneer({"umount", m()}).status, 0);
    EXPECT_FALSE(exists("base.work/veneer.journal")) << at;
    expect_old_or_new(at);
  });
}

TEST_P(RecoveryTest, SameCommandEndsIt) {
  kill_at_some_points([this](std::uint64_t at) {
    std::vector<std::string> command = {"commit", upper()};
    if (GetParam() == Ending::kCommitAtomic) command.emplace_back("--atomic");
    if (GetParam() == Ending::kDiscard) command = {"discard", "-y", upper()};
    const bool is_known = exists("base.work/veneer.json");

    const Finished end = veneer(command);

    EXPECT_EQ(end.status == 0, is_known) << at << ": " << end.err;
    EXPECT_FALSE(exists("base.upper")) << at;
    // Once the manifest is gone, nothing is in it, and nobody knows whose it
    // was.
    if (is_known) {
      EXPECT_FALSE(exists("base.work")) << at;
    }
    expect_old_or_new(at);
  });
}

TEST_P(RecoveryTest, InterruptedSessionIsOnlyLookedAtByStatus) {
  int interrupted = 0;
  kill_at_some_points([&](std::uint64_t) {
    if (!exists("base.work/veneer.journal")) return;
    ++interrupted;
    const auto status = veneer_json({"status", "--json", path("base.work")});
    EXPECT_EQ(status["state"], "interrupted");
    EXPECT_NE(status["interrupted"], nullptr);
    const Finished diff = veneer({"diff", path("base.work")});
    EXPECT_TRUE(is_refused(diff, "veneer recover"));
    const Finished dry = veneer({"commit", "--dry-run", path("base.work")});
    EXPECT_TRUE(is_refused(dry, "veneer recover"));
  });
  EXPECT_GT(interrupted, 0);
}

std::string name_of(const ::testing::TestParamInfo<Ending>& instance) {
  switch (instance.param) {
    case Ending::kCommit:
      return "commit";
    case Ending::kCommitAtomic:
      return "commit_atomic";
    case Ending::kDiscard:
      return "discard";
  }
  return "";
}

INSTANTIATE_TEST_SUITE_P(, RecoveryTest,
                         ::testing::Values(Ending::kCommit,
                                           Ending::kCommitAtomic,
                                           Ending::kDiscard),
                         name_of);

}  // namespace
}  // namespace veneer::testing
