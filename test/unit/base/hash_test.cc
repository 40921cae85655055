// SPDX-License-Identifier: MIT
//
// The hashes are the published functions, which disks rely on.

#include "base/hash.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace veneer {
namespace {

TEST(Hash, Fnv1aIsThePublishedOne) {
  static_assert(fnv1a64("") == 0xcbf29ce484222325);
  EXPECT_EQ(fnv1a64("a"), 0xaf63dc4c8601ec8cU);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8U);
  EXPECT_EQ(fnv1a64("\xff"), 0xaf64724c8602eb6eU);  // bytes are unsigned
}

TEST(Hash, NameIsXxh3WithSeedZero) {
  EXPECT_EQ(hash_name(""), 0x2d06800538d394c2U);
}

TEST(Hash, NamesAreToldApart) {
  std::set<std::uint64_t> hashes;
  for (int i = 0; i < 1000; ++i) {
    hashes.insert(hash_name("name" + std::to_string(i)));
  }
  EXPECT_EQ(hashes.size(), 1000U);
}

// As EROFS has them: the seed is 0x25BBE08F plus the index of the prefix, and
// the low five bits count.
TEST(Hash, NameFilterBitsAreThoseOfErofs) {
  const auto bit = [](std::uint32_t index, std::string_view suffix) {
    return hash32(suffix, 0x25bbe08f + index) & 31;
  };

  EXPECT_EQ(bit(4, "overlay.opaque"), 20);
  EXPECT_EQ(bit(4, "overlay.metacopy"), 31);
  EXPECT_EQ(bit(4, "overlay.redirect"), 17);
  EXPECT_EQ(bit(6, "selinux"), 11);
  EXPECT_EQ(bit(2, ""), 30);
  EXPECT_EQ(bit(1, "foo"), 12);
}

}  // namespace
}  // namespace veneer
