// SPDX-License-Identifier: MIT
//
// Objects: found, refused, and checked against their digest.

#include "composefs/object_reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "base/log.h"
#include "base/verity_digest.h"
#include "test/support/result.h"
#include "test/support/scratch_dir.h"

namespace veneer::composefs {
namespace {

using testing::code_of;

class ObjectReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made());
    set_log_level(LogLevel::kOff);
  }
  void TearDown() override { set_log_level(LogLevel::kWarning); }

  std::string path(std::string_view name) const { return scratch_.path(name); }
  void write(std::string_view name, std::string_view content) const {
    std::filesystem::create_directories(
        std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << content;
  }
  void open(Verify verify, const std::vector<std::string>& dirs = {"store"}) {
    std::vector<std::string> paths;
    for (const auto& dir : dirs) {
      std::filesystem::create_directories(path(dir));
      paths.push_back(path(dir));
    }
    auto opened = ObjectReader::open(
        paths, verify, [this] { return ObjectReader::system_time() + later_; });
    ASSERT_TRUE(opened) << opened.error().message();
    reader_ = *std::move(opened);
  }
  static ObjectRef ref(std::string_view content, bool with_digest = true) {
    ObjectRef object{
        .redirect = "/ab/cd", .metacopy = "", .size = content.size()};
    if (with_digest) {
      const Digest256 digest = verity_digest(as_bytes(content));
      object.metacopy = std::string("\0\x24\0\1", 4) +
                        std::string(digest.begin(), digest.end());
    }
    return object;
  }
  Result<std::string> read(const ObjectRef& object) {
    TRY_ASSIGN(const FileData data, reader_->open_object(object));
    std::string content(object.size, '\0');
    EXPECT_EQ(::pread(data.fd, content.data(), content.size(), 0),
              static_cast<ssize_t>(content.size()));
    return content;
  }

  testing::ScratchDir scratch_;
  std::unique_ptr<ObjectReader> reader_;
  std::int64_t later_ = 0;
};

TEST_F(ObjectReaderTest, StoresAreSearchedInOrder) {
  write("one/ab/cd", "first");
  write("two/ab/cd", "other");
  write("two/ef/gh", "only");
  open(Verify::kOff, {"one", "two"});

  EXPECT_EQ(*read(ref("first")), "first");
  ObjectRef second = ref("only");
  second.redirect = "/ef/gh";
  EXPECT_EQ(*read(second), "only");
}

TEST_F(ObjectReaderTest, MissingStoreIsAnErrorAtOnce) {
  EXPECT_EQ(code_of(ObjectReader::open({path("none")}, Verify::kOff)), ENOENT);
}

TEST_F(ObjectReaderTest, WhatIsNoObjectIsEio) {
  open(Verify::kOff);
  EXPECT_EQ(code_of(read(ref("content"))), EIO);  // missing

  write("store/ab/cd", "content and more");
  EXPECT_EQ(code_of(read(ref("content"))), EIO);  // another size

  std::filesystem::remove(path("store/ab/cd"));
  std::filesystem::create_directory(path("store/ab/cd"));
  EXPECT_EQ(code_of(read(ref("content"))), EIO);

  std::filesystem::remove(path("store/ab/cd"));
  ASSERT_EQ(::mkfifo(path("store/ab/cd").c_str(), 0644), 0);
  EXPECT_EQ(code_of(read(ref("content"))), EIO);
}

TEST_F(ObjectReaderTest, NothingOutsideTheStoreIsReached) {
  write("secret", "content");
  open(Verify::kOff);
  std::filesystem::create_directories(path("store/ab"));
  std::filesystem::create_symlink(path("secret"), path("store/ab/cd"));
  EXPECT_EQ(code_of(read(ref("content"))), EIO);

  std::filesystem::remove_all(path("store/ab"));
  std::filesystem::create_symlink("..", path("store/ab"));
  write("cd", "content");
  EXPECT_EQ(code_of(read(ref("content"))), EIO);

  for (const char* redirect :
       {"/../secret", "../secret", "/./../secret", "//secret", "secret", "/"}) {
    ObjectRef object = ref("content");
    object.redirect = redirect;
    EXPECT_EQ(code_of(read(object)), EIO) << redirect;
  }
}

TEST_F(ObjectReaderTest, ChangedObjectIsEioUnderVerify) {
  write("store/ab/cd", "content");
  open(Verify::kOn);
  EXPECT_EQ(*read(ref("content")), "content");

  write("store/ab/cd", "Content");

  EXPECT_EQ(code_of(read(ref("content"))), EIO);
  open(Verify::kOff);
  EXPECT_EQ(*read(ref("content")), "Content");
}

TEST_F(ObjectReaderTest, FileWithoutADigestIsRefusedOnlyIfRequired) {
  write("store/ab/cd", "content");
  open(Verify::kOn);
  EXPECT_EQ(*read(ref("content", false)), "content");
  open(Verify::kRequire);
  EXPECT_EQ(code_of(read(ref("content", false))), EIO);
  EXPECT_EQ(*read(ref("content")), "content");
}

TEST_F(ObjectReaderTest, DigestThatCannotBeCheckedIsEio) {
  write("store/ab/cd", "content");
  open(Verify::kOn);
  ObjectRef object = ref("content");
  object.metacopy = std::string("\0\x44\0\2", 4) + std::string(64, 'x');
  EXPECT_EQ(code_of(read(object)), EIO);
  object.metacopy = "nonsense";
  EXPECT_EQ(code_of(read(object)), EIO);
}

TEST_F(ObjectReaderTest, CheckedObjectIsNotHashedAgain) {
  write("store/ab/cd", "content");
  open(Verify::kOn);
  // A change time of this very moment is not trusted.
  ASSERT_TRUE(read(ref("content")));
  ASSERT_TRUE(read(ref("content")));
  EXPECT_EQ(reader_->hashed(), 2U);

  later_ = 3;
  ASSERT_TRUE(read(ref("content")));
  ASSERT_TRUE(read(ref("content")));
  EXPECT_EQ(reader_->hashed(), 3U);

  // Against another digest it is hashed, and fails.
  EXPECT_EQ(code_of(read(ref("Content"))), EIO);
  EXPECT_EQ(reader_->hashed(), 4U);
}

}  // namespace
}  // namespace veneer::composefs
