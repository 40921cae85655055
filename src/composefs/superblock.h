// SPDX-License-Identifier: MIT
//
// The first bytes of an image, and whether it is one that we can read.
//
// An image of composefs has a header before the superblock of EROFS and obeys
// stricter rules. A plain EROFS image, as mkfs.erofs makes it without
// compression, has zeros there.
//
// Pure: bytes in, what they mean out.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "composefs/format.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// How many bytes read_superblock() wants; an image of composefs has no fewer.
inline constexpr std::size_t kHeadSize = 4096;

struct ImageInfo {
  bool is_composefs = false;  ///< else it is plain EROFS
  ImageHeader header;         ///< zeros if plain
  Superblock super;

  std::uint64_t block_size() const {
    return std::uint64_t{1} << super.block_bits;
  }
  std::uint64_t meta_offset() const {
    return std::uint64_t{super.meta_block} << super.block_bits;
  }
  std::uint64_t xattr_offset() const {
    return std::uint64_t{super.xattr_block} << super.block_bits;
  }
  /// Bit set, xattr absent: whether that may be relied on.
  bool has_name_filter() const {
    return (super.feature_compat & kCompatXattrFilter) != 0 &&
           super.xattr_filter_reserved == 0;
  }
};

/// `head` are the first kHeadSize bytes of an image, or all there are.
/// Fails  EINVAL   it is no such image
///        ENOTSUP  it has features that are not read; the error says which
///        EUCLEAN  it contradicts itself
Result<ImageInfo> read_superblock(std::span<const std::byte> head);

}  // namespace veneer::composefs
