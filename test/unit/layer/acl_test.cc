// SPDX-License-Identifier: MIT
//
// ACL inheritance: the arithmetic, compared with what the file system does.

#include "layer/host/acl.h"

#include <vector>

#include "base/cleanup.h"
#include "test/support/acl.h"
#include "test/unit/layer/scratch.h"

namespace veneer::layer {
namespace {

using veneer::testing::acl;
using enum veneer::testing::AclEntry::Tag;

const std::string kMinimal = acl({{kOwner, 7}, {kGroup, 5}, {kOther, 0}});
const std::string kExtended = acl({{kOwner, 7},
                                   {kUser, 7, 1000},
                                   {kGroup, 5},
                                   {kNamedGroup, 6, 50},
                                   {kMask, 7},
                                   {kOther, 1}});

TEST(InheritAcl, MinimalAclIsAllInTheMode) {
  const auto inherited = inherit_acl(kMinimal, 0666);

  ASSERT_TRUE(inherited);
  EXPECT_EQ(inherited->mode, 0640U);
  EXPECT_EQ(inherited->access, std::nullopt);
}

TEST(InheritAcl, ModeMasksTheMaskNotTheGroup) {
  const auto inherited = inherit_acl(kExtended, 0640);

  ASSERT_TRUE(inherited);
  EXPECT_EQ(inherited->mode, 0640U);
  EXPECT_EQ(inherited->access, acl({{kOwner, 6},
                                    {kUser, 7, 1000},
                                    {kGroup, 5},
                                    {kNamedGroup, 6, 50},
                                    {kMask, 4},
                                    {kOther, 0}}));
}

TEST(InheritAcl, WithoutAMaskTheGroupIsMasked) {
  // Not valid for the kernel as it has a named user, but no reason to crash.
  const auto inherited =
      inherit_acl(acl({{kOwner, 7}, {kUser, 7, 1}, {kGroup, 7}}), 0050);

  ASSERT_TRUE(inherited);
  EXPECT_EQ(inherited->mode, 0050U);
}

TEST(InheritAcl, BitsBeyondTheThreeTriadsStay) {
  EXPECT_EQ(inherit_acl(kMinimal, S_IFREG | 04777)->mode, S_IFREG | 04750U);
}

TEST(InheritAcl, OtherBytesAreNoAcl) {
  EXPECT_FALSE(inherit_acl("", 0644));
  EXPECT_FALSE(inherit_acl(std::string_view("\x02\0\0", 3), 0644));
  EXPECT_FALSE(inherit_acl(std::string_view("\x01\0\0\0", 4), 0644));
  // No entry for the group: the kernel answers EIO.
  EXPECT_FALSE(inherit_acl(std::string_view("\x02\0\0\0", 4), 0644));
  EXPECT_FALSE(inherit_acl(acl({{kOwner, 7}, {kOther, 7}}), 0644));
  EXPECT_FALSE(
      inherit_acl(acl({{static_cast<veneer::testing::AclEntry::Tag>(0x40), 7},
                       {kGroup, 7}}),
                  0644));
  for (std::size_t size = 0; size < kMinimal.size(); ++size) {
    if ((size - 4) % 8 == 0 && size >= 20) continue;  // ends after the group
    EXPECT_FALSE(inherit_acl(std::string_view(kMinimal).substr(0, size), 0644))
        << size;
  }
}

class AclOnDiskTest : public veneer::testing::Scratch {};

// The judge: create a file there with that mode and look.
TEST_F(AclOnDiskTest, InheritanceIsWhatTheFileSystemWouldHaveDone) {
  const std::vector<std::string> acls = {
      kMinimal, kExtended,
      acl({{kOwner, 0}, {kGroup, 7}, {kMask, 2}, {kOther, 7}}),
      acl({{kOwner, 5}, {kUser, 0, 7}, {kGroup, 0}, {kMask, 5}, {kOther, 4}})};
  const Cleanup restore([old = ::umask(0)] { ::umask(old); });
  for (std::size_t i = 0; i < acls.size(); ++i) {
    const std::string dir = "d" + std::to_string(i);
    make_dir(dir);
    if (::setxattr(path(dir).c_str(), kDefaultAcl, acls[i].data(),
                   acls[i].size(), 0) != 0 &&
        errno == EOPNOTSUPP) {
      GTEST_SKIP() << "the file system has no ACLs";
    }
    for (const mode_t mode : {0777U, 0666U, 0640U, 0701U, 0U, 0070U}) {
      const std::string file = dir + "/" + std::to_string(mode);
      ::close(::open(path(file).c_str(), O_CREAT | O_WRONLY, mode));
      const auto ours = inherit_acl(acls[i], mode);

      ASSERT_TRUE(ours);
      EXPECT_EQ(ours->mode, stat_of(file).st_mode & 07777) << i << " " << mode;
      EXPECT_EQ(ours->access, xattr(file, kAccessAcl)) << i << " " << mode;
    }
  }
}

}  // namespace
}  // namespace veneer::layer
