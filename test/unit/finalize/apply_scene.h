// SPDX-License-Identifier: MIT
//
// A base, an upper and a plan in which every kind of step occurs, with what
// makes each of them hard: hard links, a directory that is replaced by a
// symbolic link, two that change places, immutable files, marks on what moves.
//
// The times of all that is not part of the plan are fixed, so that two results
// can be compared whole.

#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "finalize/apply.h"
#include "sys/open.h"
#include "test/support/fd.h"
#include "test/support/result.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"

namespace veneer::finalize {

using testing::build_tree;
using testing::CharDev;
using testing::differences;
using testing::Dir;
using testing::Fd;
using testing::Fifo;
using testing::File;
using testing::HardLink;
using testing::ScratchDir;
using testing::Socket;
using testing::Symlink;
using testing::Tree;
using testing::Whiteout;

/// FS_IOC_GETFLAGS; 0 where there are none.
inline unsigned flags_at(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW));
  int flags = 0;
  if (!fd.is_open() || ::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) < 0) return 0;
  return static_cast<unsigned>(flags);
}

inline bool set_flags_at(const std::string& path, unsigned flags) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW));
  return fd.is_open() && ::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) == 0;
}

/// Calls `f` with each path below `root`, and `root`, deepest first.
template <typename F>
void for_each_below(const std::string& root, F&& f) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths = {root};
  std::error_code error;
  for (fs::recursive_directory_iterator at(root, error), end; at != end;
       at.increment(error)) {
    paths.push_back(at->path());
  }
  std::sort(paths.rbegin(), paths.rend());
  for (const std::string& path : paths) f(path);
}

/// Flags that keep root from removing it are taken off everywhere.
inline void unprotect_below(const std::string& root) {
  constexpr unsigned kMask = FS_IMMUTABLE_FL | FS_APPEND_FL;
  for_each_below(root, [](const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return;
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return;
    const unsigned flags = flags_at(path);
    if ((flags & kMask) != 0) set_flags_at(path, flags & ~kMask);
  });
}

class ApplyScene : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: device nodes, owners";
    ASSERT_TRUE(scratch_.is_made());
  }
  void TearDown() override {
    for (const char* name : kDirs) unprotect_below(path(name));
  }

  std::string path(std::string_view name) const { return scratch_.path(name); }
  std::string base(const std::string& name) const {
    return path("base/" + name);
  }
  std::string upper(const std::string& name) const {
    return path("upper/" + name);
  }

  /// Empty directories.
  void clear() {
    close_all();
    for (const char* name : kDirs) {
      unprotect_below(path(name));
      std::filesystem::remove_all(path(name));
      ASSERT_EQ(::mkdir(path(name).c_str(), 0755), 0);
      ASSERT_EQ(::chmod(path(name).c_str(), 0755), 0);
    }
    open_all();
  }
  /// All times of all that is there.
  void settle_times(const std::string& name) {
    for_each_below(path(name), [](const std::string& at) {
      const timespec times[2] = {{1000, 1}, {2000, 2}};
      ASSERT_EQ(::utimensat(AT_FDCWD, at.c_str(), times, AT_SYMLINK_NOFOLLOW),
                0)
          << at;
    });
  }
  std::uint64_t ino(const std::string& at) const {
    struct stat status{};
    EXPECT_EQ(::lstat(path(at).c_str(), &status), 0) << at;
    return status.st_ino;
  }
  Metadata metadata_at(const std::string& at) const {
    struct stat status{};
    EXPECT_EQ(::lstat(path(at).c_str(), &status), 0) << at;
    return {.mode = status.st_mode & 07777,
            .uid = status.st_uid,
            .gid = status.st_gid,
            .atime = status.st_atim,
            .mtime = status.st_mtim};
  }
  bool exists(const std::string& at) const {
    struct stat status{};
    return ::lstat(path(at).c_str(), &status) == 0;
  }
  static void set_xattr(const std::string& at, const char* name,
                        std::string_view value) {
    ASSERT_EQ(::lsetxattr(at.c_str(), name, value.data(), value.size(), 0), 0)
        << at << " " << name << ": " << std::strerror(errno);
  }

  // --- Steps, with what is there now ---
  Step stash(const std::string& name, std::uint64_t slot) const {
    return {.kind = StepKind::kStash,
            .path = name,
            .slot = slot,
            .ino = ino("base/" + name)};
  }
  static Step place(const std::string& name, std::uint64_t slot) {
    return {.kind = StepKind::kPlace, .path = name, .slot = slot};
  }
  static Step make(const std::string& name) {
    return {.kind = StepKind::kMakeDir, .path = name};
  }
  Step install(const std::string& from, const std::string& name,
               bool move) const {
    const bool is_there = exists("base/" + name);
    return {.kind = StepKind::kInstall,
            .path = name,
            .from = from,
            .ino = is_there ? ino("base/" + name) : 0,
            .from_ino = ino("upper/" + from),
            .metadata = metadata_at("upper/" + from),
            .move = move};
  }
  Step link(const std::string& from, const std::string& name) const {
    const bool is_there = exists("base/" + name);
    return {.kind = StepKind::kLink,
            .path = name,
            .from = from,
            .ino = is_there ? ino("base/" + name) : 0};
  }
  Step attrs(const std::string& name, const std::string& from) const {
    return {.kind = StepKind::kAttrs,
            .path = name,
            .from = from,
            .metadata = metadata_at("upper/" + from),
            .reason = ChangeKind::kMetadata};
  }
  Step stage(const std::string& from, const std::string& data,
             std::uint64_t slot) const {
    return {.kind = StepKind::kStage,
            .from = from,
            .data_path = data,
            .slot = slot,
            .metadata = metadata_at("upper/" + from)};
  }

  /// As the commit has it: first what is staged, then the rest.
  Result<void> apply_all(const std::vector<Step>& steps) const {
    TRY(apply(site(), steps, Which::kStageSteps, {}));
    return apply_rest(steps);
  }
  Result<void> apply_rest(const std::vector<Step>& steps) const {
    return apply(site(), steps, Which::kOtherSteps, {});
  }
  Site site() const {
    Site site = options_;
    site.base = base_.get();
    site.upper = upper_.get();
    site.staging = staging_.get();
    return site;
  }

  /// The base: all that read_tree() sees, and the flags.
  struct Look {
    Tree tree;
    std::map<std::string, unsigned> flags;
  };
  Look look() const {
    Look result;
    for_each_below(path("base"), [&](const std::string& at) {
      constexpr unsigned kShown = FS_IMMUTABLE_FL | FS_APPEND_FL |
                                  FS_NODUMP_FL | FS_NOATIME_FL | FS_SYNC_FL;
      struct stat status{};
      if (::lstat(at.c_str(), &status) != 0) return;
      if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return;
      if (const unsigned flags = flags_at(at) & kShown; flags != 0) {
        result.flags[at.substr(path("base").size())] = flags;
      }
    });
    result.tree = testing::read_tree(path("base"));
    // Nobody sees the times of what hides.
    for (auto [name, entry] : Tree(result.tree).entries()) {
      const bool hides = entry.kind == testing::Kind::kWhiteout ||
                         name.find(".wh.") != std::string::npos;
      if (!hides) continue;
      entry.modified = timespec{};
      result.tree.set(name, entry);
    }
    return result;
  }

  void make_scene();
  std::vector<Step> steps() const;

  ScratchDir scratch_;
  Site options_;

 private:
  static constexpr const char* kDirs[] = {"base", "upper", "staging", "below"};

  void open_all() {
    for (auto& [fd, name] : {std::pair{&base_, "base"},
                             {&upper_, "upper"},
                             {&staging_, "staging"},
                             {&below_, "below"}}) {
      auto opened = sys::open_dir(path(name));
      ASSERT_TRUE(opened);
      *fd = *std::move(opened);
    }
  }
  void close_all() {
    for (sys::UniqueFd* fd : {&base_, &upper_, &staging_, &below_}) {
      fd->reset();
    }
  }

  sys::UniqueFd base_;
  sys::UniqueFd upper_;
  sys::UniqueFd staging_;

 protected:
  sys::UniqueFd below_;
};

// NOLINTNEXTLINE(readability-function-size): a list.
inline void ApplyScene::make_scene() {
  clear();
  build_tree({{"keep", File("kept").mode(0640)},
              {"gone", File("deleted")},
              {"gone_dir", Dir()},
              {"gone_dir/inside", File("deleted, too")},
              {"d", Dir().mode(0751)},
              {"d/replaced", File("old bytes").mode(0600)},
              {"d/copied", File("old, too")},
              {"d/chmod", File("same bytes").xattr("user.gone", "x")},
              {"old", Dir().mode(0700)},
              {"old/x", File("x")},
              {"old/inner", Dir()},
              {"old/inner/y", File("y")},
              {"left", Dir()},
              {"left/l", File("l")},
              {"right", Dir()},
              {"right/r", File("r")},
              {"to_dir", File("a file")},
              {"to_link", Dir()},
              {"to_link/moved", Dir()},
              {"to_link/moved/z", File("z")},
              {"h1", File("linked")},
              {"h2", HardLink("h1")},
              {"meta", File(std::string(9000, 'm'))},
              {"frozen", Dir()},
              {"frozen/inside", File("frozen bytes")},
              {"frozen/taken", File("frozen, too")}},
             path("base"));
  build_tree({{"d", Dir().mode(02750).owner(3, 4).xattr("user.dir", "d")},
              {"d/replaced", File("new bytes").mode(04755).owner(5, 6)},
              {"d/copied", File("copied bytes").mode(06711).owner(7, 8)},
              {"d/chmod", File().mode(0444).xattr("user.new", "y")},
              {"new", Dir().mode(0770)},
              {"to_dir", Dir()},
              {"to_dir/file", File("in a new directory")},
              {"to_link", Symlink("../outside")},
              {"fifo", Fifo().mode(0622)},
              {"socket", Socket()},
              {"null", CharDev(1, 3).mode(0666)},
              {"link", Symlink("nowhere").owner(9, 10)},
              {"h", File("linked, changed")},
              {"meta", File(std::string(9000, '\0')).mode(0604).owner(1, 2)},
              {"immutable", File("never again")},
              {"log", File("append")},
              {"frozen", Dir().mode(0711)},
              {"frozen/inside", File("thawed")},
              {"capable", File("cap").mode(0755)}},
             path("upper"));
  for (const char* name : {"d/replaced", "d/copied", "d/chmod", "d", "meta"}) {
    set_xattr(upper(name), "trusted.overlay.origin", "where from");
    set_xattr(upper(name), "trusted.overlay.overlay.opaque", "nested");
  }
  set_xattr(upper("d/replaced"), "user.kept", "v");
  set_xattr(upper("d/copied"), "user.kept", "v");
  set_xattr(upper("link"), "trusted.on.link", "t");
  set_xattr(upper("meta"), "trusted.overlay.metacopy", "");
  set_xattr(upper("immutable"), "trusted.overlay.protattr", "i");
  set_xattr(upper("log"), "trusted.overlay.protattr", "a");
  set_xattr(upper("frozen"), "trusted.overlay.protattr", "i");
  set_xattr(upper("d/chmod"), "trusted.overlay.protattr", "i");
  set_xattr(upper("meta"), "trusted.overlay.protattr", "a");
  // cap_net_raw, permitted and effective, revision 2.
  constexpr char kCapability[] = "\1\0\0\2\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
  set_xattr(upper("capable"), "security.capability",
            {kCapability, sizeof(kCapability) - 1});
  set_xattr(upper("d/copied"), "security.capability",
            {kCapability, sizeof(kCapability) - 1});
  // user::rwx user:12:r-x group::--- mask::r-x other::--- in a directory's
  // default ACL.
  constexpr char kAcl[] =
      "\2\0\0\0\1\0\7\0\xff\xff\xff\xff\2\0\5\0\14\0\0\0\4\0\0\0\xff\xff\xff"
      "\xff\20\0\5\0\xff\xff\xff\xff\40\0\0\0\xff\xff\xff\xff";
  const std::string_view acl(kAcl, sizeof(kAcl) - 1);
  set_xattr(upper("new"), "system.posix_acl_default", acl);
  set_xattr(upper("d/copied"), "system.posix_acl_access", acl);
  set_xattr(base("d"), "system.posix_acl_default", acl);
  settle_times("base");
  settle_times("upper");
  ASSERT_TRUE(set_flags_at(base("d/chmod"), FS_NODUMP_FL));
  ASSERT_TRUE(set_flags_at(upper("d/copied"), FS_NOATIME_FL));
  ASSERT_TRUE(set_flags_at(base("frozen/inside"), FS_IMMUTABLE_FL));
  ASSERT_TRUE(set_flags_at(base("frozen/taken"), FS_APPEND_FL));
  ASSERT_TRUE(set_flags_at(base("frozen"), FS_IMMUTABLE_FL));
}

inline std::vector<Step> ApplyScene::steps() const {
  return {
      stage("meta", "meta", 20),
      // What was renamed, deepest first.
      stash("to_link/moved", 1),
      stash("old/inner", 2),
      stash("old", 3),
      stash("left", 4),
      stash("right", 5),
      // From the root down.
      install("capable", "capable", true),
      install("d/replaced", "d/replaced", true),
      install("d/copied", "d/copied", false),
      attrs("d/chmod", "d/chmod"),
      install("fifo", "fifo", false),
      stash("frozen/taken", 10),
      install("frozen/inside", "frozen/inside", true),
      stash("gone", 11),
      stash("gone_dir", 12),
      install("h", "h1", true),
      install("immutable", "immutable", true),
      install("link", "link", false),
      install("log", "log", false),
      place("left", 5),
      place("meta", 20),
      place("moved", 1),
      place("new", 3),
      place("new/deeper", 2),
      install("null", "null", false),
      place("right", 4),
      install("socket", "socket", false),
      stash("to_dir", 13),
      make("to_dir"),
      {.kind = StepKind::kInstall,
       .path = "to_dir/file",
       .from = "to_dir/file",
       .from_ino = ino("upper/to_dir/file"),
       .metadata = metadata_at("upper/to_dir/file"),
       .move = true},
      stash("to_link", 14),
      {.kind = StepKind::kInstall,
       .path = "to_link",
       .from = "to_link",
       .from_ino = ino("upper/to_link"),
       .metadata = metadata_at("upper/to_link"),
       .move = true},
      link("h1", "h2"),
      link("h1", "d/h3"),
      link("immutable", "immutable2"),
      // The attributes of directories, from the leaves up.
      attrs("to_dir", "to_dir"),
      attrs("new", "new"),
      attrs("frozen", "frozen"),
      attrs("d", "d"),
      attrs("", ""),
  };
}

}  // namespace veneer::finalize
