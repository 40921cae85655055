// SPDX-License-Identifier: MIT

#include "layerfs/veneer_file.h"

#include <gmock/gmock.h>

#include "base/bytes.h"
#include "test/support/result.h"

namespace veneer::layerfs {
namespace {

using veneer::testing::code_of;

Digest256 digest_of(std::string_view text) { return blake3(as_bytes(text)); }

VeneerContents some_contents() {
  VeneerContents contents;
  contents.header.root_opaque = true;
  contents.header.layer_id = 2;
  contents.header.super = digest_of("super");
  contents.header.file_table_size = 20000;
  contents.header.attributes_size = 40;
  contents.header.lowers = {{.identity = digest_of("l0")},
                            {.foreign = true,
                             .identity = digest_of("l1"),
                             .content = digest_of("c")}};
  contents.file_table = {digest_of("1"), digest_of("2")};
  contents.attributes = {digest_of("3")};
  contents.dirs = {{1, 2, digest_of("4")}, {25, 0, digest_of("5")}};
  contents.links = {{49, 2}, {73, 0}};
  contents.implicit = {25};
  return contents;
}

std::span<const std::byte> section(const std::vector<std::byte>& file,
                                   const VeneerHeader& header, Section which) {
  const auto& place = header.section(which);
  return std::span(file).subspan(place.offset, place.size);
}

TEST(VeneerFileTest, ComesBackAsItWas) {
  VeneerContents contents = some_contents();
  const auto file = encode_veneer(contents);

  const auto size = veneer_header_size(std::span(file).first(kVeneerFixed));
  ASSERT_TRUE(size);
  const auto header =
      decode_veneer_header(std::span(file).first(*size), file.size());
  ASSERT_TRUE(header) << header.error().message();
  EXPECT_EQ(*header, contents.header);
  EXPECT_EQ(*decode_digests(section(file, *header, Section::kInodeChunks)),
            contents.file_table);
  EXPECT_EQ(*decode_dirs(section(file, *header, Section::kDirs)),
            contents.dirs);
  EXPECT_EQ(*decode_links(section(file, *header, Section::kLinks)),
            contents.links);
  EXPECT_EQ(*decode_implicit(section(file, *header, Section::kImplicit)),
            contents.implicit);
  for (std::size_t i = 0; i < kSections; ++i) {
    const auto which = static_cast<Section>(i);
    EXPECT_EQ(header->section(which).digest,
              blake3(section(file, *header, which)));
  }
}

TEST(VeneerFileTest, AnyOtherHeaderIsRefused) {
  VeneerContents contents = some_contents();
  auto file = encode_veneer(contents);
  const std::size_t size = *veneer_header_size(file);
  file.resize(size);
  const std::uint64_t file_size = contents.header.sections.back().offset +
                                  contents.header.sections.back().size;
  ASSERT_EQ(code_of(decode_veneer_header(file, file_size)), 0);

  for (std::size_t cut = 0; cut < size; ++cut) {
    EXPECT_EQ(
        code_of(decode_veneer_header(std::span(file).first(cut), file_size)),
        EIO);
  }
  for (std::size_t bit = 0; bit < size * 8; ++bit) {
    auto damaged = file;
    damaged[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_EQ(code_of(decode_veneer_header(damaged, file_size)), EIO) << bit;
  }
  EXPECT_EQ(code_of(decode_veneer_header(file, file_size - 1)), EIO);
  EXPECT_EQ(code_of(decode_veneer_header(file, file_size + 1)), EIO);
}

TEST(VeneerFileTest, SectionsOutOfOrderOrShapeAreRefused) {
  BeWriter out;
  for (const std::uint32_t number : {5U, 1U, 5U, 2U}) out.u32(number);
  EXPECT_EQ(code_of(decode_links(out.bytes())), EIO);
  EXPECT_EQ(code_of(decode_implicit(out.bytes())), EIO);
  EXPECT_EQ(code_of(decode_links(out.bytes().first(12))), EIO);
  EXPECT_EQ(code_of(decode_implicit(out.bytes().first(3))), EIO);
  EXPECT_EQ(code_of(decode_dirs(out.bytes())), EIO);
  EXPECT_EQ(code_of(decode_digests(out.bytes())), EIO);
  EXPECT_TRUE(decode_links(out.bytes().first(8)));
}

TEST(VeneerFileTest, ChunksAreDigestedHoweverTheyCome) {
  std::vector<std::byte> bytes(3 * kChunkBytes + 5);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(i * i >> 3);
  }
  ChunkHasher whole;
  whole.update(bytes);
  const auto expected = std::move(whole).finish();
  ASSERT_EQ(expected.size(), 4U);
  EXPECT_EQ(expected[1],
            blake3(std::span(bytes).subspan(kChunkBytes, kChunkBytes)));
  EXPECT_EQ(expected[3], blake3(std::span(bytes).last(5)));

  for (const std::size_t step : {1UL, 1000UL, kChunkBytes, kChunkBytes + 1}) {
    ChunkHasher pieces;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      pieces.update(
          std::span(bytes).subspan(at, std::min(step, bytes.size() - at)));
    }
    EXPECT_EQ(std::move(pieces).finish(), expected) << step;
  }
  EXPECT_TRUE(ChunkHasher().finish().empty());
}

}  // namespace
}  // namespace veneer::layerfs
