// SPDX-License-Identifier: MIT
//
// Attributes by name and by descriptor, with the new system calls and the old.

#include "sys/xattr.h"

#include <sys/stat.h>

#include "sys/file.h"
#include "sys/link.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

class XattrTest : public EitherKernelTest {
 protected:
  void SetUp() override {
    EitherKernelTest::SetUp();
    write("file", "");
    make_dir("sub");
    const auto probe = get_xattr_at(dir(), "file", "user.probe");
    if (code_of(probe) == EOPNOTSUPP) GTEST_SKIP() << "no user attributes";
  }
  std::optional<std::string> get(const char* name, const char* xattr) const {
    return get_xattr_at(dir(), name, xattr).value();
  }
};

TEST_P(XattrTest, ValueIsSetReadAndRemoved) {
  EXPECT_EQ(get("file", "user.a"), std::nullopt);

  EXPECT_TRUE(set_xattr_at(dir(), "file", "user.a", {"v\0w", 3}));
  EXPECT_EQ(get("file", "user.a"), std::string("v\0w", 3));
  EXPECT_TRUE(set_xattr_at(dir(), "file", "user.a", ""));
  EXPECT_EQ(get("file", "user.a"), "");

  EXPECT_TRUE(remove_xattr_at(dir(), "file", "user.a"));
  EXPECT_EQ(get("file", "user.a"), std::nullopt);
  EXPECT_EQ(code_of(remove_xattr_at(dir(), "file", "user.a")), ENODATA);
}

TEST_P(XattrTest, FlagsAskForTheOldOrTheNew) {
  EXPECT_EQ(code_of(set_xattr_at(dir(), "file", "user.a", "1", XATTR_REPLACE)),
            ENODATA);
  EXPECT_TRUE(set_xattr_at(dir(), "file", "user.a", "1", XATTR_CREATE));
  EXPECT_EQ(code_of(set_xattr_at(dir(), "file", "user.a", "2", XATTR_CREATE)),
            EEXIST);

  EXPECT_EQ(get("file", "user.a"), "1");
}

TEST_P(XattrTest, PathDescriptorsWork) {
  for (const char* name : {"file", "sub"}) {
    const UniqueFd fd = open(name, O_PATH);

    EXPECT_TRUE(set_xattr_fd(fd.get(), "user.a", "value"));
    EXPECT_EQ(get_xattr_fd(fd.get(), "user.a").value(), "value");
    EXPECT_EQ(get(name, "user.a"), "value");
    EXPECT_EQ(list_xattrs_fd(fd.get()).value(), std::string("user.a\0", 7));
    EXPECT_TRUE(remove_xattr_fd(fd.get(), "user.a"));
    EXPECT_EQ(list_xattrs_fd(fd.get()).value(), "");
  }
}

TEST_P(XattrTest, ReadableDescriptorsWorkToo) {
  const UniqueFd fd = open("file", O_RDONLY);

  EXPECT_TRUE(set_xattr_fd(fd.get(), "user.a", "value"));
  EXPECT_EQ(get_xattr_fd(fd.get(), "user.a").value(), "value");
}

TEST_P(XattrTest, ValuesLargerThanTheFirstBufferAreWhole) {
  for (const std::size_t size : {1023U, 1024U, 1025U, 3000U}) {
    const std::string value(size, 'v');
    const auto set = set_xattr_at(dir(), "file", "user.large", value);
    if (code_of(set) == ENOSPC) GTEST_SKIP() << "no large values here";
    ASSERT_TRUE(set);
    EXPECT_EQ(get("file", "user.large"), value);
    ASSERT_TRUE(remove_xattr_at(dir(), "file", "user.large"));
  }
}

TEST_P(XattrTest, LongListsAreWhole) {
  std::size_t expected = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "user." + std::string(80, 'n') + std::to_string(i);
    const auto set = set_xattr_at(dir(), "file", name.c_str(), "");
    if (code_of(set) == ENOSPC) GTEST_SKIP() << "no long lists here";
    ASSERT_TRUE(set);
    expected += name.size() + 1;
  }

  EXPECT_EQ(list_xattrs_at(dir(), "file").value().size(), expected);
}

TEST_P(XattrTest, LinkIsNotFollowed) {
  ASSERT_TRUE(set_xattr_at(dir(), "file", "user.a", "of the file"));
  link("file", "link");

  // Links carry no user attributes; the file's must not show through.
  EXPECT_EQ(list_xattrs_at(dir(), "link").value(), "");
  EXPECT_NE(code_of(set_xattr_at(dir(), "link", "user.a", "changed")), 0);
  EXPECT_EQ(get("file", "user.a"), "of the file");
}

TEST_P(XattrTest, LinkHasAttributesOfItsOwn) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  link("absent", "link");

  EXPECT_TRUE(set_xattr_at(dir(), "link", "trusted.a", "1"));
  EXPECT_EQ(get_xattr_fd(open("link", O_PATH).get(), "trusted.a").value(), "1");
}

TEST_P(XattrTest, AbsentFileIsAnError) {
  EXPECT_EQ(code_of(get_xattr_at(dir(), "absent", "user.a")), ENOENT);
  EXPECT_EQ(code_of(list_xattrs_at(dir(), "absent")), ENOENT);
  EXPECT_EQ(code_of(set_xattr_at(dir(), "absent", "user.a", "")), ENOENT);
}

VENEER_ON_EITHER_KERNEL(XattrTest);

}  // namespace
}  // namespace veneer::sys
