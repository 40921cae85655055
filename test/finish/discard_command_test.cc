// SPDX-License-Identifier: MIT
//
// veneer discard, preserve, recover and export.

#include <gmock/gmock.h>
#include <signal.h>

#include "test/finish/session_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class DiscardCommandTest : public SessionTest {};

TEST_F(DiscardCommandTest, AllThatWasMadeGoesAndTheBaseStays) {
  const Tree before = read_tree(base());
  ASSERT_NO_FATAL_FAILURE(session("rm -r old; echo n > new"));

  const Finished end = veneer({"discard", "--yes", upper()});

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(read_tree(base()), TreeIs(before));
  EXPECT_THAT(list(""), ElementsAre("base"));
}

TEST_F(DiscardCommandTest, WithoutATerminalItMustBeSaid) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));

  EXPECT_TRUE(is_refused(veneer({"discard", upper()}), "--yes", 2));

  EXPECT_TRUE(exists("base.upper/new"));
}

TEST_F(DiscardCommandTest, MountedSessionIsRefused) {
  ASSERT_NO_FATAL_FAILURE(mount());
  ASSERT_NO_FATAL_FAILURE(change("echo n > new"));

  EXPECT_TRUE(is_refused(veneer({"discard", "-y", m()}), "veneer umount"));

  EXPECT_EQ(read("base.mountpoint/new"), "n\n");
}

TEST_F(DiscardCommandTest, UpperThatHeldFilesBeforeIsSpared) {
  make_dir("u");
  make_dir("m");
  write("u/precious", "text");
  ASSERT_EQ(
      veneer({"mount", "--lower", base(), "--upper", path("u"), path("m")})
          .status,
      0);
  ASSERT_EQ(veneer({"umount", path("m")}).status, 0);

  EXPECT_TRUE(is_refused(veneer({"discard", "-y", path("u")}), path("u")));

  EXPECT_EQ(read("u/precious"), "text");
}

TEST_F(DiscardCommandTest, BaseThatIsGoneIsNoReasonToKeepChanges) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));
  ASSERT_EQ(run({"mv", base(), path("away")}).status, 0);

  EXPECT_EQ(veneer({"discard", "-y", upper()}).status, 0);

  EXPECT_THAT(list(""), ElementsAre("away"));
}

TEST_F(DiscardCommandTest, PreserveUnmountsAndKeepsTheUpper) {
  ASSERT_NO_FATAL_FAILURE(mount());
  ASSERT_NO_FATAL_FAILURE(change("echo n > new"));

  const Finished end = veneer({"preserve", m()});

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(end.out, HasSubstr(upper()));
  EXPECT_FALSE(exists("base.mountpoint"));
  EXPECT_TRUE(exists("base.upper/new"));
  EXPECT_EQ(veneer({"preserve", upper()}).status, 0) << "twice is harmless";
}

TEST_F(DiscardCommandTest, PreserveClearsUpAfterAKilledServer) {
  ASSERT_NO_FATAL_FAILURE(mount());
  ASSERT_NO_FATAL_FAILURE(change("echo n > new"));
  const auto status = veneer_json({"status", "--json", m()});
  ASSERT_EQ(::kill(status["server"]["pid"].get<pid_t>(), SIGKILL), 0);

  EXPECT_EQ(veneer({"preserve", upper()}).status, 0);

  EXPECT_FALSE(exists("base.mountpoint"));
  EXPECT_EQ(veneer({"diff", upper()}).out, "A  new\n");
}

TEST_F(DiscardCommandTest, RecoverOfWhatWasNotInterruptedDoesNothing) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));
  const Tree before = read_tree(upper());

  const Finished end = veneer({"recover", upper()});

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(end.out, HasSubstr("nothing was interrupted"));
  EXPECT_THAT(read_tree(upper()), TreeIs(before));
}

TEST_F(DiscardCommandTest, ExportUnpacksToTheMergedTree) {
  ASSERT_NO_FATAL_FAILURE(session("echo world >> etc/motd; ln run also"));

  const Finished end = veneer({"export", "--oci", path("l.tar"), upper()});

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(end.out, MatchesRegex(".*l.tar: [0-9]+ entries, .*sha256:"
                                    "[0-9a-f]+\n"));
  ASSERT_EQ(run({"tar", "-x", "-f", path("l.tar"), "-C", base()}).status, 0);
  EXPECT_EQ(read("base/etc/motd"), "hello\nworld\n");
  EXPECT_EQ(read("base/also"), "#!/bin/sh\n");
  EXPECT_FALSE(exists("l.tar.new"));
}

TEST_F(DiscardCommandTest, ExportsOfOneSessionAreEqual) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new; rm -r old"));

  const Finished first = veneer({"export", "--oci", "-", upper()});
  const Finished second = veneer({"export", "--oci", "-", upper()});

  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(first.err, "");
  EXPECT_FALSE(first.out.empty());
  EXPECT_EQ(first.out, second.out);
}

TEST_F(DiscardCommandTest, ExportThatCannotBeWrittenIsNamed) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));

  const Finished end =
      veneer({"export", "--oci", path("no/where.tar"), upper()});

  EXPECT_EQ(end.status, 1);
  EXPECT_THAT(end.err, HasSubstr(path("no")));
}

}  // namespace
}  // namespace veneer::testing
