// SPDX-License-Identifier: MIT
//
// POSIX access control lists: those of the layers count, they are kept through
// copy-up, and a directory's default list is inherited.

#include "test/support/acl.h"

#include <fcntl.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

// Owner rw, user 4711 as given, group and others nothing.
std::string list_for_user(std::uint16_t permissions) {
  return acl({{AclEntry::kOwner, 6},
              {AclEntry::kUser, permissions, kNobodyInParticular.uid},
              {AclEntry::kGroup, 0},
              {AclEntry::kMask, 7},
              {AclEntry::kOther, 0}});
}

class AclTest : public OverlayTest {
 protected:
  Outcome open_as_nobody(const std::string& path, int flags) {
    return as_user(kNobodyInParticular, [&] { return try_open(path, flags); });
  }
};

// Row 29
TEST_P(AclTest, LowerListIsSeen) {
  mount({.lower = {{{"f",
                     File().mode(0600).xattr(kAccessAcl, list_for_user(4))}}},
         .upper = {}});

  EXPECT_EQ(getxattr("f", kAccessAcl), list_for_user(4));
}

// Row 29
TEST_P(AclTest, LowerListIsEnforced) {
  mount({.lower = {{{"yes", File().xattr(kAccessAcl, list_for_user(4))},
                    {"no", File().mode(0600)},
                    {"denied",
                     File().mode(0644).xattr(kAccessAcl, list_for_user(0))}}},
         .upper = {}});

  EXPECT_THAT(open_as_nobody("yes", O_RDONLY), Succeeds());
  EXPECT_THAT(open_as_nobody("yes", O_WRONLY), FailsWith(EACCES));
  EXPECT_THAT(open_as_nobody("no", O_RDONLY), FailsWith(EACCES));
  EXPECT_THAT(open_as_nobody("denied", O_RDONLY), FailsWith(EACCES));
}

// Row 29
TEST_P(AclTest, ListIsKeptThroughCopyUp) {
  mount({.lower = {{{"f", File("x").xattr(kAccessAcl, list_for_user(6))}}},
         .upper = {}});

  EXPECT_THAT(append("f", "y"), Succeeds());

  EXPECT_EQ(getxattr("f", kAccessAcl), list_for_user(6));
  EXPECT_THAT(open_as_nobody("f", O_RDWR), Succeeds());
  EXPECT_EQ(upper().at("f").xattrs.at(kAccessAcl), list_for_user(6));
}

// Row 29
TEST_P(AclTest, SettingAListChangesTheMode) {
  mount({.lower = {{{"f", File("x").mode(0600)}}}, .upper = {}});

  EXPECT_THAT(setxattr("f", kAccessAcl, list_for_user(4)), Succeeds());

  EXPECT_EQ(lstat("f").st_mode & 07777U, 0670U);
  EXPECT_THAT(open_as_nobody("f", O_RDONLY), Succeeds());
  remount();
  EXPECT_EQ(getxattr("f", kAccessAcl), list_for_user(4));
  EXPECT_THAT(open_as_nobody("f", O_RDONLY), Succeeds());
}

// Row 29
TEST_P(AclTest, ChmodChangesTheMaskOfTheList) {
  mount({.lower = {{{"f", File("x").xattr(kAccessAcl, list_for_user(6))}}},
         .upper = {}});

  EXPECT_THAT(chmod("f", 0600), Succeeds());

  EXPECT_THAT(open_as_nobody("f", O_RDONLY), FailsWith(EACCES));
  EXPECT_EQ(getxattr("f", kAccessAcl),
            acl({{AclEntry::kOwner, 6},
                 {AclEntry::kUser, 6, kNobodyInParticular.uid},
                 {AclEntry::kGroup, 0},
                 {AclEntry::kMask, 0},
                 {AclEntry::kOther, 0}}));
}

// Row 29
TEST_P(AclTest, RemovedListIsGone) {
  mount({.lower = {{{"f", File("x").xattr(kAccessAcl, list_for_user(4))}}},
         .upper = {}});

  EXPECT_THAT(removexattr("f", kAccessAcl), Succeeds());

  EXPECT_THAT(getxattr_status("f", kAccessAcl), FailsWith(ENODATA));
  EXPECT_THAT(open_as_nobody("f", O_RDONLY), FailsWith(EACCES));
}

// Rows 29 and 63
TEST_P(AclTest, DefaultListOfALowerDirectoryIsInherited) {
  mount({.lower = {{{"d", Dir().xattr(kDefaultAcl, list_for_user(6))}}},
         .upper = {}});
  const mode_t before = ::umask(077);

  const Outcome made_file = write_file("d/f", "x");
  const Outcome made_dir = mkdir("d/sub", 0777);
  ::umask(before);

  // With a default list the umask does not count; the list's mask does.
  EXPECT_THAT(made_file, Succeeds());
  EXPECT_THAT(made_dir, Succeeds());
  EXPECT_EQ(lstat("d/f").st_mode & 07777U, 0640U);
  EXPECT_EQ(getxattr("d/f", kAccessAcl),
            acl({{AclEntry::kOwner, 6},
                 {AclEntry::kUser, 6, kNobodyInParticular.uid},
                 {AclEntry::kGroup, 0},
                 {AclEntry::kMask, 4},
                 {AclEntry::kOther, 0}}));
  EXPECT_EQ(getxattr("d/sub", kDefaultAcl), list_for_user(6));
  EXPECT_THAT(open_as_nobody("d/f", O_RDONLY), Succeeds());
  EXPECT_THAT(open_as_nobody("d/f", O_WRONLY), FailsWith(EACCES));
}

// Row 29
TEST_P(AclTest, DefaultListIsKeptWhenItsDirectoryIsCopiedUp) {
  mount({.lower = {{{"d", Dir().xattr(kDefaultAcl, list_for_user(7))},
                    {"d/f", File("x").mode(0600)}}},
         .upper = {}});

  EXPECT_THAT(append("d/f", "y"), Succeeds());

  EXPECT_EQ(getxattr("d", kDefaultAcl), list_for_user(7));
  EXPECT_EQ(lstat("d/f").st_mode & 07777U, 0600U);
  EXPECT_THAT(getxattr_status("d/f", kAccessAcl), FailsWith(ENODATA))
      << "a copied file inherits nothing";
}

// Row 29
TEST_P(AclTest, OnlyTheOwnerMaySetAList) {
  mount({.lower = {{{"f", File("x").mode(0666)}}}, .upper = {}});

  const Outcome set = as_user(kNobodyInParticular, [this] {
    return setxattr("f", kAccessAcl, list_for_user(7));
  });

  EXPECT_THAT(set, FailsWith(EPERM));
}

VENEER_ON_EVERY_TARGET(AclTest);

}  // namespace
}  // namespace veneer::testing
