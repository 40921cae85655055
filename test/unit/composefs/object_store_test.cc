// SPDX-License-Identifier: MIT
//
// What a store promises, and what verifying and collecting garbage find.

#include "composefs/object_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/bytes.h"
#include "base/verity_digest.h"
#include "composefs/object_list.h"
#include "composefs/tree.h"
#include "sys/fault.h"
#include "sys/open.h"
#include "test/support/scratch_dir.h"

namespace veneer::composefs {
namespace {

using Access = ObjectStore::Access;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ObjectStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made());
    auto store = ObjectStore::open(path("store"), Access::kShared, true);
    ASSERT_TRUE(store) << store.error().message();
    store_.emplace(*std::move(store));
  }
  void TearDown() override { sys::fault::disarm(); }

  std::string path(std::string_view name) const { return scratch_.path(name); }
  std::string stored(const std::string& object) const {
    std::ostringstream text;
    text << std::ifstream(path("store/" + object), std::ios::binary).rdbuf();
    return text.str();
  }
  sys::UniqueFd source(const std::string& content, mode_t mode = 0600) {
    const std::string name = path("source");
    std::filesystem::remove(name);
    std::ofstream(name, std::ios::binary) << content;
    ::chmod(name.c_str(), mode);
    auto fd = sys::open_file(name);
    EXPECT_TRUE(fd);
    return *std::move(fd);
  }
  static Digest256 digest(const std::string& content) {
    return verity_digest(as_bytes(content));
  }
  Result<void> put(const std::string& content, Transfer transfer,
                   mode_t mode = 0600) {
    const sys::UniqueFd fd = source(content, mode);
    return store_->put(digest(content),
                       {.fd = fd.get(), .size = content.size()}, transfer);
  }
  std::size_t temporaries() const {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(path("store"))) {
      count += entry.path().filename().string().starts_with(".tmp") ? 1 : 0;
    }
    return count;
  }

  testing::ScratchDir scratch_;
  std::optional<ObjectStore> store_;
};

TEST_F(ObjectStoreTest, EveryTransferBringsTheContentWithMode0644) {
  for (const auto transfer :
       {Transfer::kReflink, Transfer::kLink, Transfer::kCopy}) {
    const std::string content =
        "content " + std::to_string(static_cast<int>(transfer));

    ASSERT_TRUE(put(content, transfer));

    const std::string object = object_name(digest(content));
    EXPECT_EQ(stored(object), content);
    struct stat st;
    ASSERT_EQ(::stat(path("store/" + object).c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777U, 0644U);
    EXPECT_EQ(st.st_nlink, 1U);
  }
  EXPECT_EQ(temporaries(), 0U);
}

TEST_F(ObjectStoreTest, LinkSharesAFileOfMode0644) {
  ASSERT_TRUE(put("shared", Transfer::kLink, 0644));

  EXPECT_TRUE(std::filesystem::equivalent(
      path("source"), path("store/" + object_name(digest("shared")))));
}

TEST_F(ObjectStoreTest, BytesInMemoryNeedNoDescriptor) {
  const std::string content = "in memory";

  ASSERT_TRUE(store_->put(digest(content),
                          {.size = content.size(), .bytes = as_bytes(content)},
                          Transfer::kLink));

  EXPECT_EQ(stored(object_name(digest(content))), content);
}

TEST_F(ObjectStoreTest, PartOfAFileIsAnObject) {
  const sys::UniqueFd fd = source("0123456789");

  ASSERT_TRUE(store_->put(digest("345"),
                          {.fd = fd.get(), .offset = 3, .size = 3},
                          Transfer::kReflink));

  EXPECT_EQ(stored(object_name(digest("345"))), "345");
}

TEST_F(ObjectStoreTest, WhatIsThereIsNotWrittenAgain) {
  ASSERT_TRUE(put("once", Transfer::kCopy));
  sys::fault::arm_count();

  ASSERT_TRUE(put("once", Transfer::kCopy));

  EXPECT_EQ(sys::fault::count(), 0U);
}

TEST_F(ObjectStoreTest, FailureAtAnyChangeLeavesNoPartOfAnObject) {
  const std::string object = object_name(digest("precious"));
  for (std::uint64_t n = 1;; ++n) {
    ASSERT_LT(n, 100U);
    sys::fault::arm_error(n, ENOSPC);
    const auto done = put("precious", Transfer::kCopy);
    sys::fault::disarm();
    if (done && std::filesystem::exists(path("store/" + object))) break;
    EXPECT_FALSE(std::filesystem::exists(path("store/" + object))) << n;
  }
  EXPECT_EQ(stored(object), "precious");
}

TEST_F(ObjectStoreTest, SteppedObjectVanishesUnlessPublished) {
  {
    const auto object = store_->begin();
    ASSERT_TRUE(object);
    EXPECT_EQ(temporaries(), 1U);
  }
  EXPECT_EQ(temporaries(), 0U);
}

TEST_F(ObjectStoreTest, SharedAndExclusiveUseExcludeEachOther) {
  EXPECT_TRUE(ObjectStore::open(path("store"), Access::kShared));
  const auto refused = ObjectStore::open(path("store"), Access::kExclusive);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), EBUSY);

  store_.reset();

  const auto alone = ObjectStore::open(path("store"), Access::kExclusive);
  ASSERT_TRUE(alone) << alone.error().message();
  EXPECT_FALSE(ObjectStore::open(path("store"), Access::kShared));
}

TEST_F(ObjectStoreTest, LinksInTheStoreAreNotFollowed) {
  std::filesystem::create_directory(path("store/aa"));
  std::filesystem::create_symlink("/etc/passwd", path("store/aa/link"));

  EXPECT_EQ(store_->has("aa/link"), false);
  EXPECT_FALSE(store_->open_object("aa/link"));
  EXPECT_EQ(store_->has("../source"), false);
}

// --- Verifying, collecting ---------------------------------------------------

NamedObject named(const std::string& content) {
  const Digest256 digest = verity_digest(as_bytes(content));
  return {object_name(digest), digest, content.size()};
}

TEST_F(ObjectStoreTest, VerifyFindsWhatIsWrong) {
  for (const char* const content : {"good", "changed", "cut", "lost"}) {
    ASSERT_TRUE(put(content, Transfer::kCopy));
  }
  std::ofstream(path("store/" + named("changed").path)) << "CHANGED";
  std::ofstream(path("store/" + named("cut").path)) << "cu";
  std::filesystem::remove(path("store/" + named("lost").path));
  std::vector<NamedObject> objects = {named("good"), named("changed"),
                                      named("cut"), named("lost")};
  // Without a digest in the image the one in the name counts.
  for (NamedObject& object : objects) object.digest.reset();
  sort_objects(objects);

  const auto problems = verify_objects(*store_, objects, 2, {});

  ASSERT_TRUE(problems) << problems.error().message();
  ASSERT_EQ(problems->size(), 3U);
  for (const ObjectProblem& problem : *problems) {
    EXPECT_NE(problem.path, named("good").path);
    const std::string what =
        problem.path == named("lost").path
            ? "missing"
            : (problem.path == named("cut").path ? "2 bytes" : "digest");
    EXPECT_THAT(problem.what, HasSubstr(what));
  }
}

TEST_F(ObjectStoreTest, VerifyStopsWhenTold) {
  const auto stopped = verify_objects(*store_, {named("x")}, 1,
                                      [](const Progress&) { return false; });

  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code(), ECANCELED);
}

TEST_F(ObjectStoreTest, GarbageIsWhatNobodyNamesAndNothingElse) {
  for (const char* const content : {"kept", "oddly named", "garbage"}) {
    ASSERT_TRUE(put(content, Transfer::kCopy));
  }
  std::ofstream(path("store/.tmp-1234")) << "being made";
  std::ofstream(path("store/README")) << "not an object";
  NamedObject odd = named("oddly named");
  odd.path = "./x/..//" + odd.path;
  std::vector<std::string> removed;

  const auto dry =
      collect_garbage(*store_, {named("kept"), odd}, true, removed);
  ASSERT_TRUE(dry);
  EXPECT_THAT(removed, ElementsAre(named("garbage").path));
  EXPECT_TRUE(store_->has(named("garbage").path).value());
  removed.clear();
  const auto done =
      collect_garbage(*store_, {named("kept"), odd}, false, removed);

  ASSERT_TRUE(done);
  EXPECT_EQ(done->kept, 2U);
  EXPECT_EQ(done->removed, 1U);
  EXPECT_EQ(done->bytes, 7U);
  EXPECT_FALSE(store_->has(named("garbage").path).value());
  EXPECT_EQ(stored(named("kept").path), "kept");
  EXPECT_EQ(stored(named("oddly named").path), "oddly named");
  EXPECT_EQ(stored(".tmp-1234"), "being made");
  EXPECT_EQ(stored("README"), "not an object");
}

}  // namespace
}  // namespace veneer::composefs
