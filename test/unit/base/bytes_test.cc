// SPDX-License-Identifier: MIT
//
// Reading stays inside, writing comes back as it was.

#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>

namespace veneer {
namespace {

std::string text_of(const ByteWriter& writer) {
  return std::string(as_text(writer.bytes()));
}

TEST(ByteReader, ReadsLittleEndianInOrder) {
  ByteReader reader(as_bytes({"\x01\x02\x03\x04\x05\x06\x07tail", 11}));

  EXPECT_EQ(reader.u8().value(), 0x01);
  EXPECT_EQ(reader.u16().value(), 0x0302);
  EXPECT_EQ(reader.u32().value(), 0x07060504U);
  EXPECT_EQ(reader.text(4).value(), "tail");
  EXPECT_TRUE(reader.at_end());
}

TEST(ByteReader, ShortInputIsUncleanAndTellsWhere) {
  ByteReader reader(as_bytes("abcdef"), 100);
  ASSERT_TRUE(reader.skip(4));

  const auto number = reader.u32();

  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().code(), EUCLEAN);
  EXPECT_EQ(number.error().subject(), "offset 104: 4 bytes wanted, 2 left");
  EXPECT_EQ(reader.position(), 4U);  // and nothing was consumed
}

TEST(ByteReader, HugeCountsDoNotWrapAround) {
  constexpr auto kHuge = std::numeric_limits<std::uint64_t>::max();
  ByteReader reader(as_bytes("abcdef"));
  ASSERT_TRUE(reader.skip(3));

  EXPECT_FALSE(reader.bytes(kHuge));
  EXPECT_FALSE(reader.skip(kHuge));
  EXPECT_FALSE(reader.seek(kHuge));
  EXPECT_FALSE(reader.slice(3, kHuge - 1));
  EXPECT_FALSE(reader.slice(kHuge, 2));
  EXPECT_FALSE(reader.at<std::uint32_t>(kHuge));
}

TEST(ByteReader, SliceReachesUpToTheEnd) {
  const ByteReader reader(as_bytes("abcdef"));

  EXPECT_EQ(as_text(reader.slice(2, 4).value()), "cdef");
  EXPECT_EQ(reader.slice(6, 0).value().size(), 0U);
  EXPECT_FALSE(reader.slice(2, 5));
  EXPECT_EQ(reader.at<std::uint16_t>(4).value(), 0x6665);
  EXPECT_FALSE(reader.at<std::uint16_t>(5));
}

TEST(ByteReader, CStringEndsAtItsNul) {
  ByteReader reader(as_bytes({"one\0two", 7}));

  EXPECT_EQ(reader.c_string().value(), "one");
  EXPECT_EQ(reader.c_string().error().code(), EUCLEAN);
}

TEST(ByteWriter, WhatIsWrittenIsReadBack) {
  ByteWriter writer;
  writer.u8(1);
  writer.u16(0x0203);
  writer.u32(0x04050607);
  writer.u64(0x08090a0b0c0d0e0f);
  writer.text("end");

  ByteReader reader(writer.bytes());

  EXPECT_EQ(reader.u8().value(), 1);
  EXPECT_EQ(reader.u16().value(), 0x0203);
  EXPECT_EQ(reader.u32().value(), 0x04050607U);
  EXPECT_EQ(reader.u64().value(), 0x08090a0b0c0d0e0fU);
  EXPECT_EQ(reader.text(3).value(), "end");
}

TEST(ByteWriter, AlignAddsZerosOnlyWhereNeeded) {
  ByteWriter writer;
  writer.text("abc");
  writer.align(4);
  writer.align(4);

  EXPECT_EQ(text_of(writer), std::string("abc\0", 4));
}

TEST(ByteWriter, PatchFillsInAndStaysInside) {
  ByteWriter writer;
  writer.u16(0);
  writer.u8('!');

  EXPECT_TRUE(writer.patch<std::uint16_t>(0, 0x6968));
  EXPECT_FALSE(writer.patch<std::uint16_t>(2, 0));
  EXPECT_FALSE(writer.patch<std::uint16_t>(4, 0));

  EXPECT_EQ(text_of(writer), "hi!");
}

}  // namespace
}  // namespace veneer
