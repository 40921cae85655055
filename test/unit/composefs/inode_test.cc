// SPDX-License-Identifier: MIT
//
// What an inode may say: everything, but most of it is refused.

#include "composefs/inode.h"

#include <sys/sysmacros.h>

#include <functional>

#include "test/support/result.h"
#include "test/unit/composefs/hand_made.h"
#include "test/unit/composefs/image_walk.h"

namespace veneer::composefs {
namespace {

using testing::code_of;

// An image with one inode of our making.
struct OneInode {
  explicit OneInode(const ExtendedInode& inode, const HandXattrs& xattrs = {},
                    const std::string& tail = "") {
    nid = made.add_block();
    made.put_root({{"it", nid}});
    made.put_inode(nid, inode, xattrs, tail);
    image = open_bytes(made.finish());
    EXPECT_TRUE(image) << image.error().message();
  }
  Result<Inode> inode() const { return image->inode(nid); }

  HandMade made;
  Nid nid;
  Result<Image> image = Error(EINVAL, "not made");
};

int code_with(mode_t mode, std::uint64_t size, DataLayout layout,
              const std::function<void(ExtendedInode&)>& change = {}) {
  ExtendedInode inode = HandMade::inode(mode, size, layout);
  if (change) change(inode);
  return code_of(OneInode(inode).inode());
}

TEST(Inode, ExtendedOneSaysEverything) {
  ExtendedInode raw_inode =
      HandMade::inode(S_IFREG | 06754, 3, DataLayout::kFlatInline);
  raw_inode.uid = 0xfffffffe;
  raw_inode.gid = 70000;
  raw_inode.nlink = 0xffffffff;
  raw_inode.mtime = static_cast<std::uint64_t>(-5);
  raw_inode.mtime_nsec = 999999999;
  raw_inode.ino = 17;

  const auto inode = OneInode(raw_inode, {}, "abc").inode();

  ASSERT_TRUE(inode) << inode.error().message();
  EXPECT_EQ(inode->mode, S_IFREG | 06754);
  EXPECT_EQ(inode->uid, 0xfffffffe);
  EXPECT_EQ(inode->gid, 70000U);
  EXPECT_EQ(inode->nlink, 0xffffffff);
  EXPECT_EQ(inode->mtime, -5);
  EXPECT_EQ(inode->mtime_nsec, 999999999U);
  EXPECT_EQ(inode->ino, 17U);
  EXPECT_EQ(inode->size, 3U);
}

TEST(Inode, CompactOneHasTheTimeOfTheImage) {
  HandMade made;
  const Nid nid = made.add_block();
  made.put_root({{"it", nid}});
  CompactInode compact;
  compact.format = 2 << kFormatLayoutShift;
  compact.mode = S_IFREG | 0600;
  compact.nlink = 0xffff;
  compact.uid = 0xffff;
  compact.gid = 7;
  compact.size = 2;
  made.put(nid * kInodeSlot, raw(compact) + "hi");
  made.super.build_time = 12;
  made.super.build_time_nsec = 34;
  const auto image = open_bytes(made.finish());
  ASSERT_TRUE(image);

  const auto inode = image->inode(nid);

  ASSERT_TRUE(inode) << inode.error().message();
  EXPECT_EQ(inode->uid, 0xffffU);
  EXPECT_EQ(inode->nlink, 0xffffU);
  EXPECT_EQ(inode->mtime, 12);
  EXPECT_EQ(inode->mtime_nsec, 34U);
  std::string content(2, '\0');
  ASSERT_TRUE(
      image->read(*inode, 0, std::as_writable_bytes(std::span(content))));
  EXPECT_EQ(content, "hi");
}

TEST(Inode, TypeIsOneOfSeven) {
  for (unsigned type = 0; type < 16; ++type) {
    const mode_t mode = type << 12 | 0644;
    const bool known = type == 1 || type == 2 || type == 4 || type == 6 ||
                       type == 8 || type == 10 || type == 12;
    EXPECT_EQ(code_with(mode, 0, DataLayout::kFlatPlain), known ? 0 : EUCLEAN)
        << type;
  }
}

TEST(Inode, FormatIsOneOfThreeLayouts) {
  for (unsigned format = 0; format < 0x10000; ++format) {
    if (format > 64 && format % 251 != 0) continue;
    const int code = code_with(
        S_IFREG | 0644, 0, DataLayout::kFlatPlain, [&](ExtendedInode& inode) {
          inode.format = static_cast<std::uint16_t>(format);
        });
    const unsigned layout = format >> 1;
    const int expected = layout == 0 || layout == 2 || layout == 4 ? 0
                         : layout == 1 || layout == 3              ? ENOTSUP
                                                                   : EUCLEAN;
    EXPECT_EQ(code, expected) << format;
  }
}

TEST(Inode, DataLieInsideTheImage) {
  constexpr auto kPlain = DataLayout::kFlatPlain;
  const mode_t file = S_IFREG | 0644;
  const auto at = [](std::uint32_t block) {
    return [block](ExtendedInode& inode) { inode.data = block; };
  };
  // The image has three blocks.
  EXPECT_EQ(code_with(file, 4096, kPlain, at(2)), 0);
  EXPECT_EQ(code_with(file, 3 * 4096, kPlain, at(0)), 0);
  EXPECT_EQ(code_with(file, 4097, kPlain, at(2)), EUCLEAN);
  EXPECT_EQ(code_with(file, 1, kPlain, at(3)), EUCLEAN);
  EXPECT_EQ(code_with(file, 1, kPlain, at(0xffffffff)), EUCLEAN);
  EXPECT_EQ(code_with(file, 0, kPlain, at(0xffffffff)), 0);
  EXPECT_EQ(code_with(file, 3 * 4096 + 1, kPlain), EUCLEAN);
  EXPECT_EQ(code_with(file, ~std::uint64_t{0}, kPlain), EUCLEAN);
  EXPECT_EQ(code_with(file, std::uint64_t{1} << 63, kPlain), EUCLEAN);
}

TEST(Inode, TailStaysInItsBlock) {
  constexpr auto kInline = DataLayout::kFlatInline;
  const mode_t file = S_IFREG | 0644;
  EXPECT_EQ(code_with(file, 4096 - 64, kInline), 0);
  EXPECT_EQ(code_with(file, 4096 - 63, kInline), EUCLEAN);
  // A last block that is full is a tail, too.
  EXPECT_EQ(code_with(file, 4096, kInline), EUCLEAN);
  EXPECT_EQ(code_with(file, 4097, kInline), 0);
}

TEST(Inode, TargetsAreNoLongerThanAPath) {
  constexpr auto kPlain = DataLayout::kFlatPlain;
  EXPECT_EQ(code_with(S_IFLNK | 0777, 4095, kPlain), 0);
  EXPECT_EQ(code_with(S_IFLNK | 0777, 4096, kPlain), EUCLEAN);
}

TEST(Inode, OnlyFilesHaveChunks) {
  constexpr auto kChunks = DataLayout::kChunkBased;
  EXPECT_EQ(code_with(S_IFREG | 0644, 1, kChunks), 0);
  EXPECT_EQ(code_with(S_IFDIR | 0755, 1, kChunks), EUCLEAN);
  EXPECT_EQ(code_with(S_IFLNK | 0777, 1, kChunks), EUCLEAN);
  EXPECT_EQ(code_with(S_IFIFO | 0644, 1, kChunks), 0);  // it has no data
}

TEST(Inode, ChunksAreInsideTheImage) {
  const auto with = [](std::uint64_t size, std::uint32_t format) {
    return code_with(S_IFREG | 0644, size, DataLayout::kChunkBased,
                     [&](ExtendedInode& inode) { inode.data = format; });
  };
  // There is room for 1008 of four bytes and for 504 of eight.
  EXPECT_EQ(with(1008 * 4096, 0), 0);
  EXPECT_EQ(with(1008 * 4096 + 1, 0), EUCLEAN);
  EXPECT_EQ(with(504 * 4096, kChunkIndexes), 0);
  EXPECT_EQ(with(504 * 4096 + 1, kChunkIndexes), EUCLEAN);
  EXPECT_EQ(with((std::uint64_t{1} << 63) - 1, 0), EUCLEAN);
  EXPECT_EQ(with((std::uint64_t{1} << 63), 31), EUCLEAN);
  EXPECT_EQ(with(std::uint64_t{1} << 43, 31), 0);
  EXPECT_EQ(with(1, 0x40), EUCLEAN);
  EXPECT_EQ(with(1, 0xffff), EUCLEAN);
  // composefs leaves a block number in the upper half.
  EXPECT_EQ(with(1, 0x12340000), 0);
}

TEST(Inode, DeviceNumbersAreThoseOfTheKernel) {
  ExtendedInode device = HandMade::inode(S_IFBLK, 0, DataLayout::kFlatPlain);
  device.data = (70001 & 0xff) | 259 << 8 | (70001 & 0xfff00) << 12;

  const auto inode = OneInode(device).inode();

  ASSERT_TRUE(inode);
  EXPECT_EQ(inode->rdev, makedev(259, 70001));
}

TEST(Inode, WhatHasNoDataHasNoSize) {
  ExtendedInode fifo =
      HandMade::inode(S_IFIFO, std::uint64_t{1} << 62, DataLayout::kFlatPlain);

  const auto inode = OneInode(fifo).inode();

  ASSERT_TRUE(inode);
  EXPECT_EQ(inode->size, 0U);
}

TEST(Inode, NumbersOutsideTheImageAreErrors) {
  const OneInode one(HandMade::inode(S_IFREG, 0, DataLayout::kFlatPlain));
  for (const Nid nid : {Nid{3 * 128}, Nid{1} << 32, Nid{1} << 59,
                        (Nid{1} << 59) + 128, ~Nid{0}}) {
    EXPECT_EQ(code_of(one.image->inode(nid)), EUCLEAN) << nid;
  }
}

TEST(Inode, AnyByteMayBeAnything) {
  HandMade made;
  const Nid file = made.add_file("content", {{"user.a", "1"}});
  const Nid external =
      made.add_external(5000, {{"trusted.overlay.metacopy", ""},
                               {"trusted.overlay.redirect", "/ab/cd"}});
  const Nid dir = made.add_block();
  made.put_root(
      {{"d", dir, FileType::kDirectory}, {"e", external}, {"f", file}});
  made.put_dir(dir, HandMade::kRoot, {{"again", file}}, {{"user.b", "2"}});
  const std::string sound = made.finish();
  for (const Nid nid : {HandMade::kRoot, file, external, dir}) {
    for (std::size_t at = 0; at < 200; ++at) {
      for (const char value : {'\0', '\x01', '\x7f', '\x80', '\xff'}) {
        std::string bytes = sound;
        bytes[nid * kInodeSlot + at] = value;
        const auto image = open_bytes(bytes);
        if (image) ImageWalk(*image, 100).run();
      }
    }
  }
}

}  // namespace
}  // namespace veneer::composefs
