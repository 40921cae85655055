// SPDX-License-Identifier: MIT
//
// The upper's objects: attributes, xattrs, marks, and data of metacopies.

#include "test/unit/layer/upper_fixture.h"

namespace veneer::layer {
namespace {

using ::testing::Eq;
using ::testing::Optional;
using veneer::testing::code_of;
using veneer::testing::is_root;

class HostMarksTest : public veneer::testing::UpperFixture {};

TEST_P(HostMarksTest, SetAttrSetsWhatItIsToldAndNothingElse) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);
  const timespec mtime{77, 8};

  ASSERT_TRUE(upper_->set_attr(*file, {.mode = 0600, .mtime = mtime}));
  ASSERT_TRUE(upper_->set_attr(*file, {.size = 10}));
  ASSERT_TRUE(upper_->set_attr(*file, {.atime = timespec{5, 0}}));

  const auto status = stat_of("u/file");
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  EXPECT_EQ(status.st_size, 10);
  EXPECT_EQ(status.st_atim.tv_sec, 5);
}

TEST_P(HostMarksTest, TruncationToTheSameSizeTouchesNothing) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);
  ASSERT_TRUE(upper_->set_attr(*file, {.size = 10, .mtime = timespec{5, 0}}));

  ASSERT_TRUE(upper_->set_attr(*file, {.size = 10}));

  EXPECT_EQ(stat_of("u/file").st_mtim.tv_sec, 5);
}

TEST_P(HostMarksTest, SetAttrOfASymbolicLinkIsTheLinksOwn) {
  write("u/target", "x");
  const LayerNodeRef link = make("link", S_IFLNK | 0777, "target");

  ASSERT_TRUE(upper_->set_attr(*link, {.mtime = timespec{5, 0}}));

  EXPECT_EQ(stat_of("u/link").st_mtim.tv_sec, 5);
  EXPECT_NE(stat_of("u/target").st_mtim.tv_sec, 5);
}

TEST_P(HostMarksTest, KillSuidTakesTheBitsAndTheCapabilities) {
  if (!is_root()) GTEST_SKIP() << "needs root: sets capabilities";
  const LayerNodeRef file = make("file", S_IFREG | 06755);
  const std::string capability("\1\0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  set_xattr("u/file", "security.capability", capability);

  ASSERT_TRUE(upper_->set_attr(*file, {.kill_suid = true}));

  EXPECT_EQ(stat_of("u/file").st_mode & 07777, 0755U);
  EXPECT_EQ(xattr("u/file", "security.capability"), std::nullopt);
}

TEST_P(HostMarksTest, SetGroupIdWithoutExecutionStaysForTheGroup) {
  const LayerNodeRef file = make("file", S_IFREG | 02644);

  ASSERT_TRUE(upper_->set_attr(*file, {.kill_suid = true}));
  EXPECT_EQ(stat_of("u/file").st_mode & 07777, 02644U);

  ASSERT_TRUE(upper_->set_attr(*file, {.kill_suid = true, .outsider = true}));
  EXPECT_EQ(stat_of("u/file").st_mode & 07777, 0644U);
}

TEST_P(HostMarksTest, XattrFlagsMeanWhatTheyMeanToTheKernel) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);

  EXPECT_EQ(code_of(upper_->set_xattr(*file, "user.k", "1", XATTR_REPLACE)),
            ENODATA);
  EXPECT_TRUE(upper_->set_xattr(*file, "user.k", "1", XATTR_CREATE));
  EXPECT_EQ(code_of(upper_->set_xattr(*file, "user.k", "2", XATTR_CREATE)),
            EEXIST);
  EXPECT_TRUE(upper_->set_xattr(*file, "user.k", "2", XATTR_REPLACE));
  EXPECT_EQ(xattr("u/file", "user.k"), "2");
  EXPECT_TRUE(upper_->remove_xattr(*file, "user.k"));
  EXPECT_EQ(code_of(upper_->remove_xattr(*file, "user.k")), ENODATA);
}

TEST_P(HostMarksTest, UsersNeverReachTheOverlaysOwnXattrs) {
  const LayerNodeRef dir = make("d", S_IFDIR | 0755);
  if (kernel_form()) {
    ASSERT_TRUE(upper_->set_opaque(*dir));
  }

  EXPECT_EQ(*upper_->get_xattr(*dir, own("opaque")), std::nullopt);
  EXPECT_EQ(code_of(upper_->remove_xattr(*dir, own("opaque"))), ENODATA);
  ASSERT_TRUE(upper_->set_xattr(*dir, own("opaque"), "nested", 0));

  EXPECT_THAT(*upper_->get_xattr(*dir, own("opaque")), Optional(Eq("nested")));
  EXPECT_EQ(mark_of("u/d", "overlay.opaque"), "nested");
  EXPECT_EQ(lookup("d")->marks.opaque, kernel_form());
}

TEST_P(HostMarksTest, OpaqueIsSaidInEitherForm) {
  const LayerNodeRef dir = make("d", S_IFDIR | 0755);

  ASSERT_TRUE(upper_->set_opaque(*dir));
  ASSERT_TRUE(upper_->set_opaque(*dir));

  EXPECT_TRUE(lookup("d")->marks.opaque);
}

TEST_P(HostMarksTest, MarksAreReadBackAsTheyWereSet) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);
  if (!kernel_form()) {
    EXPECT_EQ(code_of(upper_->set_redirect(*file, "x")), EOPNOTSUPP);
    EXPECT_EQ(code_of(upper_->set_nlink(*file, {})), EOPNOTSUPP);
    EXPECT_EQ(code_of(upper_->set_protection(*file, true, false)), EOPNOTSUPP);
    EXPECT_TRUE(upper_->set_impure(root()));
    EXPECT_TRUE(upper_->set_number(*file, 1));
    return;
  }
  ASSERT_TRUE(upper_->set_redirect(*file, "/a/b"));
  ASSERT_TRUE(upper_->set_nlink(*file, {.of_upper = true, .delta = -3}));
  ASSERT_TRUE(upper_->set_number(*file, 99));
  ASSERT_TRUE(upper_->set_protection(*file, false, true));
  ASSERT_TRUE(upper_->set_impure(root()));

  const auto marks = upper_->get_marks(*file);
  ASSERT_TRUE(marks);
  EXPECT_THAT(marks->redirect, Optional(Eq("/a/b")));
  ASSERT_TRUE(marks->nlink);
  EXPECT_EQ(marks->nlink->delta, -3);
  EXPECT_EQ(marks->number, 99U);
  EXPECT_TRUE(marks->append_only);
  EXPECT_FALSE(marks->immutable);
  ASSERT_TRUE(upper_->set_protection(*file, false, false));
  ASSERT_TRUE(upper_->set_protection(*file, false, false));
  EXPECT_FALSE(upper_->get_marks(*file)->append_only);
  EXPECT_EQ(mark_of("u", "impure"), "y");
}

TEST_P(HostMarksTest, RedirectThatWouldNotBeReadIsNotWritten) {
  if (!kernel_form()) GTEST_SKIP() << "this form has no redirects";
  const LayerNodeRef dir = make("d", S_IFDIR | 0755);
  std::string path;
  while (path.size() < 5000) path.append("/component");

  EXPECT_NE(code_of(upper_->set_redirect(*dir, path)), 0);
  EXPECT_NE(code_of(upper_->set_redirect(*dir, "/a/../b")), 0);

  EXPECT_EQ(mark_of("u/d", "redirect"), std::nullopt);
}

TEST_P(HostMarksTest, FilledMetacopyIsAnOrdinaryFileWithTheSameTimes) {
  if (!kernel_form()) GTEST_SKIP() << "this form has no metacopies";
  write("u/file", "");
  ASSERT_EQ(::truncate(path("u/file").c_str(), 10), 0);
  mark("u/file", "metacopy", "");
  const timespec times[2] = {{3, 0}, {4, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("u/file").c_str(), times, 0), 0);
  write("data", "0123456789abc");
  const sys::UniqueFd data(::open(path("data").c_str(), O_RDONLY));
  const LayerNodeRef file = node("file");

  FileData source;
  source.fd = data.get();
  ASSERT_TRUE(upper_->fill_metacopy(*file, source, 10, true));

  EXPECT_EQ(read("u/file"), "0123456789");
  EXPECT_EQ(mark_of("u/file", "metacopy"), std::nullopt);
  EXPECT_EQ(stat_of("u/file").st_mtim.tv_sec, 4);
}

TEST_P(HostMarksTest, MetacopyThatCannotBeFilledStaysOne) {
  if (!kernel_form()) GTEST_SKIP() << "this form has no metacopies";
  write("data", "0123456789");
  const sys::UniqueFd data(::open(path("data").c_str(), O_RDONLY));
  for (std::uint64_t n = 1; n < 10; ++n) {
    std::filesystem::remove(path("u/file"));
    write("u/file", "");
    ASSERT_EQ(::truncate(path("u/file").c_str(), 10), 0);
    mark("u/file", "metacopy", "");
    FileData source;
    source.fd = data.get();
    const LayerNodeRef file = node("file");
    sys::fault::arm_error(n, ENOSPC);
    const auto filled = upper_->fill_metacopy(*file, source, 10, false);
    sys::fault::disarm();
    if (filled) {
      EXPECT_GT(n, 2U);
      return;
    }
    EXPECT_EQ(mark_of("u/file", "metacopy"), "") << n;
    EXPECT_EQ(stat_of("u/file").st_size, 10) << n;
  }
  ADD_FAILURE() << "never filled";
}

TEST_P(HostMarksTest, SyncTakesAnyObjectThatHasBytes) {
  const LayerNodeRef file = make("file", S_IFREG | 0644);
  const LayerNodeRef dir = make("dir", S_IFDIR | 0755);

  EXPECT_TRUE(upper_->sync(*file, true));
  EXPECT_TRUE(upper_->sync(*file, false));
  EXPECT_TRUE(upper_->sync(*dir, false));
  EXPECT_TRUE(upper_->sync_all());
}

VENEER_IN_BOTH_FORMS(HostMarksTest);

}  // namespace
}  // namespace veneer::layer
