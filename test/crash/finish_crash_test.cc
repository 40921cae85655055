// SPDX-License-Identifier: MIT
//
// Finishing a session, stopped at each single change of the disk.
//
// A session with a change of every kind is committed (in place and in one
// step) or discarded, once for each change that this makes to the disk: a real
// process is killed before its n-th, or gets ENOSPC or EIO there. What is left
// must be what was, or lead to what was asked for: nothing that the user did is
// ever missing from both the upper and the base.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "finalize/commit.h"
#include "layer/host/open_layers.h"
#include "overlay/filesystem.h"
#include "sys/fault.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"

namespace veneer::testing {
namespace {

using finalize::Directories;
using finalize::Recovered;
using overlay::Caller;
using overlay::NodeId;

constexpr time_t kThen = 1'000'000'000;

Tree base_tree() {
  return {
      {"", Dir().mtime(kThen)},
      {"changed", File("old").mtime(kThen)},
      {"chmodded", File("same bytes").mtime(kThen)},
      {"deleted", File("old").mtime(kThen)},
      {"dir", Dir().mtime(kThen)},
      {"dir/moves", File("moves along").mtime(kThen)},
      {"dir/goes", File("goes").mtime(kThen)},
      {"dir/sub", Dir().mtime(kThen)},
      {"dir/sub/x", File("x").mtime(kThen)},
      {"file_to_dir", File("old").mtime(kThen)},
      {"dir_to_file", Dir().mtime(kThen)},
      {"dir_to_file/x", File("x").mtime(kThen)},
      {"link", Symlink("nowhere")},
      {"one", File("linked").mtime(kThen)},
      {"quiet", Dir().mtime(kThen)},
      {"quiet/two", HardLink("one")},
      {"renamed", File("a file").mtime(kThen)},
      {"replaced", Dir().mtime(kThen)},
      {"replaced/old", File("old").mtime(kThen)},
      {"untouched", File("as it was").mtime(kThen)},
  };
}

// The session, worked on through the engine.
class Worker {
 public:
  explicit Worker(const Directories& dirs) {
    auto lower = layer::open_host_lower(dirs.lowers.front(), true);
    layer::UpperReport report;
    auto upper = layer::open_host_upper(
        {.upper = dirs.upper, .work = dirs.work}, report);
    if (!lower || !upper) return;
    std::vector<std::unique_ptr<Layer>> lowers;
    lowers.push_back(*std::move(lower));
    auto fs =
        overlay::Filesystem::make(std::move(lowers), *std::move(upper), {});
    if (fs) fs_ = *std::move(fs);
  }

  /// True if each step was done.
  bool work() {
    return fs_ && put("changed", "new bytes") && chmod("chmodded", 0600) &&
           unlink("", "deleted") && rename("dir/sub", "sub moved") &&
           rename("dir", "dir moved") && unlink("dir moved", "goes") &&
           unlink("", "file_to_dir") && make("", "file_to_dir", S_IFDIR) &&
           make("file_to_dir", "in", S_IFREG) && unlink("dir_to_file", "x") &&
           rmdir("", "dir_to_file") && make("", "dir_to_file", S_IFREG) &&
           unlink("", "link") && make("", "link", S_IFLNK) &&
           put("one", "changed, both") && rename("renamed", "file moved") &&
           chmod("file moved", 0640) && unlink("replaced", "old") &&
           rmdir("", "replaced") && make("", "replaced", S_IFDIR) &&
           make("replaced", "f", S_IFIFO) && make("", "new dir", S_IFDIR) &&
           make("new dir", "a", S_IFREG) && put("new dir/a", "new") &&
           link("new dir/a", "new dir", "b") && settle_times();
  }

 private:
  NodeId find(std::string_view path) {
    NodeId at = overlay::kRootId;
    while (!path.empty()) {
      const std::size_t slash = path.find('/');
      const auto entry = fs_->lookup(at, path.substr(0, slash));
      if (!entry || !*entry) return NodeId{0};
      at = (*entry)->id;
      path = slash == path.npos ? "" : path.substr(slash + 1);
    }
    return at;
  }
  bool put(std::string_view path, std::string_view text) {
    return bool(fs_->write(root_, find(path), 0,
                           std::as_bytes(std::span(text.data(), text.size()))));
  }
  bool chmod(std::string_view path, mode_t mode) {
    return bool(fs_->set_attr(root_, find(path), {.mode = mode}));
  }
  bool make(std::string_view dir, std::string_view name, mode_t type) {
    return bool(fs_->make(root_, find(dir), name, type | 0755, 0, "target"));
  }
  bool link(std::string_view path, std::string_view dir,
            std::string_view name) {
    return bool(fs_->link(root_, find(path), find(dir), name));
  }
  bool unlink(std::string_view dir, std::string_view name) {
    return bool(fs_->unlink(root_, find(dir), name));
  }
  bool rmdir(std::string_view dir, std::string_view name) {
    return bool(fs_->remove_dir(root_, find(dir), name));
  }
  bool rename(std::string_view from, std::string_view to) {
    const std::size_t slash = from.rfind('/');
    const bool in_root = slash == from.npos;
    return bool(fs_->rename(root_, find(in_root ? "" : from.substr(0, slash)),
                            in_root ? from : from.substr(slash + 1),
                            overlay::kRootId, to, 0));
  }
  // So that two runs give the same tree.
  bool settle_times() {
    constexpr timespec kNow{.tv_sec = kThen + 1, .tv_nsec = 123'456'789};
    for (const char* path :
         {"changed", "dir moved", "sub moved", "file_to_dir/in", "file_to_dir",
          "dir_to_file", "link", "one", "replaced/f", "replaced", "new dir/a",
          "new dir", ""}) {
      if (!fs_->set_attr(root_, find(path), {.atime = kNow, .mtime = kNow})) {
        return false;
      }
    }
    return true;
  }

  const Caller root_{};
  std::unique_ptr<overlay::Filesystem> fs_;
};

std::uint64_t run_killed(std::uint64_t n, const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    sys::fault::arm_crash(n);
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? 1 : 0;
}

class FinishCrash : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) return;
    const char* ci = std::getenv("CI");
    if (ci != nullptr && std::string(ci) == "true") FAIL() << "needs root";
    GTEST_SKIP() << "needs root";
  }
  void TearDown() override { sys::fault::disarm(); }

  // A session that waits to be finished.
  struct Ground {
    ScratchDir scratch;
    Directories dirs;
    std::string base;

    Ground() {
      base = scratch.path("base");
      dirs = {.lowers = {base},
              .upper = scratch.path("upper"),
              .work = scratch.path("work")};
      for (const std::string& dir : {base, dirs.upper, dirs.work}) {
        std::filesystem::create_directory(dir);
        ::chmod(dir.c_str(), 0755);
      }
      build_tree(base_tree(), base);
      is_ready = Worker(dirs).work();
      before = read_tree(base);
    }
    bool is_ready = false;
    Tree before;
  };

  static std::string differs(const Tree& want, const std::string& dir) {
    return differences(want, read_tree(dir), {});
  }

  // What an undisturbed commit gives.
  static Tree expected() {
    const Ground ground;
    EXPECT_TRUE(ground.is_ready);
    const auto done = finalize::commit(ground.dirs, {});
    EXPECT_TRUE(done) << done.error().message();
    return read_tree(ground.base);
  }

  // From whatever was left to the end; the base must be `want` then.
  static void go_on(const Ground& ground, const Tree& want, bool atomic) {
    const auto recovered = finalize::recover(ground.dirs.work, {});
    ASSERT_TRUE(recovered) << recovered.error().message();
    if (*recovered == Recovered::kTakenBack) {
      EXPECT_EQ(differs(ground.before, ground.base), "");
    }
    const auto again = finalize::recover(ground.dirs.work, {});
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(*again, Recovered::kNothing);
    const auto done = finalize::commit(ground.dirs, {.atomic = atomic});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(differs(want, ground.base), "");
    EXPECT_TRUE(std::filesystem::is_empty(ground.dirs.upper));
    // Base, upper and work, and nothing beside them.
    const auto left = std::distance(
        std::filesystem::directory_iterator(ground.scratch.path("")),
        std::filesystem::directory_iterator());
    EXPECT_EQ(left, 3);
  }

  // How many changes of the disk the whole of it takes.
  static std::uint64_t count(const std::function<void(const Ground&)>& body) {
    const Ground ground;
    sys::fault::arm_count();
    body(ground);
    const std::uint64_t changes = sys::fault::count();
    sys::fault::disarm();
    return changes;
  }
};

TEST_P(FinishCrash, ACommitThatIsKilledLosesNothing) {
  const bool atomic = GetParam();
  const auto commit = [&](const Ground& ground) {
    ignore_error(finalize::commit(ground.dirs, {.atomic = atomic}));
  };
  const Tree want = expected();
  const std::uint64_t changes = count(commit);
  ASSERT_GT(changes, 20);
  for (std::uint64_t n = 1; n <= changes; ++n) {
    SCOPED_TRACE("killed before change " + std::to_string(n));
    const Ground ground;
    ASSERT_TRUE(ground.is_ready);
    ASSERT_EQ(run_killed(n, [&] { commit(ground); }), 1);
    if (atomic) {
      // While both trees are there, files that did not change are in both.
      const Tree now = read_tree(ground.base);
      const Compare how{.file_nlink = false};
      const bool whole = differences(ground.before, now, how).empty() ||
                         differences(want, now, how).empty();
      EXPECT_TRUE(whole) << differs(want, ground.base);
    }
    go_on(ground, want, atomic);
    if (HasFailure()) return;
  }
}

TEST_P(FinishCrash, ARecoveryThatIsKilledLosesNothing) {
  const bool atomic = GetParam();
  const auto commit = [&](const Ground& ground) {
    ignore_error(finalize::commit(ground.dirs, {.atomic = atomic}));
  };
  const Tree want = expected();
  const std::uint64_t changes = count(commit);
  for (std::uint64_t n = 5; n <= changes; n += 11) {
    for (std::uint64_t m = 1;; m += 2) {
      SCOPED_TRACE("killed before change " + std::to_string(n) +
                   ", the recovery before change " + std::to_string(m));
      const Ground ground;
      run_killed(n, [&] { commit(ground); });
      const std::uint64_t killed = run_killed(
          m, [&] { ignore_error(finalize::recover(ground.dirs.work, {})); });
      go_on(ground, want, atomic);
      if (HasFailure()) return;
      if (killed == 0) break;
    }
  }
}

TEST_P(FinishCrash, ADiskThatFailsOnceLosesNothing) {
  const bool atomic = GetParam();
  const Tree want = expected();
  const std::uint64_t changes = count([&](const Ground& ground) {
    ignore_error(finalize::commit(ground.dirs, {.atomic = atomic}));
  });
  for (const int code : {ENOSPC, EIO}) {
    for (std::uint64_t n = 1; n <= changes; ++n) {
      SCOPED_TRACE(std::string(code == EIO ? "EIO" : "ENOSPC") + " at change " +
                   std::to_string(n));
      const Ground ground;
      sys::fault::arm_error(n, code, sys::fault::kForever);
      const auto done = finalize::commit(ground.dirs, {.atomic = atomic});
      sys::fault::disarm();
      EXPECT_TRUE(done || !done.error().message().empty());
      go_on(ground, want, atomic);
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, FinishCrash, ::testing::Bool(),
                         [](const auto& given) {
                           return given.param ? "Atomic" : "InPlace";
                         });

TEST_F(FinishCrash, ADiscardThatIsKilledIsFinishedLater) {
  const auto discard = [&](const Ground& ground) {
    ignore_error(finalize::discard(ground.dirs, {}));
  };
  const std::uint64_t changes = count(discard);
  ASSERT_GT(changes, 5);
  for (std::uint64_t n = 1; n <= changes; ++n) {
    SCOPED_TRACE("killed before change " + std::to_string(n));
    const Ground ground;
    ASSERT_EQ(run_killed(n, [&] { discard(ground); }), 1);
    ASSERT_TRUE(finalize::recover(ground.dirs.work, {}));
    ASSERT_TRUE(finalize::discard(ground.dirs, {}));
    EXPECT_EQ(differs(ground.before, ground.base), "");
    EXPECT_TRUE(std::filesystem::is_empty(ground.dirs.upper));
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace veneer::testing
