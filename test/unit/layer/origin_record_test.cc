// SPDX-License-Identifier: MIT
//
// Origin records: the kernel's bytes, and records that lie about themselves.

#include "layer/host/origin_record.h"

#include <gtest/gtest.h>

namespace veneer::layer {
namespace {

OriginRecord example(std::size_t size = 12) {
  OriginRecord origin;
  for (std::size_t i = 0; i < 16; ++i) {
    origin.uuid[i] = static_cast<std::uint8_t>(0xf0 + i);
  }
  origin.type = 0x81;
  for (std::size_t i = 0; i < size; ++i) {
    origin.fid.push_back(static_cast<char>(i));
  }
  return origin;
}

TEST(OriginRecord, HasTheKernelsLayout) {
  const std::string record = encode_origin(example());

  ASSERT_EQ(record.size(), 33U);
  EXPECT_EQ(to_hex(record),
            std::string("00fb2100").replace(6, 2, to_hex(record.substr(3, 1))) +
                "81" + "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff" +
                "000102030405060708090a0b");
}

TEST(OriginRecord, IsReadAsItWasWritten) {
  for (const std::size_t size : {1U, 8U, 128U, 234U}) {
    const OriginRecord origin = example(size);
    const auto read = decode_origin(encode_origin(origin));

    ASSERT_TRUE(read) << size;
    EXPECT_EQ(read->uuid, origin.uuid);
    EXPECT_EQ(read->type, origin.type);
    EXPECT_EQ(read->fid, origin.fid);
  }
}

TEST(OriginRecord, HandleThatDoesNotFitGivesNone) {
  EXPECT_EQ(encode_origin(example(235)), "");
  OriginRecord origin = example();
  for (const int type : {0, -1, 256}) {
    origin.type = type;
    EXPECT_EQ(encode_origin(origin), "") << type;
  }
}

TEST(OriginRecord, TruncatedOrExtendedIsNone) {
  const std::string record = encode_origin(example());
  for (std::size_t size = 0; size < record.size(); ++size) {
    EXPECT_FALSE(decode_origin(std::string_view(record).substr(0, size)));
  }
  EXPECT_FALSE(decode_origin(record + '\0'));
}

TEST(OriginRecord, LengthThatLiesIsNone) {
  std::string record = encode_origin(example());
  for (const int length : {0, 21, 32, 34, 255}) {
    record[2] = static_cast<char>(length);
    EXPECT_FALSE(decode_origin(record)) << length;
  }
}

TEST(OriginRecord, RecordWithoutAHandleIsNone) {
  std::string record = encode_origin(example(1));
  record.pop_back();
  record[2] = static_cast<char>(record.size());
  EXPECT_FALSE(decode_origin(record));
}

TEST(OriginRecord, OtherVersionAndMagicAreNone) {
  std::string record = encode_origin(example());
  record[0] = 1;
  EXPECT_FALSE(decode_origin(record));
  record[0] = 0;
  record[1] = '\xfa';
  EXPECT_FALSE(decode_origin(record));
}

TEST(OriginRecord, OtherByteOrderIsNoneUnlessItDoesNotMatter) {
  std::string record = encode_origin(example());
  record[3] = static_cast<char>(record[3] ^ 1);
  EXPECT_FALSE(decode_origin(record));
  record[3] = static_cast<char>(record[3] | 2);
  EXPECT_TRUE(decode_origin(record));
}

TEST(OriginRecord, HexIsLowerCaseTwoDigitsAByte) {
  EXPECT_EQ(to_hex(std::string_view("\x00\xfb\x7f", 3)), "00fb7f");
  EXPECT_EQ(to_hex(""), "");
}

}  // namespace
}  // namespace veneer::layer
