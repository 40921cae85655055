// SPDX-License-Identifier: MIT
//
// veneer composefs create, and mkcomposefs.

#include <nlohmann/json.hpp>

#include "test/composefs/image_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

constexpr char kEmptyDump[] = "/ 0 40755 2 0 0 0 0.0 - - -\n";
constexpr char kEmptyDigest[] =
    "8f589e8f57ecb88823736b0d857ddca1e1068a23e264fad164b28f7038eb3682\n";

class CreateCommandTest : public ImageTest {};

TEST_F(CreateCommandTest, MakesTheImageAndFillsTheStore) {
  const Finished end =
      composefs({"create", "--objects", path("store"), "--print-digest",
                 path("src"), path("a.cfs")});

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_EQ(end.err, "");
  EXPECT_THAT(end.out, MatchesRegex("[0-9a-f]{64}\n"));
  EXPECT_EQ(composefs({"digest", path("a.cfs")}).out, end.out);
  EXPECT_FALSE(exists("a.cfs.new"));
  const Finished checked =
      composefs({"verify", "--objects", path("store"), path("a.cfs")});
  EXPECT_EQ(checked.out, "2 objects checked, 0 bad\n");
}

TEST_F(CreateCommandTest, DumpsGiveTheImageTheyWereMadeFrom) {
  ASSERT_NO_FATAL_FAILURE(make());
  write("a.dump", composefs({"dump", path("a.cfs")}).out);

  const Finished end = composefs({"create", path("a.dump"), path("b.cfs")});

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_TRUE(read("a.cfs") == read("b.cfs"));
}

TEST_F(CreateCommandTest, TarAndLayerGiveTheImageOfTheDirectory) {
  ASSERT_NO_FATAL_FAILURE(make());
  ASSERT_EQ(
      run({"tar", "--format=pax", "-cf", path("a.tar"), "-C", path("src"), "."})
          .status,
      0);

  EXPECT_EQ(composefs({"create", path("a.tar"), path("t.cfs")}).status, 0);
  EXPECT_EQ(composefs({"create", "composefs:" + path("a.cfs"),
                       "--source-objects", path("store"), path("l.cfs")})
                .status,
            0);

  EXPECT_TRUE(read("t.cfs") == read("a.cfs"));
  EXPECT_TRUE(read("l.cfs") == read("a.cfs"));
}

TEST_F(CreateCommandTest, BadDumpIsNamedWithItsLineAndLeavesNoImage) {
  write("bad.dump", std::string(kEmptyDump) + "/f x 100644\n");
  write("b.cfs", "as it was");

  const Finished fresh = composefs({"create", path("bad.dump"), path("a.cfs")});
  const Finished over = composefs({"create", path("bad.dump"), path("b.cfs")});

  EXPECT_EQ(fresh.status, 1);
  EXPECT_THAT(fresh.err, AllOf(StartsWith("veneer: "),
                               HasSubstr(path("bad.dump") + ":2: ")));
  EXPECT_FALSE(exists("a.cfs"));
  EXPECT_FALSE(exists("a.cfs.new"));
  EXPECT_EQ(over.status, 1);
  EXPECT_EQ(read("b.cfs"), "as it was");
}

TEST_F(CreateCommandTest, JsonSaysWhatWasMade) {
  write("e.dump", kEmptyDump);

  const Finished end =
      composefs({"create", "--json", path("e.dump"), path("e.cfs")});

  ASSERT_EQ(end.status, 0) << end.err;
  const auto json = nlohmann::json::parse(end.out);
  EXPECT_EQ(json["digest"].get<std::string>() + "\n", kEmptyDigest);
  EXPECT_EQ(json["size"], 16384);
  EXPECT_EQ(json["inodes"], 257);
  EXPECT_EQ(json["version"], 0);
}

TEST_F(CreateCommandTest, WrongUsageIsRefused) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{
           {"create", path("src")},
           {"create", "--digest-only", path("src"), path("a.cfs")},
           {"create", "--from", "disk", path("src"), path("a.cfs")},
           {"create", "--transfer", "mail", path("src"), path("a.cfs")},
           {"create", "--skip-xattrs", "--user-xattrs", path("src"),
            path("a.cfs")},
           {"create", "--progress", "loud", path("src"), path("a.cfs")},
           {"create", "--nonsense", path("src"), path("a.cfs")},
           {"nonsense"},
           {}}) {
    EXPECT_EQ(composefs(wrong).status, 2);
    EXPECT_FALSE(exists("a.cfs"));
  }
}

TEST_F(CreateCommandTest, HelpIsPrinted) {
  EXPECT_THAT(composefs({"--help"}).out, HasSubstr("missing-objects"));
  EXPECT_THAT(composefs({"create", "--help"}).out, HasSubstr("--transfer"));
}

// --- mkcomposefs -------------------------------------------------------------

TEST_F(CreateCommandTest, MkcomposefsPrintsTheDigestThatIsKnown) {
  write("e.dump", kEmptyDump);

  EXPECT_EQ(as("mkcomposefs",
               {"--from-file", "--print-digest", path("e.dump"), path("e.cfs")})
                .out,
            kEmptyDigest);
  EXPECT_EQ(
      as("mkcomposefs", {"--from-file", "--print-digest-only", path("e.dump")})
          .out,
      kEmptyDigest);
  EXPECT_EQ(run({veneer_program(), "mkcomposefs", "--from-file",
                 "--print-digest-only", path("e.dump")})
                .out,
            kEmptyDigest);
  EXPECT_EQ(read("e.cfs").size(), 16384U);
}

TEST_F(CreateCommandTest, MkcomposefsMakesTheSameImageAsCreate) {
  ASSERT_NO_FATAL_FAILURE(make());

  const Finished end = as("mkcomposefs", {"--digest-store=" + path("store2"),
                                          path("src"), path("b.cfs")});

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_TRUE(read("a.cfs") == read("b.cfs"));
  EXPECT_EQ(run({"diff", "-r", path("store"), path("store2")}).status, 0);
}

TEST_F(CreateCommandTest, MkcomposefsVersionsAreAsTheReferenceHasThem) {
  write("e.dump", kEmptyDump);
  const auto digest = [&](std::vector<std::string> options) {
    options.insert(options.end(),
                   {"--from-file", "--print-digest-only", path("e.dump")});
    return as("mkcomposefs", options).out;
  };
  const char* const kVersion1 =
      "14a26c957c84f6eb774b91205476adc13196c7c33b9dd97d08d43725ecb90b63\n";

  EXPECT_EQ(digest({"--max-version=1"}), kEmptyDigest);
  EXPECT_EQ(digest({"--min-version=1"}), kVersion1);
  EXPECT_EQ(digest({"--min-version=1", "--max-version=1"}), kVersion1);
  EXPECT_EQ(digest({"--max-version=2"}), "");
}

TEST_F(CreateCommandTest, MkcomposefsComplainsInItsOwnName) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{
           {path("none"), path("a.cfs")},
           {path("src")},
           {"--skip-xattrs", "--user-xattrs", path("src"), path("a.cfs")},
           {"--print-digest-only", path("src"), path("a.cfs")},
           {"--nonsense", path("src"), path("a.cfs")}}) {
    const Finished end = as("mkcomposefs", wrong);
    EXPECT_EQ(end.status, 1);
    EXPECT_THAT(end.err, StartsWith("mkcomposefs: "));
    EXPECT_FALSE(exists("a.cfs"));
  }
}

}  // namespace
}  // namespace veneer::testing
