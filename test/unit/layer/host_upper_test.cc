// SPDX-License-Identifier: MIT
//
// The upper's names, in both whiteout forms: what each call leaves on disk.

#include "layer/host/host_upper.h"

#include <sys/sysmacros.h>

#include <thread>

#include "layer/host/acl.h"
#include "test/support/acl.h"
#include "test/unit/layer/upper_fixture.h"

namespace veneer::layer {
namespace {

using veneer::testing::code_of;
using veneer::testing::is_root;

class HostUpperTest : public veneer::testing::UpperFixture {
 protected:
  void expect_whiteout_on_disk(const std::string& dir,
                               const std::string& name) {
    if (kernel_form()) {
      EXPECT_TRUE(is_whiteout(dir + "/" + name));
    } else {
      EXPECT_FALSE(exists(dir + "/" + name));
      EXPECT_TRUE(exists(dir + "/.wh." + name));
    }
  }
  bool is_opaque_on_disk(const std::string& dir) {
    return kernel_form() ? mark_of(dir, "opaque") == "y"
                         : exists(dir + "/.wh..wh..opq");
  }
};

// --- Creating ---------------------------------------------------------------

TEST_P(HostUpperTest, CreatesEachKindWithItsModeAndOwner) {
  if (!is_root()) GTEST_SKIP() << "needs root: gives files away";
  const auto create = [&](const char* name, mode_t mode) {
    return code_of(upper_->create(root(), name,
                                  {.mode = mode,
                                   .uid = 12,
                                   .gid = 34,
                                   .rdev = makedev(1, 3),
                                   .target = "to"}));
  };
  EXPECT_EQ(::chmod(path("u").c_str(), 0777), 0);
  EXPECT_EQ(create("file", S_IFREG | 0640), 0);
  EXPECT_EQ(create("dir", S_IFDIR | 01770), 0);
  EXPECT_EQ(create("link", S_IFLNK | 0777), 0);
  EXPECT_EQ(create("fifo", S_IFIFO | 0600), 0);
  EXPECT_EQ(create("socket", S_IFSOCK | 0600), 0);
  EXPECT_EQ(create("null", S_IFCHR | 0666), 0);
  EXPECT_EQ(create("suid", S_IFREG | 06755), 0);

  EXPECT_EQ(stat_of("u/file").st_mode, S_IFREG | 0640U);
  EXPECT_EQ(stat_of("u/dir").st_mode, S_IFDIR | 01770U);
  EXPECT_EQ(stat_of("u/suid").st_mode, S_IFREG | 06755U);
  EXPECT_EQ(std::filesystem::read_symlink(path("u/link")), "to");
  EXPECT_EQ(stat_of("u/null").st_rdev, makedev(1, 3));
  for (const std::string& name : names_in("u")) {
    if (name == ".wh..wh.veneer") continue;
    EXPECT_EQ(stat_of("u/" + name).st_uid, 12U) << name;
    EXPECT_EQ(stat_of("u/" + name).st_gid, 34U) << name;
  }
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostUpperTest, UmaskOfTheThreadPlaysNoPart) {
  const mode_t before = ::umask(0);
  std::thread([&] {
    ::umask(0077);
    make("file", S_IFREG | 0666);
  }).join();
  ::umask(before);

  EXPECT_EQ(stat_of("u/file").st_mode & 0777, 0666U);
}

TEST_P(HostUpperTest, NewFileComesOpenForWriting) {
  const auto made = upper_->create(root(), "file", {.mode = S_IFREG | 0400});

  ASSERT_TRUE(made && made->data);
  EXPECT_EQ(::pwrite(made->data->fd, "text", 4, 0), 4);
  EXPECT_EQ(read("u/file"), "text");
}

TEST_P(HostUpperTest, CreateLeavesATakenNameAlone) {
  write("u/file", "mine");

  EXPECT_EQ(code_of(upper_->create(root(), "file", {.mode = S_IFREG | 0644})),
            EEXIST);
  EXPECT_EQ(code_of(upper_->create(root(), "file", {.mode = S_IFDIR | 0755})),
            EEXIST);

  EXPECT_EQ(read("u/file"), "mine");
}

TEST_P(HostUpperTest, CreateWhereAWhiteoutStandsIsRefused) {
  ASSERT_TRUE(upper_->add_whiteout(root(), "gone"));

  for (const mode_t type : {S_IFREG, S_IFDIR, S_IFLNK}) {
    EXPECT_EQ(code_of(upper_->create(root(), "gone",
                                     {.mode = type | 0755, .target = "x"})),
              EEXIST);
  }

  EXPECT_TRUE(is_deleted("gone"));
}

TEST_P(HostUpperTest, FileReplacesAWhiteout) {
  ASSERT_TRUE(upper_->add_whiteout(root(), "name"));

  ASSERT_TRUE(
      upper_->create_over_whiteout(root(), "name", {.mode = S_IFREG | 0644}));

  EXPECT_TRUE(S_ISREG(stat_of("u/name").st_mode));
  EXPECT_FALSE(exists("u/.wh.name"));
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostUpperTest, DirectoryThatReplacesAWhiteoutIsOpaque) {
  ASSERT_TRUE(upper_->add_whiteout(root(), "name"));

  const auto made =
      upper_->create_over_whiteout(root(), "name", {.mode = S_IFDIR | 0750});

  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(is_opaque_on_disk("u/name"));
  EXPECT_TRUE(lookup("name")->marks.opaque);
  EXPECT_EQ(stat_of("u/name").st_mode & 07777, 0750U);
  EXPECT_FALSE(exists("u/.wh.name"));
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostUpperTest, WhatIsBuiltAsideInheritsAsIfMadeThere) {
  if (!is_root()) GTEST_SKIP() << "needs root: gives files away";
  using enum veneer::testing::AclEntry::Tag;
  ASSERT_EQ(::chown(path("u").c_str(), 5, 77), 0);
  ASSERT_EQ(::chmod(path("u").c_str(), 02777), 0);
  set_xattr("u", kDefaultAcl,
            veneer::testing::acl({{kOwner, 7},
                                  {kUser, 7, 1000},
                                  {kGroup, 5},
                                  {kMask, 7},
                                  {kOther, 0}}));

  for (const mode_t type : {S_IFREG, S_IFDIR}) {
    const std::string there = type == S_IFREG ? "file" : "dir";
    const std::string aside = there + "2";
    const NewObject what{.mode = type | 0666, .uid = 12, .gid = 34};
    ASSERT_TRUE(upper_->add_whiteout(root(), aside));
    ASSERT_TRUE(upper_->create(root(), there, what));
    ASSERT_TRUE(upper_->create_over_whiteout(root(), aside, what));

    EXPECT_EQ(stat_of("u/" + aside).st_mode, stat_of("u/" + there).st_mode);
    EXPECT_EQ(stat_of("u/" + aside).st_uid, 12U);
    EXPECT_EQ(stat_of("u/" + aside).st_gid, stat_of("u/" + there).st_gid);
    for (const char* name : {kAccessAcl, kDefaultAcl}) {
      EXPECT_EQ(xattr("u/" + aside, name), xattr("u/" + there, name))
          << there << " " << name;
    }
  }
}

TEST_P(HostUpperTest, NumberIsThereFromTheStart) {
  ASSERT_TRUE(
      upper_->create(root(), "file", {.mode = S_IFREG | 0644, .number = 4711}));

  EXPECT_EQ(lookup("file")->marks.number, 4711U);
}

TEST_P(HostUpperTest, UnnamedFileGetsItsNameByLink) {
  const auto made = upper_->create_unnamed(
      root(), {.mode = S_IFREG | 0600, .uid = ::geteuid(), .gid = ::getegid()});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(upper_->get_attr(*made->node)->nlink, 0U);
  ASSERT_EQ(::pwrite(made->data->fd, "text", 4, 0), 4);

  ASSERT_TRUE(upper_->link(*made->node, root(), "name", false));

  EXPECT_EQ(read("u/name"), "text");
  EXPECT_EQ(upper_->get_attr(*made->node)->nlink, 1U);
}

// --- Removing ---------------------------------------------------------------

TEST_P(HostUpperTest, UnlinkTakesTheNameAway) {
  make("file", S_IFREG | 0644);

  ASSERT_TRUE(upper_->unlink(root(), "file", false));

  EXPECT_FALSE(lookup("file"));
  EXPECT_EQ(code_of(upper_->unlink(root(), "file", false)), ENOENT);
}

TEST_P(HostUpperTest, UnlinkLeavesAWhiteoutIfAskedTo) {
  make("file", S_IFREG | 0644);

  ASSERT_TRUE(upper_->unlink(root(), "file", true));

  EXPECT_TRUE(is_deleted("file"));
  expect_whiteout_on_disk("u", "file");
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostUpperTest, RemovedDirectoryTakesItsWhiteoutsWithIt) {
  for (const bool whiteout : {false, true}) {
    const std::string name = whiteout ? "a" : "b";
    const LayerNodeRef dir = make(name, S_IFDIR | 0755);
    ASSERT_TRUE(upper_->set_opaque(*dir));
    ASSERT_TRUE(upper_->add_whiteout(*dir, "x"));

    const auto removed = upper_->remove_dir(root(), name, whiteout);

    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(is_deleted(name), whiteout);
    EXPECT_FALSE(exists("u/" + name) && !is_whiteout("u/" + name));
  }
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostUpperTest, AddedWhiteoutHidesTheName) {
  ASSERT_TRUE(upper_->add_whiteout(root(), "gone"));

  EXPECT_TRUE(is_deleted("gone"));
  expect_whiteout_on_disk("u", "gone");
}

TEST_P(HostUpperTest, ClearedDirectoryIsEmptyOpaqueAndAsItWas) {
  const LayerNodeRef dir = make("d", S_IFDIR | 0751);
  ASSERT_TRUE(upper_->add_whiteout(*dir, "x"));
  ASSERT_TRUE(upper_->set_xattr(*dir, "user.k", "v", 0));
  const timespec times[2] = {{5, 6}, {7, 8}};
  ASSERT_TRUE(upper_->set_attr(*dir, {.atime = times[0], .mtime = times[1]}));

  const auto cleared = upper_->clear_dir(root(), "d", *dir);

  ASSERT_TRUE(cleared) << cleared.error().message();
  EXPECT_TRUE(lookup("d")->marks.opaque);
  EXPECT_FALSE(lookup("d/x"));
  EXPECT_EQ(stat_of("u/d").st_mode & 07777, 0751U);
  EXPECT_EQ(xattr("u/d", "user.k"), "v");
  EXPECT_EQ(stat_of("u/d").st_mtim.tv_sec, 7);
  // The node that was known is this one now.
  EXPECT_EQ(upper_->get_attr(*dir)->ino, stat_of("u/d").st_ino);
  EXPECT_TRUE(work_is_empty());
}

// --- Linking and renaming ---------------------------------------------------

TEST_P(HostUpperTest, LinkGivesAnotherName) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);

  ASSERT_TRUE(upper_->link(*file, root(), "again", false));

  EXPECT_EQ(stat_of("u/again").st_ino, stat_of("u/file").st_ino);
  EXPECT_EQ(code_of(upper_->link(*file, root(), "again", false)), EEXIST);
}

TEST_P(HostUpperTest, LinkTakesTheWhiteoutsPlace) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);
  ASSERT_TRUE(upper_->add_whiteout(root(), "gone"));

  ASSERT_TRUE(upper_->link(*file, root(), "gone", true));

  EXPECT_EQ(stat_of("u/gone").st_ino, stat_of("u/file").st_ino);
  EXPECT_FALSE(exists("u/.wh.gone"));
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostUpperTest, RenameMovesAndTheNodeLearnsIt) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);
  const LayerNodeRef dir = make("dir", S_IFDIR | 0755);

  ASSERT_TRUE(upper_->rename(root(), "file", *file, *dir, "f", nullptr, {}));

  EXPECT_FALSE(lookup("file"));
  EXPECT_TRUE(exists("u/dir/f"));
  EXPECT_EQ(upper_->path_of(*file), "dir/f");
  EXPECT_TRUE(upper_->get_attr(*file));
}

TEST_P(HostUpperTest, RenameLeavesAndTakesWhiteouts) {
  for (const bool leave : {false, true}) {
    for (const bool over : {false, true}) {
      for (const bool is_dir : {false, true}) {
        const std::string tag = std::to_string(leave) + std::to_string(over) +
                                std::to_string(is_dir);
        const std::string from = "from" + tag;
        const std::string to = "to" + tag;
        const LayerNodeRef object =
            make(from, (is_dir ? S_IFDIR : S_IFREG) | 0700);
        if (over) {
          ASSERT_TRUE(upper_->add_whiteout(root(), to));
        }

        const auto moved =
            upper_->rename(root(), from, *object, root(), to, nullptr,
                           {.leave_whiteout = leave,
                            .over_whiteout = over,
                            .directory = is_dir});

        ASSERT_TRUE(moved) << tag << ": " << moved.error().message();
        EXPECT_EQ(is_deleted(from), leave) << tag;
        EXPECT_EQ(bool(lookup(from)), leave) << tag;
        EXPECT_EQ(S_ISDIR(stat_of("u/" + to).st_mode), is_dir) << tag;
        EXPECT_FALSE(exists("u/.wh." + to)) << tag;
        EXPECT_TRUE(upper_->get_attr(*object)) << tag;
      }
    }
  }
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostUpperTest, RenameReplacesAFile) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);
  make("other", S_IFREG | 0600);

  ASSERT_TRUE(
      upper_->rename(root(), "file", *file, root(), "other", nullptr, {}));

  EXPECT_EQ(stat_of("u/other").st_mode & 0777, 0644U);
}

TEST_P(HostUpperTest, ExchangeSwapsAndBothLearnIt) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);
  const LayerNodeRef dir = make("dir", S_IFDIR | 0755);

  ASSERT_TRUE(upper_->rename(root(), "file", *file, root(), "dir", dir.get(),
                             {.exchange = true}));

  EXPECT_TRUE(S_ISDIR(stat_of("u/file").st_mode));
  EXPECT_EQ(upper_->path_of(*file), "dir");
  EXPECT_EQ(upper_->path_of(*dir), "file");
  EXPECT_TRUE(upper_->get_attr(*file));
  EXPECT_TRUE(upper_->get_attr(*dir));
}

TEST_P(HostUpperTest, RenameOfOneNameLeavesTheOtherOneUsed) {
  const LayerNodeRef file = make("a", S_IFREG | 0644);
  ASSERT_TRUE(upper_->link(*file, root(), "b", false));
  ASSERT_TRUE(upper_->is_reached_by(*file, root(), "a"));

  ASSERT_TRUE(upper_->rename(root(), "b", *file, root(), "c", nullptr, {}));

  EXPECT_TRUE(upper_->is_reached_by(*file, root(), "a"));
  ASSERT_TRUE(upper_->unlink(root(), "c", false));
  EXPECT_TRUE(upper_->get_attr(*file));
}

TEST_P(HostUpperTest, PinnedNodeOutlivesItsName) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);
  ASSERT_TRUE(upper_->pin(*file));
  ASSERT_TRUE(upper_->unlink(root(), "file", false));

  EXPECT_EQ(upper_->get_attr(*file)->nlink, 0U);
  EXPECT_TRUE(upper_->open_for_write(*file));
  EXPECT_TRUE(upper_->open_data(*file));
  EXPECT_TRUE(upper_->set_attr(*file, {.mode = 0600}));
}

TEST_P(HostUpperTest, RelocatedNodeIsReachedByItsOtherName) {
  const LayerNodeRef file = make("a", S_IFREG | 0644);
  ASSERT_TRUE(upper_->link(*file, root(), "b", false));
  upper_->relocate(*file, root(), "b");
  ASSERT_TRUE(upper_->unlink(root(), "a", false));

  EXPECT_TRUE(upper_->get_attr(*file));
  EXPECT_TRUE(upper_->is_reached_by(*file, root(), "b"));
}

// --- Names ------------------------------------------------------------------

TEST_P(HostUpperTest, ReservedNamesAreThoseTheFormCannotStore) {
  EXPECT_EQ(upper_->is_reserved(".wh.x"), !kernel_form());
  EXPECT_EQ(upper_->is_reserved(".wh."), !kernel_form());
  EXPECT_EQ(upper_->is_reserved(std::string(252, 'n')), !kernel_form());
  EXPECT_FALSE(upper_->is_reserved(std::string(251, 'n')));
  EXPECT_FALSE(upper_->is_reserved(".whx"));
}

TEST_P(HostUpperTest, LongestNameGoesThroughEveryCall) {
  const std::string name(kernel_form() ? 255 : 251, 'n');
  const std::string other(kernel_form() ? 255 : 251, 'm');
  const LayerNodeRef file = make(name, S_IFREG | 0644);
  ASSERT_TRUE(upper_->rename(root(), name, *file, root(), other, nullptr,
                             {.leave_whiteout = true}));
  EXPECT_TRUE(is_deleted(name));
  ASSERT_TRUE(upper_->link(*file, root(), name, true));
  ASSERT_TRUE(upper_->unlink(root(), other, true));
  EXPECT_TRUE(is_deleted(other));
  EXPECT_TRUE(
      upper_->create_over_whiteout(root(), other, {.mode = S_IFDIR | 0700}));
  EXPECT_TRUE(upper_->remove_dir(root(), other, true));
}

TEST_P(HostUpperTest, NameTooLongToBeHiddenStaysAsItIs) {
  if (kernel_form()) GTEST_SKIP() << "this form has no limit but the kernel's";
  const std::string name(255, 'n');
  write("u/" + name, "mine");
  const LayerNodeRef file = node(name);

  EXPECT_EQ(code_of(upper_->add_whiteout(root(), name)), ENAMETOOLONG);
  EXPECT_EQ(code_of(upper_->unlink(root(), name, true)), ENAMETOOLONG);
  EXPECT_EQ(code_of(upper_->rename(root(), name, *file, root(), "short",
                                   nullptr, {.leave_whiteout = true})),
            ENAMETOOLONG);

  EXPECT_EQ(read("u/" + name), "mine");
}

// --- Failing half-way -------------------------------------------------------

TEST_P(HostUpperTest, RefusedChangeLeavesNoTemporary) {
  bool created = false;
  bool removed = false;
  for (std::uint64_t n = 1; n < 15; ++n) {
    const std::string gone = "gone" + std::to_string(n);
    const std::string file = "file" + std::to_string(n);
    ASSERT_TRUE(upper_->add_whiteout(root(), gone));
    make(file, S_IFREG | 0644);

    sys::fault::arm_error(n, ENOSPC);
    const auto made =
        upper_->create_over_whiteout(root(), gone, {.mode = S_IFDIR | 0755});
    sys::fault::disarm();
    created = created || made;
    EXPECT_NE(bool(made), is_deleted(gone)) << "create, change " << n;
    EXPECT_TRUE(made || work_is_empty()) << "create, change " << n;

    sys::fault::arm_error(n, ENOSPC);
    const auto unlinked = upper_->unlink(root(), file, true);
    sys::fault::disarm();
    removed = removed || unlinked;
    EXPECT_EQ(bool(unlinked), is_deleted(file)) << "unlink, change " << n;
    EXPECT_TRUE(unlinked || work_is_empty()) << "unlink, change " << n;
    reopen();  // sweeps what could not be cleaned up
  }
  EXPECT_TRUE(created);
  EXPECT_TRUE(removed);
}

VENEER_IN_BOTH_FORMS(HostUpperTest);

}  // namespace
}  // namespace veneer::layer
