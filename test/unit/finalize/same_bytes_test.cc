// SPDX-License-Identifier: MIT
//
// Whether two files hold the same bytes: small and large, from descriptors and
// from memory, whole and cut off.

#include "finalize/same_bytes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "sys/fd.h"
#include "test/support/scratch_dir.h"

namespace veneer::finalize {
namespace {

// Enough for several threads.
constexpr std::uint64_t kLarge = 70 << 20;

class SameBytesTest : public ::testing::Test {
 protected:
  // A file of `size` bytes that counts up, sparse but for its last megabyte.
  FileData file(const std::string& name, std::uint64_t size) {
    const std::string path = dir_.path(name);
    auto fd = sys::share(
        sys::UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600)));
    EXPECT_GE(fd->get(), 0);
    EXPECT_EQ(::ftruncate(fd->get(), static_cast<off_t>(size)), 0);
    const std::string end(std::min<std::uint64_t>(size, 1 << 20), 'x');
    EXPECT_EQ(::pwrite(fd->get(), end.data(), end.size(),
                       static_cast<off_t>(size - end.size())),
              static_cast<ssize_t>(end.size()));
    return {
        .fd = fd->get(), .offset = 0, .length = {}, .bytes = {}, .owner = fd};
  }
  static void poke(const FileData& data, std::uint64_t at) {
    ASSERT_EQ(::pwrite(data.fd, "!", 1, static_cast<off_t>(at)), 1);
  }
  static bool same(const FileData& a, const FileData& b, std::uint64_t size) {
    const auto result = same_bytes(a, b, size);
    EXPECT_TRUE(result) << result.error().message();
    return result && *result;
  }

  testing::ScratchDir dir_;
};

TEST_F(SameBytesTest, OneByteAnywhereDiffers) {
  for (const std::uint64_t size :
       {std::uint64_t{1}, std::uint64_t{300'000}, kLarge}) {
    const FileData a = file("a", size);
    for (const std::uint64_t at : {std::uint64_t{0}, size / 2, size - 1}) {
      const FileData b = file("b", size);
      EXPECT_TRUE(same(a, b, size)) << size;
      poke(b, at);
      EXPECT_FALSE(same(a, b, size)) << size << " at " << at;
      EXPECT_FALSE(same(b, a, size)) << size << " at " << at;
    }
  }
}

TEST_F(SameBytesTest, AFileThatIsCutOffMeanwhileDiffers) {
  const FileData a = file("a", kLarge);
  const FileData b = file("b", kLarge);
  ASSERT_EQ(::ftruncate(b.fd, kLarge - 1), 0);

  EXPECT_FALSE(same(a, b, kLarge));
  EXPECT_FALSE(same(b, a, kLarge));
}

TEST_F(SameBytesTest, MemoryAndAPartOfAFileCompare) {
  const FileData whole = file("a", 5000);
  poke(whole, 100);
  const std::string text = "!" + std::string(41, 'x');
  const FileData memory{.bytes = std::as_bytes(std::span(text))};
  const FileData part{.fd = whole.fd, .offset = 100, .length = 42};

  EXPECT_TRUE(same(memory, part, 42));
  EXPECT_FALSE(same(memory, FileData{.fd = whole.fd, .offset = 99}, 42));
  // Of one that ends before `size` the rest is not there.
  EXPECT_FALSE(same(part, FileData{.fd = whole.fd, .offset = 100}, 43));
}

TEST_F(SameBytesTest, WhatCannotBeReadIsAnError) {
  const FileData a = file("a", 10);
  const FileData closed{.fd = ::open("/", O_RDONLY | O_DIRECTORY)};
  const sys::UniqueFd owner(closed.fd);

  EXPECT_FALSE(same_bytes(a, closed, 10));
}

}  // namespace
}  // namespace veneer::finalize
