// SPDX-License-Identifier: MIT
//
// veneer composefs ls, objects, verify, gc and their like, and composefs-info.

#include <nlohmann/json.hpp>

#include "test/composefs/image_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class StoreCommandTest : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    if (HasFatalFailure() || IsSkipped()) return;
    ASSERT_NO_FATAL_FAILURE(make());
  }
  std::vector<std::string> objects() const {
    std::vector<std::string> lines;
    std::istringstream text(composefs({"objects", path("a.cfs")}).out);
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
};

TEST_F(StoreCommandTest, LsShowsTargetsAndObjects) {
  const Finished end = composefs({"ls", path("a.cfs")});

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(end.out, MatchesRegex("/bin\t-> usr/bin\n"
                                    "/etc/\t\n"
                                    "/etc/motd\n"
                                    "/etc/same\t@ [0-9a-f]{2}/[0-9a-f]{62}\n"
                                    "/lib\t@ [0-9a-f]{2}/[0-9a-f]{62}\n"
                                    "/tool\t@ [0-9a-f]{2}/[0-9a-f]{62}\n"));
  EXPECT_EQ(as("composefs-info", {"ls", path("a.cfs")}).out, end.out);
  EXPECT_EQ(as("composefs-info", {"--filter=bin", "ls", path("a.cfs")}).out,
            "/bin\t-> usr/bin\n");
  const auto json =
      nlohmann::json::parse(composefs({"ls", "--json", path("a.cfs")}).out);
  EXPECT_EQ(json.size(), 6U);
}

TEST_F(StoreCommandTest, ObjectsOfAllImagesAreListedOnce) {
  const Finished end = composefs({"objects", path("a.cfs"), path("a.cfs")});

  EXPECT_EQ(std::ranges::count(end.out, '\n'), 2);
  EXPECT_EQ(as("composefs-info", {"objects", path("a.cfs"), path("a.cfs")}).out,
            end.out);
}

TEST_F(StoreCommandTest, MissingObjectsAreThoseTheStoreLacks) {
  const std::string lost = objects().front();
  std::filesystem::remove(path("store/" + lost));

  EXPECT_EQ(
      composefs({"missing-objects", "--objects", path("store"), path("a.cfs")})
          .out,
      lost + "\n");
  EXPECT_EQ(as("composefs-info",
               {"--basedir=" + path("store"), "missing-objects", path("a.cfs")})
                .out,
            lost + "\n");
}

TEST_F(StoreCommandTest, VerifyNamesTheChangedObject) {
  const std::string changed = objects().front();
  const std::size_t size = read("store/" + changed).size();
  write("store/" + changed, std::string(size, '!'));

  const Finished end =
      composefs({"verify", "--objects", path("store"), path("a.cfs")});

  EXPECT_EQ(end.status, 1);
  EXPECT_EQ(end.out, changed +
                         ": its content is not what its digest says\n"
                         "2 objects checked, 1 bad\n");
  const Finished json = composefs(
      {"verify", "--json", "--objects", path("store"), path("a.cfs")});
  EXPECT_EQ(json.status, 1);
  EXPECT_EQ(nlohmann::json::parse(json.out)["problems"][0]["object"], changed);
}

TEST_F(StoreCommandTest, GcRemovesWhatNoImageNames) {
  build_tree({{"", Dir()}, {"other", File(std::string(9000, 'o'))}}, [&] {
    std::filesystem::create_directory(path("src2"));
    return path("src2");
  }());
  ASSERT_EQ(composefs({"create", "--objects", path("store"), path("src2"),
                       path("b.cfs")})
                .status,
            0);
  const std::vector<std::string> gc = {"gc", "--objects", path("store"),
                                       path("a.cfs")};

  const Finished dry =
      composefs({"gc", "-n", "--objects", path("store"), path("a.cfs")});
  EXPECT_THAT(dry.out, HasSubstr("1 objects would be removed"));
  EXPECT_EQ(
      composefs({"verify", "--objects", path("store"), path("b.cfs")}).status,
      0);
  const Finished end = composefs(gc);

  EXPECT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(end.out, HasSubstr("1 objects removed"));
  EXPECT_EQ(
      composefs({"verify", "--objects", path("store"), path("a.cfs")}).status,
      0);
  EXPECT_EQ(
      composefs({"verify", "--objects", path("store"), path("b.cfs")}).status,
      1);
}

TEST_F(StoreCommandTest, GcRefusesWhenAnImageCannotBeRead) {
  write("bad.cfs", "no image");

  for (const std::string& bad : {path("bad.cfs"), path("none.cfs")}) {
    const Finished end =
        composefs({"gc", "--objects", path("store"), bad, path("a.cfs")});
    EXPECT_EQ(end.status, 1);
    EXPECT_THAT(end.err, HasSubstr(bad));
  }
  EXPECT_EQ(
      composefs({"verify", "--objects", path("store"), path("a.cfs")}).status,
      0);
}

TEST_F(StoreCommandTest, GcWithoutImagesIsWrongUsage) {
  EXPECT_EQ(composefs({"gc", "--objects", path("store")}).status, 2);
  EXPECT_EQ(objects().size(), 2U);
}

// --- composefs-info ----------------------------------------------------------

TEST_F(StoreCommandTest, InfoMeasuresAnyFile) {
  write("f", "hello world");

  EXPECT_EQ(as("composefs-info", {"measure-file", path("f")}).out,
            "1e2eaa4202d750a41174ee454970b92c1bc2f925b1e35076d8c7d5f56362ba64"
            "\n");
}

TEST_F(StoreCommandTest, InfoComplainsInItsOwnName) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{
           {},
           {"ls"},
           {"nonsense", path("a.cfs")},
           {"ls", path("src/lib")},
           {"--filter=a/b", "ls", path("a.cfs")},
           {"missing-objects", path("a.cfs")},
           {"measure-file", path("none")}}) {
    const Finished end = as("composefs-info", wrong);
    EXPECT_EQ(end.status, 1);
    EXPECT_THAT(end.err, StartsWith("composefs-info: "));
    EXPECT_EQ(end.out, "");
  }
}

}  // namespace
}  // namespace veneer::testing
