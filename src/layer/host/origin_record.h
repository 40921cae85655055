// SPDX-License-Identifier: MIT
//
// The kernel's record of where a copied-up object came from.
//
//   0  version 0   1  magic 0xfb   2  length of the whole record
//   3  flags (1 big-endian, 2 any-endian, 4 of an upper object)
//   4  type of the file handle     5  UUID of the file system, 16 bytes
//  21  the file handle
//
// Written as `overlay.origin`, and in hex as the name of an index entry. Pure.

#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace veneer::layer {

struct OriginRecord {
  std::array<std::uint8_t, 16> uuid{};
  int type = 0;
  std::string fid;
};

inline constexpr std::size_t kOriginHeader = 21;

/// "" if the handle cannot be expressed in a record.
inline std::string encode_origin(const OriginRecord& origin) {
  const std::size_t length = kOriginHeader + origin.fid.size();
  if (length > 255 || origin.type <= 0 || origin.type > 255) return {};
  constexpr bool kBigEndian = std::endian::native == std::endian::big;
  std::string record{'\0', '\xfb', static_cast<char>(length),
                     static_cast<char>(kBigEndian ? 1 : 0),
                     static_cast<char>(origin.type)};
  for (const std::uint8_t byte : origin.uuid) {
    record.push_back(static_cast<char>(byte));
  }
  return record.append(origin.fid);
}

inline std::optional<OriginRecord> decode_origin(std::string_view record) {
  const auto byte = [&](std::size_t at) {
    return static_cast<std::uint8_t>(record[at]);
  };
  constexpr unsigned kAnyEndian = 2;
  constexpr unsigned kNative = std::endian::native == std::endian::big ? 1 : 0;
  if (record.size() <= kOriginHeader || byte(0) != 0 || byte(1) != 0xfb ||
      byte(2) != record.size()) {
    return std::nullopt;
  }
  if ((byte(3) & kAnyEndian) == 0 && (byte(3) & 1U) != kNative) {
    return std::nullopt;
  }
  OriginRecord origin;
  origin.type = byte(4);
  for (std::size_t i = 0; i < 16; ++i) origin.uuid[i] = byte(5 + i);
  origin.fid = record.substr(kOriginHeader);
  return origin;
}

inline std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace veneer::layer
