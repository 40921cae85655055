// SPDX-License-Identifier: MIT
//
// The format, byte for byte: what Maelstrom writes for the same calls.

#include "test/unit/layerfs/layer_scene.h"

namespace veneer::layerfs {
namespace {

// Hexadecimal digits; blanks are for the reader.
std::string unhex(std::string_view text) {
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<char>(high << 4 | digit));
      high = -1;
    }
  }
  return bytes;
}

constexpr std::string_view kTableHead = "0000000000000004 00000000";

class ByteVectorsTest : public LayerScene {
 protected:
  static constexpr BuildOptions kOriginal{.default_time = kTime,
                                          .as_original = true};

  void SetUp() override {
    LayerScene::SetUp();
    build_with("l0", kOriginal, [](BottomLayerBuilder& b) {
      Sha256Digest digest{};
      digest[31] = 0x2a;
      EXPECT_EQ(
          b.add_file("/a.txt", {0644, kTime}, inline_text("hello\n"))->offset,
          25U);
      EXPECT_EQ(b.add_symlink("/l", "a.txt")->offset, 65U);
      EXPECT_EQ(b.add_dir("/d", {0755, kTime})->offset, 105U);
      EXPECT_EQ(
          b.add_file("/d/e.bin", {0600, kTime}, BlobRange{digest, 512, 5000})
              ->offset,
          129U);
      EXPECT_EQ(b.add_link("/d/h", "/a.txt")->offset, 25U);
      EXPECT_EQ(b.add_file("/x/y", {0555, kTime}, Empty{})->offset, 201U);
      EXPECT_TRUE(b.add_whiteout("/w"));
    });
  }

  void build_other() {
    build_with("other", kOriginal, [](BottomLayerBuilder& b) {
      EXPECT_TRUE(b.add_whiteout("/a.txt"));
      EXPECT_TRUE(b.set_opaque("/x"));
      EXPECT_EQ(b.add_file("/x/z", {0555, kTime}, Empty{})->offset, 49U);
      EXPECT_EQ(b.add_file("/d/n", {0555, kTime}, Empty{})->offset, 73U);
    });
  }
};

TEST_F(ByteVectorsTest, SuperBlockOfABottomLayer) {
  EXPECT_EQ(read_file("l0/super.bin"),
            unhex("000000000000000c 00000000 0000000000000000"));
}

TEST_F(ByteVectorsTest, InlineData) {
  EXPECT_EQ(read_file("l0/inline_data.bin"), "hello\na.txt");
}

TEST_F(ByteVectorsTest, FileTable) {
  const std::string zeros(62, '0');
  EXPECT_EQ(read_file("l0/file_table.bin"),
            unhex(std::string(kTableHead) +
                  "0000000000000010 00000003 00000000 0000000000000001"
                  "0000000000000020 00000004 00000001 0000000000000000"
                  "                 0000000000000006 000000000000001d"
                  "0000000000000020 00000005 00000001 0000000000000006"
                  "                 0000000000000005 0000000000000039"
                  "0000000000000010 00000003 00000000 0000000000000055"
                  "0000000000000040 00000004 00000002 " +
                  zeros +
                  "2a               0000000000000200 0000000000001388"
                  "                 0000000000000071"
                  "0000000000000010 00000004 00000000 000000000000008d"
                  "0000000000000010 00000003 00000000 00000000000000a9"));
}

TEST_F(ByteVectorsTest, AttributesTable) {
  std::string expected(kTableHead);
  const char* const kSizesAndModes[] = {
      "0000000000000000 000001ff", "0000000000000006 000001a4",
      "0000000000000000 000001ff", "0000000000000000 000001ed",
      "0000000000001388 00000180", "0000000000000000 0000016d",
      "0000000000000000 000001ff"};
  for (const char* item : kSizesAndModes) {
    expected.append("0000000000000014").append(item);
    expected.append("0000000065a03d4f");
  }
  EXPECT_EQ(read_file("l0/attributes_table.bin"), unhex(expected));
}

TEST_F(ByteVectorsTest, DirectoryWithARotatedTree) {
  EXPECT_EQ(
      read_file("l0/1.dir_data.bin"),
      unhex("000000000000000c 00000000 0000000000000084"
            "0000000000000032 0000000000000005 612e747874 00000001 00000000"
            "00000019 00000004 00 00000001 0000000000000000 0000000000000000"
            "000000000000002e 0000000000000001 6c 00000001 00000000"
            "00000041 00000004 00 00000001 0000000000000000 0000000000000000"
            "000000000000002e 0000000000000001 64 00000001 00000000"
            "00000069 00000003 00 00000003 0000000000000014 00000000000000f0"
            "000000000000002e 0000000000000001 78 00000001 00000000"
            "000000e1 00000003 00 00000001 0000000000000000 0000000000000000"
            "0000000000000021 0000000000000001 77 00000000"
            "00000002 000000000000004e 00000000000000ba"));
}

TEST_F(ByteVectorsTest, WeSayRightlyThatASymbolicLinkIsOne) {
  build_with("ours", {.default_time = kTime}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_symlink("/l", "a.txt"));
  });

  const std::string dir = read_file("ours/1.dir_data.bin");
  ASSERT_EQ(dir.size(), 20U + 54);
  EXPECT_EQ(dir.substr(20 + 29, 4), unhex("00000005"));
  // And its size is that of its target.
  EXPECT_EQ(read_file("ours/attributes_table.bin").substr(40 + 8, 8),
            unhex("0000000000000005"));
}

TEST_F(ByteVectorsTest, TreeOfFiveRisingNames) {
  build_with("five", kOriginal, [](BottomLayerBuilder& b) {
    for (const char* name : {"a", "b", "c", "d", "e"}) {
      EXPECT_TRUE(b.add_whiteout(name));
    }
  });

  const std::string dir = read_file("five/1.dir_data.bin");
  ASSERT_EQ(dir.size(), 20U + 5 * 41);
  const auto number = [&](std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = value << 8 | static_cast<std::uint8_t>(dir[at + i]);
    }
    return value;
  };
  EXPECT_EQ(number(12, 8), 0x3dU);
  const auto node = [&](std::size_t at) {
    return std::tuple(dir[at + 16], number(at + 21, 4), number(at + 25, 8),
                      number(at + 33, 8));
  };
  EXPECT_EQ(node(0x14), std::tuple('a', 1U, 0U, 0U));
  EXPECT_EQ(node(0x3d), std::tuple('b', 3U, 0x14U, 0x8fU));
  EXPECT_EQ(node(0x66), std::tuple('c', 1U, 0U, 0U));
  EXPECT_EQ(node(0x8f), std::tuple('d', 2U, 0x66U, 0xb8U));
  EXPECT_EQ(node(0xb8), std::tuple('e', 1U, 0U, 0U));
}

TEST_F(ByteVectorsTest, StackOfTwo) {
  build_other();
  auto builder = UpperLayerBuilder::create(path("l1"), open("l0"));
  ASSERT_TRUE(builder);
  ASSERT_TRUE(builder->fill_from_bottom_layer(open("other")));
  ASSERT_TRUE(std::move(*builder).finish());

  const std::string below = path("l0");
  std::string super = unhex("00000001 0000000000000001 00000000");
  super.append(7, '\0').push_back(static_cast<char>(below.size()));
  super.append(below);
  super.insert(0, std::string(7, '\0') + static_cast<char>(super.size()));
  EXPECT_EQ(read_file("l1/super.bin"), super);
  for (const char* table :
       {"/file_table.bin", "/attributes_table.bin", "/inline_data.bin"}) {
    EXPECT_EQ(read_file("l1" + std::string(table)),
              read_file("other" + std::string(table)));
    EXPECT_EQ(std::filesystem::hard_link_count(path("l1") + table), 2U);
  }
  // d, l, w, x in order; the root is l.
  EXPECT_EQ(
      read_file("l1/1.dir_data.bin"),
      unhex("000000000000000c 00000000 000000000000004a"
            "000000000000002e 0000000000000001 64 00000001 00000001"
            "00000061 00000003 00 00000001 0000000000000000 0000000000000000"
            "000000000000002e 0000000000000001 6c 00000001 00000000"
            "00000041 00000004 00 00000003 0000000000000014 0000000000000080"
            "0000000000000021 0000000000000001 77 00000000"
            "00000002 0000000000000000 00000000000000a9"
            "000000000000002e 0000000000000001 78 00000001 00000001"
            "00000019 00000003 01 00000001 0000000000000000 "
            "0000000000000000"));
  EXPECT_EQ(read_file("l1/25.dir_data.bin"),
            unhex("000000000000000c 00000000 0000000000000014"
                  "000000000000002e 0000000000000001 7a 00000001 00000001"
                  "00000031 00000004 00 00000001 0000000000000000 "
                  "0000000000000000"));
  const auto names = [&](const std::string& file) {
    auto dir = DirFile::parse(
        [&] {
          const std::string text = read_file(file);
          const auto bytes = veneer::as_bytes(text);
          return std::vector<std::byte>(bytes.begin(), bytes.end());
        }(),
        1);
    std::vector<std::pair<std::string, FileId>> found;
    for (DirFile::Cursor at(**dir); !at.at_end(); at.next()) {
      found.emplace_back(at.item().name, at.item().target.id);
    }
    return found;
  };
  EXPECT_EQ(names("l1/97.dir_data.bin"),
            (std::vector<std::pair<std::string, FileId>>{
                {"e.bin", {0, 129}}, {"h", {0, 25}}, {"n", {1, 73}}}));
}

}  // namespace
}  // namespace veneer::layerfs
