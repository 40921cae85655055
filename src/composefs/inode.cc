// SPDX-License-Identifier: MIT

#include "composefs/inode.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <string_view>

#include "base/bytes.h"

namespace veneer::composefs {
namespace {

// PATH_MAX without its NUL.
constexpr std::uint64_t kLongestTarget = 4095;

template <typename T>
T load(std::span<const std::byte> from) {
  T value;
  std::memcpy(&value, from.data(), sizeof(value));
  return value;
}

Error bad(const Inode& inode, std::string_view what) {
  return Error(
      EUCLEAN, "read image",
      fmt::format("offset {}: inode {}: {}", inode.offset, inode.nid, what));
}

bool is_known_type(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return true;
    default:
      return false;
  }
}

// As the kernel packs device numbers into 32 bits (new_decode_dev).
std::uint64_t decode_device(std::uint32_t device) {
  return makedev((device & 0xfff00) >> 8,
                 (device & 0xff) | (device >> 12 & 0xfff00));
}

void take(const CompactInode& raw, const Superblock& super, Inode& inode) {
  inode.mode = raw.mode;
  inode.nlink = raw.nlink;
  inode.uid = raw.uid;
  inode.gid = raw.gid;
  inode.ino = raw.ino;
  inode.data = raw.data;
  inode.size = raw.size;
  inode.mtime = static_cast<std::int64_t>(super.build_time);
  inode.mtime_nsec = super.build_time_nsec;
}

void take(const ExtendedInode& raw, Inode& inode) {
  inode.mode = raw.mode;
  inode.nlink = raw.nlink;
  inode.uid = raw.uid;
  inode.gid = raw.gid;
  inode.ino = raw.ino;
  inode.data = raw.data;
  inode.size = raw.size;
  inode.mtime = static_cast<std::int64_t>(raw.mtime);
  inode.mtime_nsec = raw.mtime_nsec;
}

bool reaches_behind(std::uint64_t offset, std::uint64_t size,
                    std::uint64_t image_size) {
  return offset > image_size || size > image_size - offset;
}

Result<void> check_chunks(Inode& inode, const ImageInfo& info,
                          std::uint64_t image_size) {
  if (!inode.is_regular()) return bad(inode, "only files can have chunks");
  const std::uint32_t format = inode.data & 0xffff;
  if ((format & ~kChunkFormatKnown) != 0) {
    return bad(inode, fmt::format("unknown chunk format {:#x}", format));
  }
  inode.chunk_bits = static_cast<std::uint8_t>(info.super.block_bits +
                                               (format & kChunkBitsMask));
  inode.chunk_indexes = (format & kChunkIndexes) != 0;
  const std::uint64_t entry = inode.chunk_indexes ? sizeof(ChunkIndex) : 4;
  // The count is at most 2^54, of eight bytes each.
  if (reaches_behind(inode.tail_at(), chunk_count(inode) * entry, image_size)) {
    return bad(inode, "its chunks reach behind the end of the image");
  }
  return {};
}

Result<void> check_flat(const Inode& inode, const ImageInfo& info,
                        std::uint64_t image_size) {
  if (inode.size > image_size) {
    return bad(inode, fmt::format("{} bytes of data in an image of {}",
                                  inode.size, image_size));
  }
  const std::uint64_t in_blocks = blocks_end(inode, info.block_size());
  const std::uint64_t start = std::uint64_t{inode.data}
                              << info.super.block_bits;
  if (in_blocks > 0 && reaches_behind(start, in_blocks, image_size)) {
    return bad(inode, "its blocks reach behind the end of the image");
  }
  const std::uint64_t tail = inode.size - in_blocks;
  if (tail == 0) return {};
  const std::uint64_t in_block = inode.tail_at() & (info.block_size() - 1);
  if (in_block + tail > info.block_size()) {
    return bad(inode, "its tail crosses a block boundary");
  }
  if (reaches_behind(inode.tail_at(), tail, image_size)) {
    return bad(inode, "its tail reaches behind the end of the image");
  }
  return {};
}

Result<void> check_data(Inode& inode, const ImageInfo& info,
                        std::uint64_t image_size) {
  if (!inode.has_data()) {
    if (S_ISCHR(inode.mode) || S_ISBLK(inode.mode)) {
      inode.rdev = decode_device(inode.data);
    }
    inode.size = 0;
    return {};
  }
  if (inode.size > std::numeric_limits<std::int64_t>::max()) {
    return bad(inode, "its size is negative");
  }
  if (inode.is_symlink() && inode.size > kLongestTarget) {
    return bad(inode, "its target is too long");
  }
  return inode.layout == DataLayout::kChunkBased
             ? check_chunks(inode, info, image_size)
             : check_flat(inode, info, image_size);
}

Result<void> take_format(std::uint16_t format, Inode& inode) {
  if ((format & ~kFormatKnown) != 0) {
    return bad(inode, fmt::format("unknown format {:#x}", format));
  }
  const int layout = format >> kFormatLayoutShift & kFormatLayoutMask;
  inode.extended = (format & kFormatExtended) != 0;
  inode.layout = static_cast<DataLayout>(layout);
  switch (inode.layout) {
    case DataLayout::kFlatPlain:
    case DataLayout::kFlatInline:
    case DataLayout::kChunkBased:
      return {};
    case DataLayout::kCompressedFull:
    case DataLayout::kCompressedCompact:
      return Error(ENOTSUP, "read image",
                   fmt::format("offset {}: inode {}: its data are compressed",
                               inode.offset, inode.nid));
  }
  return bad(inode, fmt::format("unknown data layout {}", layout));
}

}  // namespace

std::uint64_t Inode::tail_at() const {
  const std::uint64_t end = xattrs_at() + xattrs_size;
  if (layout != DataLayout::kChunkBased || !chunk_indexes) return end;
  return (end + sizeof(ChunkIndex) - 1) & ~(sizeof(ChunkIndex) - 1);
}

std::uint64_t blocks_end(const Inode& inode, std::uint64_t block_size) {
  if (inode.layout != DataLayout::kFlatInline || inode.size == 0) {
    return inode.size;
  }
  return (inode.size - 1) & ~(block_size - 1);
}

std::uint64_t chunk_count(const Inode& inode) {
  if (inode.size == 0) return 0;
  return ((inode.size - 1) >> inode.chunk_bits) + 1;
}

bool is_extended(std::span<const std::byte> bytes) {
  return (load_le<std::uint16_t>(bytes.data()) & kFormatExtended) != 0;
}

Result<Inode> parse_inode(std::span<const std::byte> bytes, Nid nid,
                          std::uint64_t offset, const ImageInfo& info,
                          std::uint64_t image_size) {
  Inode inode;
  inode.nid = nid;
  inode.offset = offset;
  const auto compact = load<CompactInode>(bytes);
  TRY(take_format(compact.format, inode));
  if (inode.extended) {
    take(load<ExtendedInode>(bytes), inode);
  } else {
    take(compact, info.super, inode);
  }
  if (!is_known_type(inode.mode)) {
    return bad(inode, fmt::format("mode {:o} is of no known type", inode.mode));
  }
  if (compact.xattr_count > 0) {
    inode.xattrs_size = static_cast<std::uint32_t>(
        sizeof(XattrHeader) + kXattrAlign * (compact.xattr_count - 1U));
    if (reaches_behind(inode.xattrs_at(), inode.xattrs_size, image_size)) {
      return bad(inode, "its xattrs reach behind the end of the image");
    }
  }
  TRY(check_data(inode, info, image_size));
  return inode;
}

}  // namespace veneer::composefs
