// SPDX-License-Identifier: MIT
//
// veneer diff and veneer status: what was changed, in every form in which it
// can be asked for.

#include <gmock/gmock.h>

#include <map>

#include "test/finish/session_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DiffCommandTest : public SessionTest {
 protected:
  static constexpr char kEveryKind[] =
      "echo world >> etc/motd; chmod 700 run; echo n > new; "
      "mv old older; rm etc/hosts; mkdir etc/hosts";
};

TEST_F(DiffCommandTest, ListsOneLineForEachChange) {
  ASSERT_NO_FATAL_FAILURE(session(kEveryKind));

  const Finished end = veneer({"diff", upper()});

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_EQ(end.out,
            "T  etc/hosts/\n"
            "M  etc/motd\n"
            "A  new\n"
            "R  old/ -> older/\n"
            "m  run (mode)\n");
}

TEST_F(DiffCommandTest, IsTheSameByEveryNameOfTheSession) {
  ASSERT_NO_FATAL_FAILURE(mount());
  ASSERT_NO_FATAL_FAILURE(change(kEveryKind));
  const std::string mounted = veneer({"diff", m()}).out;

  EXPECT_EQ(veneer({"diff", upper()}).out, mounted);
  EXPECT_EQ(veneer({"diff", path("base.work")}).out, mounted);
  ASSERT_NO_FATAL_FAILURE(unmount());
  EXPECT_EQ(veneer({"diff", upper() + "/"}).out, mounted);
  EXPECT_EQ(veneer({"diff", m()}).out, mounted) << "gone, but on record";
  EXPECT_THAT(mounted, Not(IsEmpty()));
}

TEST_F(DiffCommandTest, FieldsAreThoseOfGit) {
  ASSERT_NO_FATAL_FAILURE(session("mv old older; echo n > 'a\nb'"));

  const std::string out = veneer({"diff", "-z", upper()}).out;

  using std::string_literals::operator""s;
  EXPECT_EQ(out, "A\0a\nb\0R\0old\0older\0"s);
}

TEST_F(DiffCommandTest, NamesThatDoNotPrintAreQuoted) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > 'a\nb'"));

  EXPECT_EQ(veneer({"diff", upper()}).out, "A  \"a\\nb\"\n");
}

TEST_F(DiffCommandTest, JsonHasAllThatIsKnown) {
  ASSERT_NO_FATAL_FAILURE(session(kEveryKind));

  const nlohmann::json diff = veneer_json({"diff", "--json", upper()});

  EXPECT_EQ(diff["session"], upper());
  std::map<std::string, nlohmann::json> by_path;
  for (const auto& change : diff["changes"]) {
    by_path[change["path"].get<std::string>()] = change;
  }
  EXPECT_EQ(by_path.size(), 5U);
  EXPECT_EQ(by_path["new"]["change"], "A");
  EXPECT_EQ(by_path["new"]["type"], "file");
  EXPECT_EQ(by_path["new"]["size"], 2);
  EXPECT_EQ(by_path["older"]["old_path"], "old");
  EXPECT_EQ(by_path["older"]["type"], "directory");
  EXPECT_EQ(by_path["run"]["differs"], nlohmann::json::array({"mode"}));
  EXPECT_EQ(by_path["etc/motd"]["differs"][0], "content");
  EXPECT_EQ(diff["summary"]["added"], 1);
  EXPECT_EQ(diff["summary"]["type"], 1);
  EXPECT_EQ(diff["summary"]["conflicts"], 0);
}

TEST_F(DiffCommandTest, NameThatIsNoUtf8IsGivenByItsBytes) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > \"$(printf 'a\\377')\""));

  const nlohmann::json diff = veneer_json({"diff", "--json", upper()});

  EXPECT_EQ(diff["changes"][0]["path"]["bytes"], "61ff");
}

TEST_F(DiffCommandTest, PathsNarrowItDown) {
  ASSERT_NO_FATAL_FAILURE(session(kEveryKind));

  EXPECT_EQ(veneer({"diff", upper(), "etc"}).out,
            "T  etc/hosts/\nM  etc/motd\n");
  EXPECT_EQ(veneer({"diff", upper(), "./new/", m("run")}).out,
            "A  new\nm  run (mode)\n");
  EXPECT_EQ(veneer({"diff", upper(), "old"}).out, "R  old/ -> older/\n");
  EXPECT_EQ(veneer({"diff", upper(), "et"}).out, "");
  EXPECT_TRUE(is_refused(veneer({"diff", upper(), "../x"}), "../x"));
  EXPECT_TRUE(is_refused(veneer({"diff", upper(), "/x"}), "/x"));
}

TEST_F(DiffCommandTest, PatchBringsACopyOfTheBaseToTheMergedText) {
  const Finished has_patch = run({"patch", "--version"});
  if (has_patch.status != 0) GTEST_SKIP() << "this machine has no patch(1)";
  ASSERT_EQ(run({"cp", "-a", base(), path("copy")}).status, 0);
  ASSERT_NO_FATAL_FAILURE(session("echo world >> etc/motd; echo n > new"));

  write("changes.patch", veneer({"diff", "--patch", upper()}).out);
  const Finished patched = run(
      {"patch", "-p1", "-s", "-d", path("copy"), "-i", path("changes.patch")});

  EXPECT_EQ(patched.status, 0) << patched.out << patched.err;
  EXPECT_EQ(read("copy/etc/motd"), "hello\nworld\n");
  EXPECT_EQ(read("copy/new"), "n\n");
}

TEST_F(DiffCommandTest, StatCountsLines) {
  ASSERT_NO_FATAL_FAILURE(session("echo world >> etc/motd; rm run"));

  const Finished end = veneer({"diff", "--stat", upper()});

  EXPECT_THAT(end.out, AllOf(HasSubstr(" etc/motd | +1 -0\n"),
                             HasSubstr(" run      | +0 -1\n"),
                             HasSubstr("1 lines added, 1 removed")));
}

TEST_F(DiffCommandTest, FormsExcludeEachOther) {
  EXPECT_TRUE(
      is_refused(veneer({"diff", "--json", "-z", upper()}), "--json", 2));
}

TEST_F(DiffCommandTest, UntouchedSessionHasNone) {
  ASSERT_NO_FATAL_FAILURE(session("cat etc/motd; chmod 755 run"));

  EXPECT_EQ(veneer({"diff", upper()}).out, "");
}

TEST_F(DiffCommandTest, ChangeOfTheBaseIsAConflict) {
  ASSERT_NO_FATAL_FAILURE(session("echo world >> etc/motd"));
  write("base/etc/motd", "changed by somebody else");

  EXPECT_THAT(veneer({"diff", upper()}).out,
              HasSubstr("M  etc/motd  (conflict: "));
  const nlohmann::json diff = veneer_json({"diff", "--json", upper()});
  EXPECT_EQ(diff["summary"]["conflicts"], 1);
  EXPECT_NE(diff["changes"][0]["conflict"], "");
}

TEST_F(DiffCommandTest, StatusOfAnUnmountedSessionCounts) {
  ASSERT_NO_FATAL_FAILURE(session(kEveryKind));

  const Finished text = veneer({"status", upper()});
  const nlohmann::json status = veneer_json({"status", "--json", upper()});

  EXPECT_THAT(text.out, AllOf(HasSubstr(upper() + ": not mounted\n"),
                              HasSubstr("added                1\n")));
  EXPECT_EQ(status["state"], "unmounted");
  EXPECT_EQ(status["changes"]["renamed"], 1);
  EXPECT_EQ(status["layers"]["upper"], upper());
  EXPECT_EQ(status["layers"]["lower"][0], base());
  EXPECT_GT(status["began"], 0);
  EXPECT_EQ(status["interrupted"], nullptr);
}

TEST_F(DiffCommandTest, StatusOfAMountedSessionIsItsServers) {
  ASSERT_NO_FATAL_FAILURE(mount());

  EXPECT_EQ(veneer_json({"status", "--json", upper()})["state"], "mounted");
  EXPECT_EQ(veneer_json({"status", "--json", m()})["state"], "mounted");
}

TEST_F(DiffCommandTest, StatusOfASessionWithoutItsBaseSaysSo) {
  ASSERT_NO_FATAL_FAILURE(session("echo n > new"));
  ASSERT_EQ(run({"mv", base(), path("away")}).status, 0);

  const nlohmann::json status = veneer_json({"status", "--json", upper()});

  EXPECT_EQ(status["changes"], nullptr);
  EXPECT_THAT(status["problem"].get<std::string>(), HasSubstr(base()));
}

}  // namespace
}  // namespace veneer::testing
