// SPDX-License-Identifier: MIT
//
// What verify() says of layers that are consistent as far as digests go, and
// wrong all the same: made by a writer that is.

#include <gmock/gmock.h>

#include "test/unit/layerfs/layer_scene.h"

namespace veneer::layerfs {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VerifyTest : public LayerScene {
 protected:
  // Root @1, a @25 (inline), l @65 (symbolic link), d @105, d/f @129.
  void SetUp() override {
    LayerScene::SetUp();
    build_with("l0", {.as_original = true}, [&](BottomLayerBuilder& b) {
      EXPECT_TRUE(b.add_file("a", {0644, 1}, inline_text("hello")));
      EXPECT_TRUE(b.add_symlink("l", "a"));
      EXPECT_TRUE(b.add_dir("d", {0755, 2}));
      EXPECT_TRUE(b.add_file("d/f", {0644, 3}, Empty{}));
    });
    // So that no digest gives it away.
    std::filesystem::remove(path("l0/veneer.bin"));
    EXPECT_THAT(faults(open("l0")), IsEmpty());
  }

  /// The faults with byte `at` of `file` being `value`.
  Words with(const std::string& file, std::size_t at, int value) {
    std::string bytes = read_file("l0/" + file);
    EXPECT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(value);
    write_file("l0/" + file, bytes);
    return faults(open("l0"));
  }
};

TEST_F(VerifyTest, ADirectoryThatContainsItself) {
  // d/f is d: a directory at 105.
  std::string bytes = read_file("l0/105.dir_data.bin");
  bytes[20 + 8 + 8 + 1 + 4 + 4 + 3] = 105;
  bytes[20 + 8 + 8 + 1 + 4 + 8 + 3] = 3;
  write_file("l0/105.dir_data.bin", bytes);

  EXPECT_THAT(faults(open("l0")),
              Contains(AllOf(HasSubstr("105.dir_data.bin+20"),
                             HasSubstr("another name"))));
  // And those who walk end as well.
  EXPECT_FALSE(open("l0").missing_blobs());
}

TEST_F(VerifyTest, AnEntryThatLeadsNowhere) {
  EXPECT_THAT(with("105.dir_data.bin", 20 + 8 + 8 + 1 + 4 + 4 + 3, 130),
              ElementsAre(AllOf(HasSubstr("105.dir_data.bin+20"),
                                HasSubstr("no inode 130"))));
}

TEST_F(VerifyTest, ASizeThatIsNotTheContents) {
  EXPECT_THAT(with("attributes_table.bin", 12 + 28 + 15, 6),
              ElementsAre(AllOf(HasSubstr("attributes_table.bin+40"),
                                HasSubstr("a size of 6, for 5 bytes"))));
}

TEST_F(VerifyTest, InlineDataBeyondTheFile) {
  // The length of a, in its record at 36.
  EXPECT_THAT(with("file_table.bin", 36 + 31, 9),
              Contains(HasSubstr("file_table.bin+36")));
}

TEST_F(VerifyTest, AHeightThatIsNone) {
  EXPECT_THAT(with("105.dir_data.bin", 20 + 8 + 8 + 1 + 4 + 13 + 3, 2),
              ElementsAre(AllOf(HasSubstr("105.dir_data.bin+20"),
                                HasSubstr("not balanced"))));
}

TEST_F(VerifyTest, ANameThatCannotBe) {
  EXPECT_THAT(with("105.dir_data.bin", 20 + 16, '/'),
              ElementsAre(AllOf(HasSubstr("105.dir_data.bin+20"),
                                HasSubstr("a name"))));
  // It is not shown, either.
  EXPECT_THAT(entries(*view(open("l0")), "d"), IsEmpty());
}

TEST_F(VerifyTest, ATargetWithANul) {
  EXPECT_THAT(with("inline_data.bin", 5, 0), ElementsAre(HasSubstr("NUL")));
}

TEST_F(VerifyTest, ADevice) {
  EXPECT_THAT(with("file_table.bin", 36 + 11, 1),
              Contains(HasSubstr("a device")));
  const auto layer = view(open("l0"));
  EXPECT_EQ(veneer::testing::code_of(find(*layer, "a")), EIO);
}

TEST_F(VerifyTest, AFileOfNoDirectory) {
  write_file("l0/999.dir_data.bin", read_file("l0/105.dir_data.bin"));

  EXPECT_THAT(faults(open("l0")), ElementsAre(HasSubstr("999.dir_data.bin")));
}

TEST_F(VerifyTest, ADirectoryWithoutItsFile) {
  std::filesystem::remove(path("l0/105.dir_data.bin"));

  EXPECT_THAT(faults(open("l0")), ElementsAre(HasSubstr("105.dir_data.bin")));
}

TEST_F(VerifyTest, BlobsThatAreGoneShortOrOthers) {
  BlobRange good = add_blob("good bytes", 0, 10);
  BlobRange other = add_blob("other bytes", 0, 11);
  BlobRange cut = add_blob("short bytes", 2, 9);
  write_file("blobs/" + veneer::to_hex(other.sha256), "OTHER bytes");
  std::filesystem::resize_file(blobs() + "/" + veneer::to_hex(cut.sha256), 10);
  build_with("l1", {}, [&](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("good", kPlain, good));
    EXPECT_TRUE(b.add_file("other", kPlain, other));
    EXPECT_TRUE(b.add_file("cut", kPlain, cut));
    EXPECT_TRUE(b.add_file("gone", kPlain, BlobRange{{}, 0, 1}));
  });
  const LayerFs layer = open("l1");

  EXPECT_THAT(faults(layer),
              ::testing::UnorderedElementsAre(
                  HasSubstr(std::string(64, '0')),
                  AllOf(HasSubstr(veneer::to_hex(cut.sha256) + "+10"),
                        HasSubstr("reach to 11"))));
  EXPECT_THAT(faults(layer, {.data = true}),
              Contains(AllOf(HasSubstr(veneer::to_hex(other.sha256)),
                             HasSubstr("digest"))));
  EXPECT_THAT(faults(layer, {.blobs = false}), IsEmpty());
}

TEST_F(VerifyTest, StopsAfterEnough) {
  build_with("l1", {}, [&](BottomLayerBuilder& b) {
    for (int i = 0; i < 50; ++i) {
      Sha256Digest digest{};
      digest[0] = static_cast<std::uint8_t>(i);
      EXPECT_TRUE(
          b.add_file(std::to_string(i), kPlain, BlobRange{digest, 0, 1}));
    }
  });

  EXPECT_EQ(faults(open("l1"), {.most_faults = 7}).size(), 7U);
}

TEST_F(VerifyTest, NamesTheFileAndTheOffsetOfAWrongChunk) {
  build_with("l1", {}, [&](BottomLayerBuilder& b) {
    const std::string bytes(100000, 'x');
    EXPECT_TRUE(b.add_file("f", kPlain, inline_text(bytes)));
  });
  std::string bytes = read_file("l1/inline_data.bin");
  bytes[70000] = 'y';
  write_file("l1/inline_data.bin", bytes);

  EXPECT_THAT(faults(open("l1")),
              ElementsAre(AllOf(HasSubstr("inline_data.bin+65536"),
                                HasSubstr("digest"))));
  EXPECT_EQ(veneer::testing::code_of(try_read(*view(open("l1")), "f")), EIO);
}

}  // namespace
}  // namespace veneer::layerfs
