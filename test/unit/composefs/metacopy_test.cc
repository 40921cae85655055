// SPDX-License-Identifier: MIT

#include "composefs/metacopy.h"

#include <gtest/gtest.h>

#include "test/support/result.h"

namespace veneer::composefs {
namespace {

using testing::code_of;

TEST(Metacopy, EmptyOneHasNoDigest) {
  const auto digest = decode_metacopy("");
  ASSERT_TRUE(digest);
  EXPECT_FALSE(*digest);
}

TEST(Metacopy, DigestIsBehindFourBytes) {
  const auto digest =
      decode_metacopy(std::string("\0\x24\0\x01", 4) + std::string(32, 'Z'));
  ASSERT_TRUE(digest && *digest);
  Digest256 expected;
  expected.fill('Z');
  EXPECT_EQ(**digest, expected);
}

TEST(Metacopy, AnythingElseIsRefused) {
  const std::string digest(32, 'Z');
  EXPECT_EQ(code_of(decode_metacopy("x")), EUCLEAN);
  EXPECT_EQ(code_of(decode_metacopy(std::string("\1\x24\0\1", 4) + digest)),
            EUCLEAN);
  EXPECT_EQ(code_of(decode_metacopy(std::string("\0\x23\0\1", 4) + digest)),
            EUCLEAN);
  EXPECT_EQ(code_of(decode_metacopy(std::string("\0\x24\1\1", 4) + digest)),
            EUCLEAN);
  EXPECT_EQ(
      code_of(decode_metacopy(std::string("\0\x23\0\1", 4) + digest.substr(1))),
      EUCLEAN);
  EXPECT_EQ(
      code_of(decode_metacopy(std::string("\0\x44\0\2", 4) + digest + digest)),
      ENOTSUP);
}

TEST(Metacopy, RedirectIsAPathBelowTheStore) {
  EXPECT_EQ(*object_path("/5a/5b5c"), "5a/5b5c");
  EXPECT_EQ(*object_path("/a/.b/..c/d"), "a/.b/..c/d");
  for (const char* wrong : {"", "/", "a/b", "//a/b", "/a//b", "/a/b/", "/../a",
                            "/a/..", "/a/./b", "/.."}) {
    EXPECT_EQ(code_of(object_path(wrong)), EUCLEAN) << wrong;
  }
  EXPECT_EQ(code_of(object_path(std::string("/a\0b", 4))), EUCLEAN);
  EXPECT_EQ(code_of(object_path("/" + std::string(256, 'x'))), EUCLEAN);
}

}  // namespace
}  // namespace veneer::composefs
