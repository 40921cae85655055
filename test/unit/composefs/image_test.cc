// SPDX-License-Identifier: MIT
//
// Images as a whole: sound ones, ones that were cut, ones with bits flipped.

#include "composefs/image.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <map>
#include <random>

#include "base/bytes.h"
#include "test/support/result.h"
#include "test/unit/composefs/from_dump.h"
#include "test/unit/composefs/hand_made.h"
#include "test/unit/composefs/image_walk.h"

namespace veneer::composefs {
namespace {

using testing::code_of;

std::string content_of(const Image& image, const Inode& inode) {
  std::string content(inode.size, '\0');
  const auto count =
      image.read(inode, 0, std::as_writable_bytes(std::span(content)));
  EXPECT_TRUE(count && *count == content.size());
  return content;
}

Result<Inode> find(const Image& image, std::string_view name) {
  TRY_ASSIGN(const Inode root, image.inode(image.root()));
  TRY_ASSIGN(const auto nid, image.find(root, name));
  if (!nid) return Error(ENOENT, "find");
  return image.inode(*nid);
}

TEST(ImageTest, EveryGoldenImageCanBeWalkedWithoutAnError) {
  for (const auto& [name, dump] : golden_dumps()) {
    const auto image = open_bytes(image_of(dump));
    ASSERT_TRUE(image) << name;

    const WalkCount count = ImageWalk(*image, 10'000).run();

    EXPECT_EQ(count.errors, 0U) << name;
    EXPECT_GE(count.objects, image->info().super.inode_count) << name;
  }
}

TEST(ImageTest, InlineContentIsReadFromBlocksAndTails) {
  std::string dump = kDumpRoot;
  std::map<std::string, std::string> expected;
  for (const int size : {1, 64, 2048, 2049, 4095, 4096, 4097, 5000}) {
    std::string content;
    for (int i = 0; i < size; ++i) {
      content += static_cast<char>('a' + i % 26);
    }
    dump +=
        fmt::format("/f{} {} 100644 1 0 0 0 0.0 - {} -\n", size, size, content);
    expected[fmt::format("f{}", size)] = content;
  }
  const auto image = open_bytes(image_of(dump));
  ASSERT_TRUE(image);

  for (const auto& [name, content] : expected) {
    const auto inode = find(*image, name);
    ASSERT_TRUE(inode) << name;
    EXPECT_EQ(content_of(*image, *inode), content) << name;
    // From the middle, over the end.
    std::string part(content.size(), '\0');
    const std::size_t from = content.size() / 2;
    const auto count =
        image->read(*inode, from, std::as_writable_bytes(std::span(part)));
    ASSERT_TRUE(count);
    EXPECT_EQ(part.substr(0, *count), content.substr(from));
    EXPECT_EQ(*image->read(*inode, content.size(),
                           std::as_writable_bytes(std::span(part))),
              0U);
  }
}

TEST(ImageTest, TargetsAreReadFromTailsAndBlocks) {
  std::string dump = kDumpRoot;
  const std::size_t sizes[] = {1, 100, 2000, 4000, 4063, 4064, 4095};
  for (const std::size_t size : sizes) {
    dump += fmt::format("/s{} {} 120777 1 0 0 0 0.0 {} - -\n", size, size,
                        std::string(size, 's'));
  }
  const auto image = open_bytes(image_of(dump));
  ASSERT_TRUE(image);

  for (const std::size_t size : sizes) {
    const auto inode = find(*image, fmt::format("s{}", size));
    ASSERT_TRUE(inode);
    EXPECT_EQ(*image->read_link(*inode), std::string(size, 's'));
  }
}

TEST(ImageTest, EveryNameOfALargeDirectoryIsFound) {
  std::string dump = kDumpRoot + "/d 0 40755 2 0 0 0 0.0 - - -\n";
  for (int i = 0; i < 3000; ++i) {
    dump += fmt::format("/d/file-{:04} 0 100644 1 0 0 0 0.0 - - -\n", i);
  }
  const auto image = open_bytes(image_of(dump));
  ASSERT_TRUE(image);
  const auto dir = find(*image, "d");
  ASSERT_TRUE(dir);

  for (int i = 0; i < 3000; ++i) {
    const auto found = image->find(*dir, fmt::format("file-{:04}", i));
    ASSERT_TRUE(found && *found) << i;
  }
  for (const char* absent :
       {"", "!", "file-", "file-0000x", "file-3000", "zzz", "\xff"}) {
    const auto found = image->find(*dir, absent);
    ASSERT_TRUE(found);
    EXPECT_FALSE(*found) << absent;
  }
  int listed = 0;
  std::string last;
  ASSERT_TRUE(image->read_dir(*dir, [&](const DirItem& item) {
    EXPECT_LT(last, item.name);
    last = item.name;
    ++listed;
    return true;
  }));
  EXPECT_EQ(listed, 3002);
}

TEST(ImageTest, HolesOfChunksReadAsZeros) {
  HandMade made;
  const Nid block = made.add_block();
  made.put(block * kInodeSlot, std::string(4096, 'd'));
  const Nid file = made.add_block();
  ExtendedInode inode =
      HandMade::inode(S_IFREG | 0644, 3 * 4096 - 10, DataLayout::kChunkBased);
  made.put_inode(file, inode, {},
                 raw(kHole) + raw(HandMade::block_of(block)) + raw(kHole));
  made.put_root({{"f", file}});
  const auto image = open_bytes(made.finish());
  ASSERT_TRUE(image);

  const auto found = find(*image, "f");

  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(content_of(*image, *found), std::string(4096, '\0') +
                                            std::string(4096, 'd') +
                                            std::string(4086, '\0'));
}

TEST(ImageTest, ChunksOutsideTheImageOrOnADeviceAreErrors) {
  HandMade made;
  const Nid outside = made.add_block();
  ExtendedInode inode =
      HandMade::inode(S_IFREG | 0644, 4096, DataLayout::kChunkBased);
  made.put_inode(outside, inode, {}, raw(std::uint32_t{0x7fffffff}));
  const Nid elsewhere = made.add_block();
  inode.data = kChunkIndexes;
  ChunkIndex index;
  index.device = 1;
  index.block = 0;
  made.put_inode(elsewhere, inode, {}, raw(index));
  made.put_root({{"device", elsewhere}, {"outside", outside}});
  const auto image = open_bytes(made.finish());
  ASSERT_TRUE(image);
  std::vector<std::byte> buffer(10);

  EXPECT_EQ(code_of(image->read(*find(*image, "outside"), 0, buffer)), EUCLEAN);
  EXPECT_EQ(code_of(image->read(*find(*image, "device"), 0, buffer)), ENOTSUP);
}

TEST(ImageTest, TargetsThatAreNoneAreErrors) {
  HandMade made;
  const Nid empty = made.add_file("", {}, S_IFLNK | 0777);
  const Nid nul = made.add_file(std::string("a\0b", 3), {}, S_IFLNK | 0777);
  const Nid file = made.add_file("x");
  made.put_root({{"empty", empty}, {"file", file}, {"nul", nul}});
  const auto image = open_bytes(made.finish());
  ASSERT_TRUE(image);

  EXPECT_EQ(code_of(image->read_link(*find(*image, "empty"))), EUCLEAN);
  EXPECT_EQ(code_of(image->read_link(*find(*image, "nul"))), EUCLEAN);
  EXPECT_EQ(code_of(image->read_link(*find(*image, "file"))), EINVAL);
}

// --- Bad ones ---------------------------------------------------------------

// One of everything.
std::string rich_dump() {
  std::string dump =
      "/ 0 40755 2 0 0 0 0.0 - - - security.selinux=label\n"
      "/d 0 40755 2 0 0 0 1.5 - - - trusted.overlay.opaque=y\n"
      "/d/w 0 20644 1 0 0 0 0.0 - - -\n"
      "/f 5000 100644 1 70000 0 0 0.0 ab/cd - "
      "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a "
      "user.foo=1 security.selinux=label\n"
      "/i 3 100644 2 0 0 0 0.0 - abc - user.foo=1 "
      "system.posix_acl_access=A\n"
      "/h 0 @100644 2 0 0 0 0.0 /i - -\n"
      "/l 4 120777 1 0 0 0 0.0 some - -\n"
      "/c 0 20600 1 0 0 259 0.0 - - -\n"
      "/p 0 10600 1 0 0 0 0.0 - - -\n";
  dump += "/L 4090 120777 1 0 0 0 0.0 " + std::string(4090, 'L') + " - -\n";
  dump += "/many 0 40755 2 0 0 0 0.0 - - -\n";
  for (int i = 0; i < 200; ++i) {
    dump += fmt::format("/many/{:03} 0 100644 1 0 0 0 0.0 - - -\n", i);
  }
  return dump;
}

TEST(ImageTest, CutAtAnyLengthIsAnErrorOrATree) {
  const std::string sound = image_of(rich_dump());
  const sys::UniqueFd fd = file_with(sound);
  // Shorter and shorter, so that no copy is needed.
  for (std::size_t size = sound.size(); size-- > 0;) {
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    auto copy = sys::duplicate(fd.get());
    ASSERT_TRUE(copy);
    const auto image = Image::open(*std::move(copy), "cut");
    if (!image) {
      const int code = image.error().code();
      EXPECT_TRUE(code == EINVAL || code == EUCLEAN) << code;
      continue;
    }
    // Each length in the blocks where inodes end, else one of 64.
    if (size % 64 == 0) ImageWalk(*image, 300).run();
  }
}

TEST(ImageTest, CutWhileItIsReadGivesErrors) {
  const std::string sound = image_of(rich_dump());
  const sys::UniqueFd fd = file_with(sound);
  auto copy = sys::duplicate(fd.get());
  const auto image = Image::open(*std::move(copy), "cut");
  ASSERT_TRUE(image);
  ASSERT_EQ(ImageWalk(*image, 1000).run().errors, 0U);

  ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);

  EXPECT_GT(ImageWalk(*image, 1000).run().errors, 0U);
  EXPECT_EQ(code_of(image->find(*image->inode(image->root()), "f")), EUCLEAN);
}

TEST(ImageTest, FlippedBitsAreAnErrorOrATree) {
  const std::string sound = image_of(rich_dump());
  std::mt19937 random(20);
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = sound;
    const int flips = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < flips; ++i) {
      // The padding before the superblock says nothing.
      const std::size_t at = 1024 + random() % (bytes.size() - 1024);
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    }
    const auto image = open_bytes(bytes);
    if (image) ImageWalk(*image, 400).run();
  }
}

TEST(ImageTest, ErrorsSayWhereInTheImage) {
  HandMade made;
  const Nid bad = made.add_file("x", {}, 0);
  made.put_root({{"bad", bad}});
  const auto image = open_bytes(made.finish());
  ASSERT_TRUE(image);

  const auto inode = find(*image, "bad");

  ASSERT_FALSE(inode);
  EXPECT_NE(inode.error().message().find(
                fmt::format("image: offset {}: inode {}", bad * 32, bad)),
            std::string::npos)
      << inode.error().message();
}

}  // namespace
}  // namespace veneer::composefs
