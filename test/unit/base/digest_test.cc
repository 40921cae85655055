// SPDX-License-Identifier: MIT
//
// The digests agree with the published vectors.

#include "base/digest.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"

namespace veneer {
namespace {

constexpr char kBlake3OfNothing[] =
    "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
constexpr char kSha256OfAbc[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Digest, Blake3OfNothingIsThePublishedOne) {
  EXPECT_EQ(to_hex(blake3({})), kBlake3OfNothing);
}

TEST(Digest, Sha256OfAbcIsThePublishedOne) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), kSha256OfAbc);
}

TEST(Digest, PiecesGiveTheDigestOfTheWhole) {
  const std::string text(5000, 'x');
  Blake3 blake;
  Sha256 sha;
  for (std::size_t at = 0; at < text.size(); at += 100) {
    blake.update(text.substr(at, 100));
    sha.update(text.substr(at, 100));
  }

  EXPECT_EQ(blake.finish(), blake3(as_bytes(text)));
  EXPECT_EQ(sha.finish(), sha256(as_bytes(text)));
}

TEST(Digest, FinishedSha256StartsAnew) {
  Sha256 sha;
  sha.update("something else");
  sha.finish();
  sha.update("abc");

  EXPECT_EQ(to_hex(sha.finish()), kSha256OfAbc);
}

TEST(Digest, HexIsReadBack) {
  EXPECT_EQ(digest_from_hex(kSha256OfAbc), sha256(as_bytes("abc")));
  EXPECT_EQ(digest_from_hex("ba78"), std::nullopt);
  EXPECT_EQ(digest_from_hex(std::string(64, 'g')), std::nullopt);
}

}  // namespace
}  // namespace veneer
