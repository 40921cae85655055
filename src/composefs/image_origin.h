// SPDX-License-Identifier: MIT
//
// Records that name an object of an image, in the form of the kernel's
// `overlay.origin`.
//
//   0  version 0   1  magic 0xfb   2  length, 29   3  flags 0
//   4  type 0x76   5  which image, 16 bytes       21  the inode's number
//
// No file system has handles of that type, so the kernel and other layers pass
// such a record by. Pure.

#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "composefs/inode.h"

namespace veneer::composefs {

using ImageId = std::array<std::uint8_t, 16>;

inline constexpr std::size_t kOriginSize = 29;
inline constexpr std::string_view kOriginHead{"\0\xfb\x1d\0\x76", 5};

inline std::string encode_origin(const ImageId& image, Nid nid) {
  std::string record(kOriginSize, '\0');
  record.replace(0, kOriginHead.size(), kOriginHead);
  std::memcpy(&record[5], image.data(), image.size());
  store_le(&record[21], nid);
  return record;
}

/// True if it is a record of some image; then the rest may be looked at.
inline bool is_origin(std::string_view record) {
  return record.size() == kOriginSize && record.starts_with(kOriginHead);
}

/// The inode, if the record is of `image`.
inline std::optional<Nid> decode_origin(std::string_view record,
                                        const ImageId& image) {
  if (!is_origin(record)) return std::nullopt;
  if (std::memcmp(&record[5], image.data(), image.size()) != 0) {
    return std::nullopt;
  }
  return load_le<std::uint64_t>(&record[21]);
}

}  // namespace veneer::composefs
