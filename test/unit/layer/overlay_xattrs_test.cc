// SPDX-License-Identifier: MIT
//
// The overlay's xattrs: which names users see, and what values are believed.

#include "layer/host/overlay_xattrs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace veneer::layer {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Optional;

constexpr auto kTrusted = XattrNamespace::kTrusted;
constexpr auto kUser = XattrNamespace::kUser;
constexpr auto kNone = XattrNamespace::kNone;

// --- Names ------------------------------------------------------------------

TEST(XattrNames, OwnNameIsPrefixAndSuffix) {
  EXPECT_EQ(own_name(kTrusted, kOpaque), "trusted.overlay.opaque");
  EXPECT_EQ(own_name(kUser, kRedirect), "user.overlay.redirect");
  EXPECT_EQ(prefix_of(kNone), "");
}

TEST(XattrNames, OwnNamespaceIsNeverShown) {
  EXPECT_EQ(shown_name(kTrusted, "trusted.overlay.opaque"), std::nullopt);
  EXPECT_EQ(shown_name(kTrusted, "trusted.overlay."), std::nullopt);
  EXPECT_EQ(shown_name(kUser, "user.overlay.anything"), std::nullopt);
}

TEST(XattrNames, OtherNamespaceIsOrdinary) {
  EXPECT_THAT(shown_name(kTrusted, "user.overlay.opaque"),
              Optional(Eq("user.overlay.opaque")));
  EXPECT_EQ(stored_name(kTrusted, "user.overlay.opaque"),
            "user.overlay.opaque");
  EXPECT_THAT(shown_name(kNone, "trusted.overlay.opaque"),
              Optional(Eq("trusted.overlay.opaque")));
}

TEST(XattrNames, SimilarPrefixIsOrdinary) {
  EXPECT_EQ(stored_name(kTrusted, "trusted.overlayfs"), "trusted.overlayfs");
  EXPECT_THAT(shown_name(kTrusted, "trusted.overlay"),
              Optional(Eq("trusted.overlay")));
}

TEST(XattrNames, NestedOverlaysNameIsEscapedOnceForEachLevel) {
  const std::string once = stored_name(kTrusted, "trusted.overlay.opaque");
  const std::string twice = stored_name(kTrusted, once);

  EXPECT_EQ(once, "trusted.overlay.overlay.opaque");
  EXPECT_EQ(twice, "trusted.overlay.overlay.overlay.opaque");
  EXPECT_THAT(shown_name(kTrusted, twice), Optional(Eq(once)));
  EXPECT_THAT(shown_name(kTrusted, once),
              Optional(Eq("trusted.overlay.opaque")));
}

TEST(XattrNames, WhatIsStoredIsShownAsItWasAskedFor) {
  for (const auto ns : {kNone, kTrusted, kUser}) {
    for (const char* name :
         {"user.k", "trusted.overlay.", "trusted.overlay.overlay.",
          "user.overlay.x", "security.capability", "user.overlay.overlay.x"}) {
      EXPECT_THAT(shown_name(ns, stored_name(ns, name)), Optional(Eq(name)));
    }
  }
}

TEST(XattrNames, ListIsShownNameByName) {
  const std::string stored(
      "user.a\0trusted.overlay.origin\0"
      "trusted.overlay.overlay.opaque\0user.b\0",
      67);

  EXPECT_EQ(shown_names(kTrusted, stored),
            std::string("user.a\0trusted.overlay.opaque\0user.b\0", 37));
}

TEST(XattrNames, ListWithoutItsLastNulIsReadToItsEnd) {
  std::vector<std::string> names;
  for_each_name(std::string_view("a\0\0bc", 5),
                [&](std::string_view name) { names.emplace_back(name); });

  EXPECT_THAT(names, ElementsAre("a", "bc"));
}

// --- Redirects --------------------------------------------------------------

TEST(Redirect, PlainNameOrPathOfPlainNamesMayBeFollowed) {
  EXPECT_TRUE(is_valid_redirect("name"));
  EXPECT_TRUE(is_valid_redirect("/name"));
  EXPECT_TRUE(is_valid_redirect("/a/b c/.d/..e/..."));
  EXPECT_TRUE(is_valid_redirect(std::string(255, 'x')));
  EXPECT_TRUE(is_valid_redirect("/" + std::string(255, 'x')));
  EXPECT_TRUE(is_valid_redirect("\xff\n"));
}

TEST(Redirect, DotDotIsNeverFollowed) {
  for (const char* bad : {"..", "/..", "/a/..", "/../a", "/a/../b", ".", "/.",
                          "/a/./b", "../a", "a/.."}) {
    EXPECT_FALSE(is_valid_redirect(bad)) << bad;
  }
}

TEST(Redirect, EmptyComponentIsNeverFollowed) {
  for (const char* bad : {"", "/", "//", "//a", "/a//b", "/a/"}) {
    EXPECT_FALSE(is_valid_redirect(bad)) << bad;
  }
}

TEST(Redirect, RelativePathIsNoName) {
  EXPECT_FALSE(is_valid_redirect("a/b"));
  EXPECT_FALSE(is_valid_redirect("a/"));
}

TEST(Redirect, NulIsNeverFollowed) {
  EXPECT_FALSE(is_valid_redirect(std::string_view("\0", 1)));
  EXPECT_FALSE(is_valid_redirect(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_valid_redirect(std::string_view("/a\0", 3)));
}

TEST(Redirect, OverlongNamesAndPathsAreNotFollowed) {
  EXPECT_FALSE(is_valid_redirect(std::string(256, 'x')));
  EXPECT_FALSE(is_valid_redirect("/a/" + std::string(256, 'x')));
  std::string path;
  while (path.size() < 4096) path.append("/component");
  EXPECT_FALSE(is_valid_redirect(path));
}

// --- Values -----------------------------------------------------------------

TEST(NlinkMark, IsReadAsItWasWritten) {
  for (const std::int64_t delta : {0, 1, -1, 7, -65000}) {
    for (const bool of_upper : {true, false}) {
      const auto read =
          decode_nlink(encode_nlink({.of_upper = of_upper, .delta = delta}));
      ASSERT_TRUE(read);
      EXPECT_EQ(read->of_upper, of_upper);
      EXPECT_EQ(read->delta, delta);
    }
  }
}

TEST(NlinkMark, HasTheKernelsSpelling) {
  EXPECT_EQ(encode_nlink({.of_upper = true, .delta = 2}), "U+2");
  EXPECT_EQ(encode_nlink({.of_upper = false, .delta = -1}), "L-1");
  EXPECT_EQ(encode_nlink({.of_upper = true, .delta = 0}), "U+0");
}

TEST(NlinkMark, NonsenseIsAsIfItWereNotThere) {
  for (const char* bad :
       {"", "U", "U+", "U1", "X+1", "U+1x", "U+ 1", "U+-1", "U--1", "U++1",
        "L-", "u+1", "U+0x10", "U+1\n", "U+99999999999999999999"}) {
    EXPECT_FALSE(decode_nlink(bad)) << bad;
  }
  EXPECT_FALSE(decode_nlink(std::string_view("U+1\0", 4)));
}

TEST(NlinkMark, NumberThatNoLinkCountReachesIsNonsense) {
  EXPECT_FALSE(decode_nlink("U+9223372036854775807"));
  EXPECT_FALSE(decode_nlink("L-9223372036854775808"));
  EXPECT_FALSE(decode_nlink("L+4294967296"));
}

TEST(NumberMark, IsEightBytesLittleEndian) {
  const std::string bytes = encode_number(0x0102030405060708);

  EXPECT_EQ(bytes, "\x08\x07\x06\x05\x04\x03\x02\x01");
  EXPECT_THAT(decode_number(bytes), Optional(Eq(0x0102030405060708U)));
  EXPECT_THAT(decode_number(std::string(8, '\xff')),
              Optional(Eq(std::numeric_limits<std::uint64_t>::max())));
}

TEST(NumberMark, OtherLengthsAreAsIfItWereNotThere) {
  EXPECT_EQ(decode_number(""), std::nullopt);
  EXPECT_EQ(decode_number("1234567"), std::nullopt);
  EXPECT_EQ(decode_number("123456789"), std::nullopt);
}

TEST(ProtectionMark, SpellsTheTwoFlags) {
  EXPECT_EQ(encode_protection(true, false), "i");
  EXPECT_EQ(encode_protection(false, true), "a");
  EXPECT_EQ(encode_protection(true, true), "ai");
}

TEST(OpaqueMark, IsYOrX) {
  EXPECT_EQ(decode_opaque("y"), Opacity::kBlocks);
  EXPECT_EQ(decode_opaque("x"), Opacity::kXattrWhiteouts);
  for (const char* other : {"", "n", "Y", "yy", "xy", "1"}) {
    EXPECT_EQ(decode_opaque(other), Opacity::kNone) << other;
  }
}

TEST(DecodeMark, SetsWhatTheXattrMeans) {
  Marks marks;
  EXPECT_TRUE(decode_mark(kOpaque, "y", marks));
  EXPECT_TRUE(decode_mark(kRedirect, "/old", marks));
  EXPECT_TRUE(decode_mark(kMetacopy, "", marks));
  EXPECT_TRUE(decode_mark(kOrigin, "record", marks));
  EXPECT_TRUE(decode_mark(kImpure, "y", marks));
  EXPECT_TRUE(decode_mark(kNlink, "U+1", marks));
  EXPECT_TRUE(decode_mark(kNumber, encode_number(42), marks));
  EXPECT_TRUE(decode_mark(kProtattr, "ai", marks));

  EXPECT_TRUE(marks.opaque);
  EXPECT_THAT(marks.redirect, Optional(Eq("/old")));
  EXPECT_TRUE(marks.metacopy);
  EXPECT_THAT(marks.origin, Optional(Eq("record")));
  EXPECT_TRUE(marks.impure);
  EXPECT_TRUE(marks.nlink);
  EXPECT_THAT(marks.number, Optional(Eq(42U)));
  EXPECT_TRUE(marks.immutable);
  EXPECT_TRUE(marks.append_only);
}

TEST(DecodeMark, XWhiteoutsDirectoryIsNotOpaque) {
  Marks marks;
  EXPECT_TRUE(decode_mark(kOpaque, "x", marks));
  EXPECT_FALSE(marks.opaque);
}

TEST(DecodeMark, ValueThatDoesNotParseIsAsIfItWereNotThere) {
  Marks marks;
  EXPECT_TRUE(decode_mark(kRedirect, "../../etc", marks));
  EXPECT_TRUE(decode_mark(kNlink, "lots", marks));
  EXPECT_TRUE(decode_mark(kNumber, "short", marks));
  EXPECT_TRUE(decode_mark(kOpaque, "maybe", marks));
  EXPECT_TRUE(decode_mark(kImpure, "n", marks));

  EXPECT_EQ(marks.redirect, std::nullopt);
  EXPECT_FALSE(marks.nlink);
  EXPECT_EQ(marks.number, std::nullopt);
  EXPECT_FALSE(marks.opaque);
  EXPECT_FALSE(marks.impure);
}

TEST(DecodeMark, OtherSuffixesAreNoMarks) {
  Marks marks;
  for (const char* other : {"", "opaque2", "Opaque", "upper", "veneer.form",
                            "overlay.opaque", "whiteout"}) {
    EXPECT_FALSE(decode_mark(other, "y", marks)) << other;
  }
  EXPECT_FALSE(marks.opaque);
}

}  // namespace
}  // namespace veneer::layer
