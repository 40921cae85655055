// SPDX-License-Identifier: MIT
//
// fs-verity digests against values of the kernel's own tools.

#include "base/verity_digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace veneer {
namespace {

std::string hex_of(std::string_view bytes) {
  return to_hex(verity_digest(as_bytes(bytes)));
}

// The bytes 0, 1, ... 250 over and over.
std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % 251);
  return bytes;
}

TEST(VerityDigest, OfTextsIsWhatTheKernelSays) {
  EXPECT_EQ(hex_of(""),
            "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95");
  EXPECT_EQ(hex_of("hello world"),
            "1e2eaa4202d750a41174ee454970b92c1bc2f925b1e35076d8c7d5f56362ba64");
  EXPECT_EQ(hex_of("foo\n"),
            "de2df1b639099a07c888f7cfda6e94a61f41fd86d1c1bba22238a06865f1d181");
}

TEST(VerityDigest, ChangesWhereTheTreeGrows) {
  const std::pair<std::size_t, const char*> expected[] = {
      {1, "b803429503d95915829b29fdbc8bbad142f3abfd11b1cadf5526582e685c0551"},
      {64, "82e78d1b03af63fe2c17a967ec3264787e36f598abeae346f2fccb1ed6983846"},
      {4095,
       "5f4953aad672b0188023d6cd6fbce9d09508eb7dad165b6298ce0086bc1e72db"},
      {4096,
       "13e9b8848ae484a36acb3f3cac0ceb2f7601e96633d15c92f9bd3dd44e492157"},
      {4097,
       "b0d074abef4d544404facfab6ba242f6a8ccbde90f1325cd286f3c8aa8d0f8aa"},
      {524288,
       "d82861203d50ae9b60948504a704f35f5118bd229aeb1a22d6dae47b1767c4c4"},
      {524289,
       "4dc6905041c9c4ee73e13b53f63f5d289c46da359b664a965ead7f8cc4d799d4"},
  };
  for (const auto& [size, digest] : expected) {
    EXPECT_EQ(hex_of(pattern(size)), digest) << size;
  }
}

TEST(VerityDigest, IsTheSameInPiecesOfAnySize) {
  const std::string bytes = pattern(3 * 4096 + 17);
  const Digest256 whole = verity_digest(as_bytes(bytes));
  VerityHasher hasher;
  for (const std::size_t piece : {1, 7, 4095, 4096, 4097, 9000}) {
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      hasher.update(as_bytes(std::string_view(bytes).substr(at, piece)));
    }
    EXPECT_EQ(hasher.finish(), whole) << piece;
  }
}

TEST(VerityDigest, HoldsForThreeLevels) {
  VerityHasher hasher;
  // 251 * 4096 bytes of the pattern begin anew where they end.
  const std::string part = pattern(std::size_t{251} * 4096);
  std::size_t left = 67108865;
  while (left > 0) {
    const std::size_t size = std::min(left, part.size());
    hasher.update(as_bytes(std::string_view(part).substr(0, size)));
    left -= size;
  }
  EXPECT_EQ(to_hex(hasher.finish()),
            "acba6554fbff4e8b2fc0361086b9e8ed6afbbd3196ade159c0f3e2bf9ecb2ed1");
}

}  // namespace
}  // namespace veneer
