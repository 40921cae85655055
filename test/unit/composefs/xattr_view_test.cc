// SPDX-License-Identifier: MIT
//
// Which names of xattrs are seen by whom.

#include "composefs/xattr_view.h"

#include <gtest/gtest.h>

#include <array>

namespace veneer::composefs {
namespace {

constexpr XattrNames kPlain{.view = XattrView::kPlain};
constexpr XattrNames kLogical{.view = XattrView::kLogical};
constexpr XattrNames kForUser{.view = XattrView::kForUser};
constexpr XattrNames kForTrusted{.view = XattrView::kForTrusted};
constexpr XattrNames kTrustedLayer{.view = XattrView::kOverlaid,
                                   .own = OwnXattrs::kTrusted};
constexpr XattrNames kUserLayer{.view = XattrView::kOverlaid,
                                .own = OwnXattrs::kUser};
constexpr XattrNames kPlainLayer{.view = XattrView::kOverlaid,
                                 .own = OwnXattrs::kTrusted,
                                 .is_composefs = false};

std::string shown(const XattrNames& names, std::string_view stored) {
  return names.shown(stored).value_or("(hidden)");
}

std::string stored(const XattrNames& names, std::string_view asked) {
  return names.stored(asked).value_or("(absent)");
}

TEST(XattrView, NamesOfNoOverlayAreAsTheyAre) {
  for (const XattrNames& names : {kPlain, kLogical, kForUser, kForTrusted,
                                  kTrustedLayer, kUserLayer, kPlainLayer}) {
    for (const char* name :
         {"user.foo", "trusted.foo", "security.selinux", "user.overlayX",
          "system.posix_acl_access", "trusted.overlay", "user.overlay"}) {
      EXPECT_EQ(shown(names, name), name);
      EXPECT_EQ(stored(names, name), name);
    }
  }
}

TEST(XattrView, LogicalTreeHidesWhatIsOfComposefs) {
  EXPECT_EQ(shown(kLogical, "trusted.overlay.metacopy"), "(hidden)");
  EXPECT_EQ(shown(kLogical, "trusted.overlay.redirect"), "(hidden)");
  EXPECT_EQ(shown(kLogical, "trusted.overlay.overlay.opaque"),
            "trusted.overlay.opaque");
  EXPECT_EQ(shown(kLogical, "trusted.overlay.overlay.overlay.x"),
            "trusted.overlay.overlay.x");
  EXPECT_EQ(shown(kLogical, "user.overlay.whiteout"), "user.overlay.whiteout");
  EXPECT_EQ(stored(kLogical, "trusted.overlay.metacopy"),
            "trusted.overlay.overlay.metacopy");
}

TEST(XattrView, UserOverlayFindsComposefsNamesUnderUser) {
  for (const char* name : {"metacopy", "redirect", "opaque"}) {
    const std::string own = std::string("trusted.overlay.") + name;
    const std::string moved = std::string("user.overlay.") + name;
    EXPECT_EQ(shown(kForUser, own), moved);
    EXPECT_EQ(stored(kForUser, moved), own);
  }
}

// Unescaped, the whiteouts of composefs would take files from sight.
TEST(XattrView, UserOverlayGetsNoOtherNameUnescaped) {
  EXPECT_EQ(shown(kForUser, "user.overlay.whiteout"),
            "user.overlay.overlay.whiteout");
  EXPECT_EQ(stored(kForUser, "user.overlay.whiteout"), "(absent)");
  EXPECT_EQ(stored(kForUser, "user.overlay.overlay.whiteout"),
            "user.overlay.whiteout");
  EXPECT_EQ(shown(kForUser, "user.overlay.redirect"),
            "user.overlay.overlay.redirect");
  EXPECT_EQ(stored(kForUser, "user.overlay.overlay.redirect"),
            "user.overlay.redirect");
  EXPECT_EQ(shown(kForUser, "trusted.overlay.overlay.opaque"),
            "trusted.overlay.opaque");
  EXPECT_EQ(stored(kForUser, "trusted.overlay.opaque"),
            "trusted.overlay.overlay.opaque");
  EXPECT_EQ(shown(kForUser, "trusted.overlay.origin"), "(hidden)");
}

TEST(XattrView, TrustedOverlaySeesNamesAsStored) {
  EXPECT_EQ(shown(kForTrusted, "trusted.overlay.redirect"),
            "trusted.overlay.redirect");
  EXPECT_EQ(stored(kForTrusted, "trusted.overlay.overlay.opaque"),
            "trusted.overlay.overlay.opaque");
}

TEST(XattrView, LayerHidesTheOverlaysOwnNames) {
  // The user's trusted.overlay.* went into the image escaped once.
  EXPECT_EQ(shown(kTrustedLayer, "trusted.overlay.overlay.opaque"), "(hidden)");
  EXPECT_EQ(shown(kTrustedLayer, "trusted.overlay.overlay.overlay.x"),
            "trusted.overlay.x");
  EXPECT_EQ(stored(kTrustedLayer, "trusted.overlay.x"),
            "trusted.overlay.overlay.overlay.x");
  EXPECT_EQ(shown(kTrustedLayer, "user.overlay.opaque"), "user.overlay.opaque");
  EXPECT_EQ(shown(kUserLayer, "user.overlay.opaque"), "(hidden)");
  EXPECT_EQ(shown(kUserLayer, "user.overlay.overlay.opaque"),
            "user.overlay.opaque");
  EXPECT_EQ(shown(kUserLayer, "trusted.overlay.overlay.opaque"),
            "trusted.overlay.opaque");
}

TEST(XattrView, LayerHidesTheTwinsOfWhiteouts) {
  EXPECT_EQ(shown(kTrustedLayer, "user.overlay.whiteout"), "(hidden)");
  EXPECT_EQ(shown(kTrustedLayer, "user.overlay.whiteouts"), "(hidden)");
  EXPECT_EQ(stored(kTrustedLayer, "user.overlay.whiteouts"), "(absent)");
  EXPECT_EQ(shown(kPlainLayer, "user.overlay.whiteout"),
            "user.overlay.whiteout");
}

TEST(XattrView, PlainLayerIsReadLikeADirectory) {
  EXPECT_EQ(shown(kPlainLayer, "trusted.overlay.opaque"), "(hidden)");
  EXPECT_EQ(shown(kPlainLayer, "trusted.overlay.overlay.opaque"),
            "trusted.overlay.opaque");
  EXPECT_EQ(stored(kPlainLayer, "trusted.overlay.opaque"),
            "trusted.overlay.overlay.opaque");
}

// What is listed can be read, and leads back to where it came from.
TEST(XattrView, ShownNamesAreThoseThatAreFound) {
  constexpr std::array kStored = {"user.a",
                                  "trusted.overlay.metacopy",
                                  "trusted.overlay.redirect",
                                  "trusted.overlay.opaque",
                                  "trusted.overlay.origin",
                                  "trusted.overlay.overlay.opaque",
                                  "trusted.overlay.overlay.overlay.x",
                                  "user.overlay.whiteout",
                                  "user.overlay.whiteouts",
                                  "user.overlay.opaque",
                                  "user.overlay.overlay.opaque",
                                  "user.overlay.overlay.overlay.x"};
  for (const XattrNames& names : {kPlain, kLogical, kForUser, kForTrusted,
                                  kTrustedLayer, kUserLayer, kPlainLayer}) {
    for (const char* name : kStored) {
      const auto visible = names.shown(name);
      EXPECT_EQ(names.is_shown(name), visible.has_value()) << name;
      if (visible) {
        EXPECT_EQ(names.stored(*visible), name) << *visible;
      }
    }
  }
}

}  // namespace
}  // namespace veneer::composefs
