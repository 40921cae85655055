// SPDX-License-Identifier: MIT
//
// Opening stays inside the tree, on kernels with openat2 and without.

#include "sys/open.h"

#include <sys/stat.h>

#include "sys/file.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

class OpenTest : public EitherKernelTest {
 protected:
  void SetUp() override {
    EitherKernelTest::SetUp();
    make_dir("a/b");
    write("a/b/file", "inside");
    link("/", "a/root");
    link("b", "a/link");
    link("file", "a/b/to_file");
  }
  std::string content_beneath(const std::string& relative) const {
    const auto fd = open_beneath(dir(), relative, O_RDONLY);
    if (!fd) return fd.error().message();
    char buffer[16];
    const auto size = pread_full(fd->get(), buffer, sizeof(buffer), 0);
    return size ? std::string(buffer, *size) : size.error().message();
  }
  int code_beneath(const std::string& relative, int flags = O_RDONLY) const {
    return code_of(open_beneath(dir(), relative, flags));
  }
};

TEST_P(OpenTest, BeneathFindsWhatIsThere) {
  EXPECT_EQ(content_beneath("a/b/file"), "inside");
  EXPECT_EQ(content_beneath("a//./b///file"), "inside");
  EXPECT_EQ(code_beneath("a/b/absent"), ENOENT);
  EXPECT_EQ(code_beneath("a/b/file/deeper"), ENOTDIR);
  EXPECT_EQ(code_beneath("a/b/file/"), ENOTDIR);
}

TEST_P(OpenTest, EmptyPathIsTheRootItself) {
  const auto root = open_beneath(dir(), "", O_PATH);

  ASSERT_TRUE(root);
  EXPECT_EQ(stat_fd(root->get())->ino, stat_fd(dir())->ino);
}

TEST_P(OpenTest, BeneathDoesNotLeaveTheRoot) {
  EXPECT_EQ(code_beneath("/etc"), EXDEV);
  EXPECT_EQ(code_beneath(".."), EXDEV);
  EXPECT_EQ(code_beneath("a/../.."), EXDEV);
  EXPECT_EQ(code_beneath("a/../a"), EXDEV);
}

TEST_P(OpenTest, DotsInNamesAreOnlyNames) {
  write("..a", "1");
  write("a..", "2");
  write("...", "3");

  EXPECT_EQ(content_beneath("..a"), "1");
  EXPECT_EQ(content_beneath("a.."), "2");
  EXPECT_EQ(content_beneath("..."), "3");
}

TEST_P(OpenTest, BeneathFollowsNoLink) {
  EXPECT_EQ(code_beneath("a/root/etc"), ELOOP);
  EXPECT_EQ(code_beneath("a/link/file"), ELOOP);
  EXPECT_EQ(code_beneath("a/b/to_file"), ELOOP);
}

TEST_P(OpenTest, LinkItselfCanBeHad) {
  const auto found = open_beneath(dir(), "a/b/to_file", O_PATH);

  ASSERT_TRUE(found);
  EXPECT_TRUE(S_ISLNK(stat_fd(found->get())->mode));
}

TEST_P(OpenTest, PathsLongerThanTheKernelTakesAreOpened) {
  // Deep enough for several steps, and made one level at a time.
  const std::string name(200, 'n');
  std::string relative;
  UniqueFd at = *open_dir(path("."));
  for (int depth = 0; depth < 50; ++depth) {
    ASSERT_EQ(::mkdirat(at.get(), name.c_str(), 0755), 0);
    at = *open_at(at.get(), name.c_str(), O_PATH | O_DIRECTORY);
    relative += name + "/";
  }
  ASSERT_TRUE(open_at(at.get(), "last", O_CREAT | O_WRONLY, 0644));
  ASSERT_EQ(::symlinkat(".", at.get(), "here"), 0);

  EXPECT_EQ(code_beneath(relative + "last"), 0);
  EXPECT_EQ(code_beneath(relative, O_PATH), 0);
  EXPECT_EQ(code_beneath(relative + std::string(3000, '/') + "last"), 0);
  EXPECT_EQ(code_beneath(relative + "absent"), ENOENT);
  EXPECT_EQ(code_beneath(relative + "here/last"), ELOOP);
  EXPECT_EQ(code_beneath(std::string(5000, 'x')), ENAMETOOLONG);
}

TEST_P(OpenTest, BeneathCreates) {
  const auto made =
      open_beneath(dir(), "a/b/new", O_CREAT | O_EXCL | O_WRONLY, 0600);

  ASSERT_TRUE(made);
  EXPECT_EQ(stat_fd(made->get())->mode, S_IFREG | 0600U);
}

TEST_P(OpenTest, AtTakesOneComponent) {
  EXPECT_EQ(code_of(open_at(dir(), "a", O_RDONLY)), 0);
  EXPECT_EQ(code_of(open_at(dir(), ".", O_RDONLY)), 0);
  EXPECT_EQ(code_of(open_at(dir(), "a/b", O_RDONLY)), EINVAL);
  EXPECT_EQ(code_of(open_at(dir(), "..", O_RDONLY)), EINVAL);
}

TEST_P(OpenTest, DescriptorsAreClosedOnExec) {
  for (const auto& fd :
       {open_dir(path("a")), open_at(dir(), "a", O_PATH),
        open_beneath(dir(), "a/b", O_PATH), reopen(dir(), O_RDONLY)}) {
    ASSERT_TRUE(fd);
    EXPECT_EQ(::fcntl(fd->get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST_P(OpenTest, DirFollowsTheUsersLinks) {
  const auto found = open_dir(path("a/link"));

  ASSERT_TRUE(found);
  EXPECT_EQ(code_of(open_at(found->get(), "file", O_RDONLY)), 0);
}

TEST_P(OpenTest, DirNamesWhatItDidNotFind) {
  const auto found = open_dir(path("absent"));

  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message(),
            "open " + path("absent") + ": No such file or directory");
}

TEST_P(OpenTest, ReopenGivesAPathDescriptorItsContent) {
  const auto file = open_beneath(dir(), "a/b/file", O_PATH);
  ASSERT_TRUE(file);
  char buffer[8];

  const auto readable = reopen(file->get(), O_RDONLY);

  ASSERT_TRUE(readable);
  EXPECT_EQ(*pread_full(readable->get(), buffer, sizeof(buffer), 0), 6U);
}

TEST_P(OpenTest, ReopenTellsLinksAndDirectoriesApart) {
  const auto link = open_beneath(dir(), "a/link", O_PATH);
  const auto file = open_beneath(dir(), "a/b/file", O_PATH);
  ASSERT_TRUE(link);
  ASSERT_TRUE(file);

  EXPECT_EQ(code_of(reopen(link->get(), O_RDONLY)), ELOOP);
  EXPECT_EQ(code_of(reopen(file->get(), O_RDONLY | O_DIRECTORY)), ENOTDIR);
  EXPECT_EQ(code_of(reopen(dir(), O_RDONLY | O_DIRECTORY)), 0);
}

TEST_P(OpenTest, TmpfileHasNoName) {
  const auto made = open_tmpfile(dir(), O_RDWR, 0600);

  if (code_of(made) == EOPNOTSUPP) GTEST_SKIP() << "no O_TMPFILE here";
  ASSERT_TRUE(made);
  EXPECT_EQ(stat_fd(made->get())->nlink, 0U);
}

VENEER_ON_EITHER_KERNEL(OpenTest);

}  // namespace
}  // namespace veneer::sys
