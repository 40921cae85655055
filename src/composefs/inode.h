// SPDX-License-Identifier: MIT
//
// One inode of an image: what its 32 or 64 bytes say, checked.
//
// An Inode that exists is sound: its type is one of the seven, its xattrs, its
// tail and its blocks lie inside the image. What those hold is checked by who
// reads them.
//
// Pure.

#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "composefs/format.h"
#include "composefs/superblock.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// The number of an inode, which tells where it is.
using Nid = std::uint64_t;

struct Inode {
  Nid nid = 0;
  std::uint64_t offset = 0;  ///< in the image
  DataLayout layout = DataLayout::kFlatPlain;
  bool extended = false;
  std::uint8_t chunk_bits = 0;  ///< if chunk-based
  bool chunk_indexes = false;   ///< likewise: entries of eight bytes
  std::uint32_t mode = 0;       ///< type and permissions
  std::uint32_t nlink = 0;      ///< as stored
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t ino = 0;   ///< as stored; composefs counts them
  std::uint32_t data = 0;  ///< first block, or the chunk format
  std::uint64_t rdev = 0;  ///< as makedev(3) packs it
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtime_nsec = 0;   ///< as stored; may be a second or more
  std::uint32_t xattrs_size = 0;  ///< 0: it has none

  bool is_dir() const { return S_ISDIR(mode); }
  bool is_regular() const { return S_ISREG(mode); }
  bool is_symlink() const { return S_ISLNK(mode); }
  /// What the kernel's overlay takes for a whiteout.
  bool is_null_device() const { return S_ISCHR(mode) && rdev == 0; }
  bool has_data() const { return is_dir() || is_regular() || is_symlink(); }

  std::uint64_t xattrs_at() const {
    return offset + (extended ? sizeof(ExtendedInode) : sizeof(CompactInode));
  }
  /// Where the tail, or the array of chunks, begins.
  std::uint64_t tail_at() const;
};

/// Where the part of flat data ends that is in blocks: all of it, but for the
/// last block of kFlatInline.
std::uint64_t blocks_end(const Inode& inode, std::uint64_t block_size);

/// How many entries a chunk-based inode has.
std::uint64_t chunk_count(const Inode& inode);

/// `bytes` begin with the inode `nid`: 64 of them if it is an extended one.
/// `image_size` bounds what it may refer to.
/// Fails  ENOTSUP  its data are compressed
///        EUCLEAN  it is not sound; the error says where
Result<Inode> parse_inode(std::span<const std::byte> bytes, Nid nid,
                          std::uint64_t offset, const ImageInfo& info,
                          std::uint64_t image_size);

/// Whether `bytes` (two of them) begin an extended inode.
bool is_extended(std::span<const std::byte> bytes);

}  // namespace veneer::composefs
