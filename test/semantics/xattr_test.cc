// SPDX-License-Identifier: MIT
//
// Extended attributes: kept through copy-up, changed with the right errors,
// and the overlay's own ones neither shown nor in anyone's way.

#include <fcntl.h>
#include <sys/xattr.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

class XattrTest : public OverlayTest {};

// Row 27
TEST_P(XattrTest, LowerXattrsAreReadAndListed) {
  mount({.lower = {{{"f", File().xattr("user.a", "1").xattr("user.b", "")},
                    {"d", Dir().xattr("trusted.t", "2")}}},
         .upper = {}});

  EXPECT_THAT(getxattr("f", "user.a"), Optional(std::string("1")));
  EXPECT_THAT(getxattr("f", "user.b"), Optional(std::string()));
  EXPECT_THAT(listxattr("f"), ElementsAre("user.a", "user.b"));
  EXPECT_THAT(listxattr("d"), ElementsAre("trusted.t"));
  EXPECT_THAT(getxattr_status("f", "user.none"), FailsWith(ENODATA));
}

// Row 27
TEST_P(XattrTest, SettingCopiesUpAndKeepsTheOthers) {
  mount({.lower = {{{"f", File("x").xattr("user.a", "1").xattr("user.e", "")}}},
         .upper = {}});

  EXPECT_THAT(setxattr("f", "user.b", "2"), Succeeds());

  EXPECT_THAT(listxattr("f"), ElementsAre("user.a", "user.b", "user.e"));
  EXPECT_THAT(getxattr("f", "user.e"), Optional(std::string()));
  EXPECT_EQ(read_file("f"), "x");
  remount();
  EXPECT_THAT(getxattr("f", "user.b"), Optional(std::string("2")));
}

// Row 27
TEST_P(XattrTest, CreateAndReplaceFlagsAreHonoured) {
  mount({.lower = {{{"f", File().xattr("user.a", "1")}}}, .upper = {}});

  EXPECT_THAT(setxattr("f", "user.a", "x", XATTR_CREATE), FailsWith(EEXIST));
  EXPECT_THAT(setxattr("f", "user.n", "x", XATTR_REPLACE), FailsWith(ENODATA));
  EXPECT_THAT(setxattr("f", "user.a", "2", XATTR_REPLACE), Succeeds());
  EXPECT_THAT(setxattr("f", "user.n", "3", XATTR_CREATE), Succeeds());

  EXPECT_THAT(getxattr("f", "user.a"), Optional(std::string("2")));
  EXPECT_THAT(getxattr("f", "user.n"), Optional(std::string("3")));
}

// Row 27
TEST_P(XattrTest, RemovingOneOfALowerFileWorks) {
  mount({.lower = {{{"f", File().xattr("user.a", "1").xattr("user.b", "2")}}},
         .upper = {}});

  EXPECT_THAT(removexattr("f", "user.a"), Succeeds());

  EXPECT_THAT(listxattr("f"), ElementsAre("user.b"));
  EXPECT_THAT(removexattr("f", "user.a"), FailsWith(ENODATA));
  remount();
  EXPECT_THAT(listxattr("f"), ElementsAre("user.b"));
}

// Row 27
TEST_P(XattrTest, EmptyValueIsKept) {
  mount({.lower = {{{"f", File()}}}, .upper = {}});

  EXPECT_THAT(setxattr("f", "user.e", ""), Succeeds());

  EXPECT_THAT(getxattr("f", "user.e"), Optional(std::string()));
}

// Row 27
TEST_P(XattrTest, SizeIsProbedAndShortBuffersAreRefused) {
  mount({.lower = {{{"f", File().xattr("user.a", "12345")}}}, .upper = {}});
  char buffer[3];

  EXPECT_THAT(::lgetxattr(m("f").c_str(), "user.a", nullptr, 0),
              SyscallReturns(5));
  EXPECT_THAT(::lgetxattr(m("f").c_str(), "user.a", buffer, sizeof(buffer)),
              FailsWith(ERANGE));
  EXPECT_THAT(::llistxattr(m("f").c_str(), nullptr, 0), SyscallReturns(7));
  EXPECT_THAT(::llistxattr(m("f").c_str(), buffer, sizeof(buffer)),
              FailsWith(ERANGE));
}

TEST_P(XattrTest, ValueOf60KiBIsKept) {
  const std::string value(60 * 1024, 'v');
  mount({.lower = {{{"f", File("x").xattr("user.big", value)}}}, .upper = {}});

  EXPECT_THAT(append("f", "y"), Succeeds());

  EXPECT_TRUE(getxattr("f", "user.big") == value);
}

TEST_P(XattrTest, DirectoryXattrIsSetOnAMergedDirectory) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("x")}}},
         .upper = {{"d", Dir()}, {"d/g", File("y")}}});

  EXPECT_THAT(setxattr("d", "user.k", "v"), Succeeds());

  EXPECT_THAT(getxattr("d", "user.k"), Optional(std::string("v")));
  EXPECT_THAT(list("d"), ElementsAre("f", "g"));
}

TEST_P(XattrTest, UserXattrOfASymlinkIsRefused) {
  mount({.lower = {{{"s", Symlink("x")}}}, .upper = {}});

  EXPECT_THAT(setxattr("s", "user.a", "1"), FailsWith(EPERM));
  EXPECT_THAT(setxattr("s", "trusted.a", "1"), Succeeds());
  EXPECT_THAT(getxattr("s", "trusted.a"), Optional(std::string("1")));
}

// Row 28
TEST_P(XattrTest, OverlaysOwnXattrsAreHidden) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("x")}, {"g", File("y")}}},
         .upper = {}});

  ASSERT_THAT(rename("d", "e"), Succeeds());
  ASSERT_THAT(chmod("g", 0600), Succeeds());
  ASSERT_THAT(chmod("", 0755), Succeeds());

  EXPECT_THAT(listxattr("e"), IsEmpty());
  EXPECT_THAT(listxattr("g"), IsEmpty());
  EXPECT_THAT(listxattr(""), IsEmpty());
  EXPECT_THAT(getxattr_status("e", "trusted.overlay.redirect"),
              FailsWith(ENODATA));
}

// Row 28
TEST_P(XattrTest, UserMayStoreTheOverlaysNames) {
  mount({.lower = {{{"f", File("x")}, {"d", Dir()}, {"d/low", File()}}},
         .upper = {}});

  EXPECT_THAT(setxattr("f", "trusted.overlay.metacopy", "mine"), Succeeds());
  EXPECT_THAT(setxattr("d", "trusted.overlay.opaque", "y"), Succeeds());

  EXPECT_THAT(getxattr("f", "trusted.overlay.metacopy"),
              Optional(std::string("mine")));
  EXPECT_THAT(listxattr("f"), ElementsAre("trusted.overlay.metacopy"));
  EXPECT_EQ(read_file("f"), "x");
  EXPECT_THAT(list("d"), ElementsAre("low"));
  EXPECT_EQ(upper().at("d").xattrs.at("trusted.overlay.overlay.opaque"), "y");
  remount();
  EXPECT_THAT(list("d"), ElementsAre("low"));
  EXPECT_THAT(getxattr("d", "trusted.overlay.opaque"),
              Optional(std::string("y")));
  EXPECT_THAT(removexattr("d", "trusted.overlay.opaque"), Succeeds());
  EXPECT_THAT(listxattr("d"), IsEmpty());
}

// Row 28
TEST_P(XattrTest, EscapedNamesOfALowerLoseOneLevel) {
  mount({.lower = {{{"f",
                     File("x").xattr("trusted.overlay.overlay.opaque", "y")}}},
         .upper = {}});

  EXPECT_THAT(listxattr("f"), ElementsAre("trusted.overlay.opaque"));
  EXPECT_THAT(getxattr("f", "trusted.overlay.opaque"),
              Optional(std::string("y")));
}

TEST_P(XattrTest, UserOverlayNamesAreOrdinaryInATrustedMount) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});

  EXPECT_THAT(setxattr("f", "user.overlay.mine", "1"), Succeeds());

  EXPECT_THAT(getxattr("f", "user.overlay.mine"), Optional(std::string("1")));
  remount();
  EXPECT_THAT(listxattr("f"), ElementsAre("user.overlay.mine"));
}

TEST_P(XattrTest, TrustedXattrsAreForRootOnly) {
  mount({.lower = {{{"f", File("x").mode(0666).xattr("trusted.t", "1")}}},
         .upper = {}});

  const Outcome got = as_user(kNobodyInParticular, [this] {
    return getxattr_status("f", "trusted.t");
  });
  const Outcome set = as_user(
      kNobodyInParticular, [this] { return setxattr("f", "trusted.t", "2"); });

  EXPECT_THAT(got, FailsWith(ENODATA));
  EXPECT_THAT(set, FailsWith(EPERM));
}

VENEER_ON_EVERY_TARGET(XattrTest);

}  // namespace
}  // namespace veneer::testing
