// SPDX-License-Identifier: MIT
//
// A tree goes with all that keeps it from going, and nothing else goes.

#include "sys/remove_tree.h"

#include <linux/fs.h>

#include "sys/file.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

class RemoveTreeTest : public TempDirTest {
 protected:
  Result<void> flag(const char* name, unsigned flags) {
    const UniqueFd fd = open(name, O_RDONLY);
    return set_flags(fd.get(), flags);
  }
  unsigned flags(const char* name) {
    const UniqueFd fd = open(name, O_RDONLY);
    const auto set = get_flags(fd.get());
    EXPECT_TRUE(set);
    return set.value_or(0);
  }
};

TEST_F(RemoveTreeTest, WhatIsShutGoes) {
  make_dir("tree/shut");
  write("tree/shut/file", "text");
  std::filesystem::permissions(path("tree/shut"), std::filesystem::perms::none);

  EXPECT_TRUE(remove_tree_at(dir(), "tree"));

  EXPECT_FALSE(exists("tree"));
}

TEST_F(RemoveTreeTest, WhatIsImmutableOrAppendOnlyGoes) {
  make_dir("tree/dir");
  write("tree/dir/file", "text");
  write("tree/log", "text");
  const auto set = flag("tree/dir/file", FS_IMMUTABLE_FL);
  if (!set && (set.error().code() == ENOTTY || set.error().code() == EPERM)) {
    GTEST_SKIP() << "no file here can be immutable";
  }
  ASSERT_TRUE(set);
  ASSERT_TRUE(flag("tree/dir", FS_IMMUTABLE_FL));
  ASSERT_TRUE(flag("tree/log", FS_APPEND_FL));
  ASSERT_TRUE(flag("tree", FS_APPEND_FL));

  EXPECT_TRUE(remove_tree_at(dir(), "tree"));

  EXPECT_FALSE(exists("tree"));
}

TEST_F(RemoveTreeTest, AFileWithAnotherNameStaysImmutable) {
  make_dir("tree");
  write("tree/file", "text");
  std::filesystem::create_hard_link(path("tree/file"), path("other"));
  if (!flag("other", FS_IMMUTABLE_FL)) {
    GTEST_SKIP() << "no file here can be immutable";
  }

  EXPECT_TRUE(remove_tree_at(dir(), "tree"));

  EXPECT_FALSE(exists("tree"));
  EXPECT_EQ(flags("other") & FS_IMMUTABLE_FL, FS_IMMUTABLE_FL);
  EXPECT_TRUE(flag("other", 0));
}

TEST_F(RemoveTreeTest, AbsentIsAsGood) {
  EXPECT_TRUE(remove_tree_at(dir(), "absent"));
}

}  // namespace
}  // namespace veneer::sys
