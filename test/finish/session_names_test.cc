// SPDX-License-Identifier: MIT
//
// How a session is called, and what the commands say to a name that is none.

#include <gmock/gmock.h>
#include <sys/xattr.h>

#include "test/finish/session_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SessionNamesTest : public SessionTest {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    for (const char* const name : {"u", "w", "m"}) make_dir(name);
  }
  // With the work directory elsewhere.
  void mount_apart() const {
    const Finished end = veneer({"mount", "--lower", base(), "--upper",
                                 path("u"), "--work", path("w"), path("m")});
    ASSERT_EQ(end.status, 0) << end.err;
  }
};

TEST_F(SessionNamesTest, UpperLeadsToAWorkDirectoryElsewhere) {
  ASSERT_NO_FATAL_FAILURE(mount_apart());
  write("m/new", "n");
  ASSERT_EQ(veneer({"umount", path("m")}).status, 0);

  EXPECT_EQ(veneer({"diff", path("u")}).out, "A  new\n");
  EXPECT_EQ(veneer({"diff", path("w")}).out, "A  new\n");
}

TEST_F(SessionNamesTest, MarkOfTheWorkDirectoryIsNotSeenInTheMount) {
  ASSERT_NO_FATAL_FAILURE(mount_apart());

  char names[4096];
  const ssize_t size = ::listxattr(path("m").c_str(), names, sizeof(names));

  ASSERT_GE(size, 0);
  EXPECT_THAT(std::string(names, static_cast<std::size_t>(size)),
              Not(HasSubstr("veneer")));
  ASSERT_EQ(veneer({"umount", path("m")}).status, 0);
  EXPECT_EQ(veneer({"diff", path("u")}).out, "");
}

TEST_F(SessionNamesTest, NothingOfThatNameIsRefused) {
  for (const char* const command : {"diff", "commit", "recover", "preserve"}) {
    EXPECT_TRUE(is_refused(veneer({command, path("none")}), path("none")));
  }
  EXPECT_TRUE(is_refused(veneer({"discard", "-y", path("none")}), "none"));
  EXPECT_TRUE(is_refused(veneer({"status", path("none")}), "none"));
  EXPECT_TRUE(is_refused(veneer({"export", "--oci", path("tar"), path("none")}),
                         "none"));
  EXPECT_TRUE(is_refused(veneer({"commit"}), "SESSION is required", 2));
}

TEST_F(SessionNamesTest, DirectoryOfNobodysIsRefusedAndUntouched) {
  write("u/precious", "text");

  EXPECT_TRUE(is_refused(veneer({"commit", path("u")}), path("u")));
  EXPECT_TRUE(is_refused(veneer({"discard", "-y", path("u")}), path("u")));
  EXPECT_TRUE(is_refused(veneer({"diff", base()}), base()));

  EXPECT_EQ(read("u/precious"), "text");
}

TEST_F(SessionNamesTest, DirectoryBesideAnothersWorkDirectoryIsNobodys) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));
  ASSERT_EQ(run({"mv", upper(), path("moved")}).status, 0);
  make_dir("base.upper");
  write("base.upper/precious", "text");
  ASSERT_EQ(run({"mv", path("base.work"), path("moved.work")}).status, 0);

  EXPECT_TRUE(is_refused(veneer({"discard", "-y", upper()}), upper()));

  EXPECT_EQ(read("base.upper/precious"), "text");
}

TEST_F(SessionNamesTest, DamagedManifestIsNamedAndNothingIsDone) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));
  for (const char* const text : {"", "{", "{\"format\": 1}", "[]"}) {
    write("base.work/veneer.json", text);

    EXPECT_TRUE(is_refused(veneer({"commit", upper()}), "veneer.json"));
    EXPECT_TRUE(is_refused(veneer({"discard", "-y", upper()}), "veneer.json"));
  }
  EXPECT_TRUE(exists("base.upper/new"));

  // As the message says.
  ASSERT_NO_FATAL_FAILURE(session("true"));
  EXPECT_EQ(veneer({"diff", upper()}).out, "A  new\n");
}

TEST_F(SessionNamesTest, OverlayWithoutAnUpperHasNothingToFinish) {
  ASSERT_EQ(veneer({"mount", "--lower", base(), path("m")}).status, 0);

  EXPECT_TRUE(is_refused(veneer({"diff", path("m")}), path("m")));

  EXPECT_EQ(veneer({"umount", path("m")}).status, 0);
}

TEST_F(SessionNamesTest, UpperThatIsGoneIsNamedAndTheRestCanBeCleared) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));
  ASSERT_EQ(run({"rm", "-r", upper()}).status, 0);

  EXPECT_TRUE(is_refused(veneer({"commit", path("base.work")}), upper()));
  EXPECT_EQ(veneer({"discard", "-y", path("base.work")}).status, 0);
  EXPECT_FALSE(exists("base.work"));
}

}  // namespace
}  // namespace veneer::testing
