// SPDX-License-Identifier: MIT
//
// veneer.json: written whole, read back the same, and never trusted.

#include "session/manifest.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "sys/open.h"
#include "test/unit/session/scratch.h"

namespace veneer::session {
namespace {

Manifest example() {
  Manifest manifest;
  manifest.mounted = true;
  manifest.server = {1234, 5678901};
  manifest.lowers = {"/srv/b\xC3\xA4se", "/srv/\xFF\xFEraw"};
  manifest.upper = "/srv/base.upper";
  manifest.work = "/srv/base.work";
  manifest.mount_point = "/srv/base.mountpoint";
  manifest.made_upper = true;
  manifest.made_mount_point = true;
  manifest.upper_was_empty = true;
  manifest.began = 1700000000;
  manifest.over = true;
  manifest.options = {"fsync", "timeout"};
  return manifest;
}

class ManifestTest : public ScratchTest {
 protected:
  sys::UniqueFd open_work() {
    auto opened = sys::open_dir(dir("work"));
    EXPECT_TRUE(opened);
    return opened ? *std::move(opened) : sys::UniqueFd();
  }
};

TEST_F(ManifestTest, ReadsBackWhatWasWritten) {
  const sys::UniqueFd work = open_work();
  const Manifest written = example();

  ASSERT_TRUE(write_manifest(work.get(), written));
  const auto read = read_manifest(work.get());

  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(to_json(*read), to_json(written));
  EXPECT_EQ(read->lowers, written.lowers);
  EXPECT_EQ(read->server, written.server);
  EXPECT_TRUE(read->made_upper);
  EXPECT_FALSE(read->made_work);
  EXPECT_EQ(read->began, 1700000000);
}

TEST(ManifestText, OlderOneDoesNotSayWhenItBegan) {
  auto older = nlohmann::json::parse(to_json(example()));
  older.erase("began");
  older.erase("over");

  const auto parsed = manifest_from_json(older.dump());

  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->began, 0);
}

TEST_F(ManifestTest, ReplacesTheOneBefore) {
  const sys::UniqueFd work = open_work();
  Manifest manifest = example();
  ASSERT_TRUE(write_manifest(work.get(), manifest));

  manifest.mounted = false;
  ASSERT_TRUE(write_manifest(work.get(), manifest));

  EXPECT_FALSE(read_manifest(work.get())->mounted);
  EXPECT_FALSE(exists("work/veneer.json.new"));
}

TEST_F(ManifestTest, AbsenceIsENOENT) {
  const sys::UniqueFd work = open_work();

  EXPECT_FALSE(has_manifest(work.get()));
  EXPECT_EQ(read_manifest(work.get()).error().code(), ENOENT);
}

TEST_F(ManifestTest, IsGoneAfterRemoval) {
  const sys::UniqueFd work = open_work();
  ASSERT_TRUE(write_manifest(work.get(), example()));

  ASSERT_TRUE(remove_manifest(work.get()));

  EXPECT_FALSE(has_manifest(work.get()));
  EXPECT_TRUE(remove_manifest(work.get()));
}

TEST_F(ManifestTest, LinkInItsPlaceIsNotFollowed) {
  const sys::UniqueFd work = open_work();
  std::filesystem::create_symlink(file("elsewhere"),
                                  path("work/veneer.json.new"));

  EXPECT_FALSE(write_manifest(work.get(), example()));

  std::ifstream elsewhere(path("elsewhere"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(elsewhere), {}), "text");
}

TEST(ManifestText, AnythingElseIsEUCLEAN) {
  const std::string good = to_json(example());
  const std::vector<std::string> bad = {
      "",
      "{",
      "[]",
      "null",
      "{}",
      "{\"format\": 2}",
      "{\"format\": \"1\"}",
      // A wrong type in each place.
      std::string(good).replace(good.find("true"), 4, "\"x\""),
      std::string(good).replace(good.find("1234"), 4, "null"),
      std::string(good).replace(good.find("1700000000"), 10, "\"now\""),
      std::string(good).replace(good.find("[\n"), 1, "7, \"x\": ["),
      good.substr(0, good.size() / 2),
      "{\"format\": 1, \"mounted\": true}",
      std::string(100000, '['),
  };

  for (const std::string& text : bad) {
    const auto parsed = manifest_from_json(text);
    ASSERT_FALSE(parsed) << text.substr(0, 200);
    EXPECT_EQ(parsed.error().code(), EUCLEAN);
  }
}

}  // namespace
}  // namespace veneer::session
