// SPDX-License-Identifier: MIT
//
// Which images are taken: each field of the two headers, with values that it
// must not have.

#include "composefs/superblock.h"

#include <functional>
#include <limits>

#include "test/support/result.h"
#include "test/unit/composefs/hand_made.h"
#include "test/unit/composefs/image_walk.h"

namespace veneer::composefs {
namespace {

using testing::code_of;

HandMade small() {
  HandMade made;
  const Nid file = made.add_file("content");
  made.put_root({{"file", file}});
  return made;
}

int code_with(const std::function<void(HandMade&)>& change) {
  HandMade made = small();
  change(made);
  return code_of(open_bytes(made.finish()));
}

TEST(Superblock, OfASoundImageIsTaken) {
  const auto image = open_bytes(small().finish());

  ASSERT_TRUE(image) << image.error().message();
  EXPECT_TRUE(image->info().is_composefs);
  EXPECT_EQ(image->root(), HandMade::kRoot);
}

TEST(Superblock, WithoutTheHeaderOfComposefsIsPlain) {
  HandMade made = small();
  made.header.magic = 0;

  const auto image = open_bytes(made.finish());

  ASSERT_TRUE(image) << image.error().message();
  EXPECT_FALSE(image->info().is_composefs);
  EXPECT_EQ(image->info().header.composefs_version, 0U);
}

TEST(Superblock, EveryVersionOfComposefsIsRead) {
  for (const std::uint32_t version : {0U, 1U, 2U, 3U, 0xffffffffU}) {
    EXPECT_EQ(code_with([&](HandMade& made) {
                made.header.composefs_version = version;
              }),
              0)
        << version;
  }
}

TEST(Superblock, OtherContainersAreRefused) {
  for (const std::uint32_t version : {0U, 2U, 0xffffffffU}) {
    EXPECT_EQ(code_with([&](HandMade& made) { made.header.version = version; }),
              ENOTSUP);
  }
}

TEST(Superblock, OtherMagicIsNoImage) {
  for (const std::uint32_t magic : {0U, kErofsMagic + 1, kImageMagic}) {
    EXPECT_EQ(code_with([&](HandMade& made) { made.super.magic = magic; }),
              EINVAL);
  }
  EXPECT_EQ(code_of(open_bytes("")), EINVAL);
  EXPECT_EQ(code_of(open_bytes(std::string(4096, 'x'))), EINVAL);
}

TEST(Superblock, WhatComposefsDoesNotUseMustBeZero) {
  const std::function<void(Superblock&)> changes[] = {
      [](Superblock& super) { super.extension_slots = 1; },
      [](Superblock& super) { super.meta_block = 1; },
      [](Superblock& super) { super.compression_algorithms = 1; },
      [](Superblock& super) { super.extra_devices = 1; },
      [](Superblock& super) { super.dir_block_bits = 1; },
      [](Superblock& super) { super.xattr_prefix_count = 1; },
      [](Superblock& super) { super.packed_nid = 1; },
      [](Superblock& super) { super.block_bits = 11; },
      [](Superblock& super) { super.feature_incompat = 0x100; },
  };
  for (const auto& change : changes) {
    EXPECT_EQ(code_with([&](HandMade& made) { change(made.super); }), EUCLEAN);
  }
}

TEST(Superblock, EachFeatureThatIsNotReadIsNamed) {
  const std::pair<std::uint32_t, const char*> features[] = {
      {kIncompatCompressionConfig, "compression"},
      {kIncompatDeviceTable, "other devices"},
      {kIncompatTailPacking, "compressed tails"},
      {kIncompatFragments, "fragments"},
      {kIncompatXattrPrefixes, "long xattr prefixes"},
      {0x80, "unknown features 0x80"},
      {0x80000000, "unknown features 0x80000000"},
  };
  for (const auto& [bit, name] : features) {
    HandMade made = small();
    made.header.magic = 0;
    made.super.feature_incompat = kIncompatChunkedFile | bit;

    const auto image = open_bytes(made.finish());

    ASSERT_EQ(code_of(image), ENOTSUP) << name;
    EXPECT_NE(image.error().message().find(name), std::string::npos)
        << image.error().message();
  }
}

TEST(Superblock, BlocksOfAPlainImageHaveSizesThatTheKernelReads) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    const int code = code_with([&](HandMade& made) {
      made.header.magic = 0;
      made.super.block_bits = static_cast<std::uint8_t>(bits);
      // The root is where it was.
      made.super.meta_block = 0;
    });
    // With smaller blocks the root's tail crosses none of them here.
    EXPECT_EQ(code, bits >= 9 && bits <= 12 ? 0 : ENOTSUP) << bits;
  }
}

TEST(Superblock, RootMustBeADirectoryInsideTheImage) {
  EXPECT_EQ(code_with([](HandMade& made) { made.super.root_nid = 0; }),
            EUCLEAN);
  EXPECT_EQ(code_with([](HandMade& made) { made.super.root_nid = 0xffff; }),
            EUCLEAN);
  // The file.
  EXPECT_EQ(code_with([](HandMade& made) {
              made.super.root_nid = 2 * HandMade::kRoot;
            }),
            EUCLEAN);
}

// Values at the ends of what a field can hold. The answer is an image that can
// be walked, or an error.
TEST(Superblock, AnyByteMayBeAnything) {
  const std::string sound = small().finish();
  for (const bool plain : {false, true}) {
    for (std::size_t at = 0; at < kSuperOffset + sizeof(Superblock); ++at) {
      if (at == 32) at = kSuperOffset;
      for (const char value : {'\0', '\x01', '\x7f', '\x80', '\xff'}) {
        std::string bytes = sound;
        if (plain) bytes.replace(0, 4, 4, '\0');
        bytes[at] = value;
        const auto image = open_bytes(bytes);
        if (image) ImageWalk(*image, 100).run();
      }
    }
  }
}

// A field at its extremes as a whole.
TEST(Superblock, AnyFieldMayBeAnything) {
  const std::string sound = small().finish();
  constexpr std::size_t kSizes[] = {1, 2, 4, 8};
  for (const std::size_t size : kSizes) {
    for (std::size_t at = 0; at < sizeof(Superblock); at += size) {
      for (const char fill : {'\0', '\x7f', '\xff'}) {
        std::string bytes = sound;
        bytes.replace(kSuperOffset + at, size, size, fill);
        const auto image = open_bytes(bytes);
        if (image) ImageWalk(*image, 100).run();
      }
    }
  }
}

TEST(Superblock, FilterIsUsedOnlyWhereItIsAsWeKnowIt) {
  HandMade made = small();
  made.super.xattr_filter_reserved = 1;
  const auto other = open_bytes(made.finish());
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->info().has_name_filter());

  made.super.xattr_filter_reserved = 0;
  made.super.feature_compat = kCompatMtime;
  const auto none = open_bytes(made.finish());
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->info().has_name_filter());
}

}  // namespace
}  // namespace veneer::composefs
