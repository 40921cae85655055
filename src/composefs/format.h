// SPDX-License-Identifier: MIT
//
// What a composefs image is made of, byte for byte. No code.
//
// An image is an EROFS file system behind a 32-byte header of composefs. Files
// of content it does not hold: they are chunk-based inodes whose chunks are all
// holes, with two xattrs that say where the content is (redirect) and what its
// fs-verity digest is (metacopy).
//
//   0      ImageHeader, zeros
//   1024   Superblock
//   1152   inodes, each aligned to 32: the inode, its xattrs, its tail
//          shared xattrs, aligned to 4
//          data blocks: directories, content, long symbolic links
//
// All integers are little-endian. Everything here is natural alignment, so the
// structs can be copied from and to the disk as they are; only Dirent is
// packed. docs/formats/composefs.md has the rules; the kernel's counterpart is
// fs/erofs/erofs_fs.h.

#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace veneer::composefs {

static_assert(std::endian::native == std::endian::little,
              "the structs below are copied from and to the disk as they are");

// --- The header of composefs, at offset 0 ------------------------------------

inline constexpr std::uint32_t kImageMagic = 0xd078629a;
inline constexpr std::uint32_t kContainerVersion = 1;
/// ImageHeader::flags: some inode has a POSIX ACL.
inline constexpr std::uint32_t kHasAcl = 1;

struct ImageHeader {
  std::uint32_t magic = kImageMagic;
  std::uint32_t version = kContainerVersion;
  std::uint32_t flags = 0;
  std::uint32_t composefs_version = 0;  ///< 0, 1; 2 from other writers
  std::array<std::uint32_t, 4> unused = {};
};
static_assert(sizeof(ImageHeader) == 32);

// --- The superblock of EROFS, at offset 1024 ---------------------------------

inline constexpr std::uint64_t kSuperOffset = 1024;
inline constexpr std::uint32_t kErofsMagic = 0xe0f5e1e2;
/// Every image of composefs has blocks of this size.
inline constexpr unsigned kBlockBits = 12;
inline constexpr std::uint64_t kBlockSize = 1U << kBlockBits;

// feature_compat: may be ignored by who does not know them.
inline constexpr std::uint32_t kCompatChecksum = 1;
inline constexpr std::uint32_t kCompatMtime = 2;
inline constexpr std::uint32_t kCompatXattrFilter = 4;
// feature_incompat: not understood is not readable.
inline constexpr std::uint32_t kIncompatZeroPadding = 0x1;
inline constexpr std::uint32_t kIncompatCompressionConfig = 0x2;
inline constexpr std::uint32_t kIncompatChunkedFile = 0x4;
inline constexpr std::uint32_t kIncompatDeviceTable = 0x8;
inline constexpr std::uint32_t kIncompatTailPacking = 0x10;
inline constexpr std::uint32_t kIncompatFragments = 0x20;
inline constexpr std::uint32_t kIncompatXattrPrefixes = 0x40;

struct Superblock {
  std::uint32_t magic = kErofsMagic;
  std::uint32_t checksum = 0;  ///< CRC-32C of the block from here, if kept
  std::uint32_t feature_compat = 0;
  std::uint8_t block_bits = kBlockBits;
  std::uint8_t extension_slots = 0;
  std::uint16_t root_nid = 0;
  std::uint64_t inode_count = 0;
  std::uint64_t build_time = 0;  ///< seconds; two's complement if negative
  std::uint32_t build_time_nsec = 0;
  std::uint32_t blocks = 0;  ///< of the whole file
  std::uint32_t meta_block = 0;
  std::uint32_t xattr_block = 0;
  std::array<std::uint8_t, 16> uuid = {};
  std::array<char, 16> volume_name = {};
  std::uint32_t feature_incompat = 0;
  std::uint16_t compression_algorithms = 0;
  std::uint16_t extra_devices = 0;
  std::uint16_t device_slot_offset = 0;
  std::uint8_t dir_block_bits = 0;  ///< added to block_bits
  std::uint8_t xattr_prefix_count = 0;
  std::uint32_t xattr_prefix_start = 0;
  std::uint64_t packed_nid = 0;
  std::uint8_t xattr_filter_reserved = 0;
  std::array<std::uint8_t, 23> reserved = {};
};
static_assert(sizeof(Superblock) == 128);
static_assert(offsetof(Superblock, inode_count) == 16);
static_assert(offsetof(Superblock, uuid) == 48);
static_assert(offsetof(Superblock, feature_incompat) == 80);
static_assert(offsetof(Superblock, xattr_prefix_start) == 92);
static_assert(offsetof(Superblock, packed_nid) == 96);

// --- Inodes ------------------------------------------------------------------

/// An inode is at meta_block * block size + nid * kInodeSlot.
inline constexpr unsigned kInodeSlotBits = 5;
inline constexpr std::uint64_t kInodeSlot = 1U << kInodeSlotBits;
/// Where the inodes of composefs begin.
inline constexpr std::uint64_t kInodeArea = kSuperOffset + sizeof(Superblock);
static_assert(kInodeArea % kInodeSlot == 0);

/// How an inode's data are laid out: bits 1 to 3 of `format`.
enum class DataLayout : std::uint8_t {
  kFlatPlain = 0,          ///< blocks from data_block on
  kCompressedFull = 1,     ///< not read
  kFlatInline = 2,         ///< the same, the last part behind the xattrs
  kCompressedCompact = 3,  ///< not read
  kChunkBased = 4,         ///< behind the xattrs an array of block numbers
};
/// `format`, bit 0: the inode is an ExtendedInode.
inline constexpr std::uint16_t kFormatExtended = 1;
inline constexpr unsigned kFormatLayoutShift = 1;
inline constexpr std::uint16_t kFormatLayoutMask = 7;
/// Bits of `format` that have a meaning.
inline constexpr std::uint16_t kFormatKnown = 0xf;

/// The time of modification is the superblock's build_time.
struct CompactInode {
  std::uint16_t format = 0;
  std::uint16_t xattr_count = 0;  ///< see xattrs_size in the format's spec
  std::uint16_t mode = 0;
  std::uint16_t nlink = 0;
  std::uint32_t size = 0;
  std::uint32_t reserved1 = 0;
  std::uint32_t data = 0;  ///< first block, device number or chunk format
  std::uint32_t ino = 0;
  std::uint16_t uid = 0;
  std::uint16_t gid = 0;
  std::uint32_t reserved2 = 0;
};
static_assert(sizeof(CompactInode) == 32);

struct ExtendedInode {
  std::uint16_t format = kFormatExtended;
  std::uint16_t xattr_count = 0;
  std::uint16_t mode = 0;
  std::uint16_t reserved1 = 0;
  std::uint64_t size = 0;
  std::uint32_t data = 0;
  std::uint32_t ino = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t mtime = 0;  ///< seconds; two's complement if negative
  std::uint32_t mtime_nsec = 0;
  std::uint32_t nlink = 0;
  std::array<std::uint8_t, 16> reserved2 = {};
};
static_assert(sizeof(ExtendedInode) == 64);
static_assert(offsetof(ExtendedInode, mtime) == 32);

// --- Chunks ------------------------------------------------------------------

/// Bits of the chunk format, the low half of `data`: a chunk has
/// 2 ^ (block_bits + the low five bits) bytes.
inline constexpr std::uint32_t kChunkBitsMask = 0x1f;
/// Entries are ChunkIndex instead of a block number alone; composefs: never.
inline constexpr std::uint32_t kChunkIndexes = 0x20;
inline constexpr std::uint32_t kChunkFormatKnown =
    kChunkBitsMask | kChunkIndexes;
/// The block number of a chunk that is a hole, or whose data are elsewhere.
inline constexpr std::uint32_t kHole = 0xffffffff;
/// composefs writes no chunks larger than 2 ^ this, and no more than so many.
inline constexpr unsigned kMaxChunkBits = kBlockBits + 31;
inline constexpr std::uint64_t kMaxChunks = 1024;

struct ChunkIndex {
  std::uint16_t advise = 0;
  std::uint16_t device = 0;
  std::uint32_t block = kHole;
};
static_assert(sizeof(ChunkIndex) == 8);

// --- Directories -------------------------------------------------------------

/// A directory block is an array of these, then the names. The first one's
/// name_offset tells how many there are.
struct [[gnu::packed]] Dirent {
  std::uint64_t nid = 0;
  std::uint16_t name_offset = 0;
  std::uint8_t type = 0;
  std::uint8_t reserved = 0;
};
static_assert(sizeof(Dirent) == 12);

enum class FileType : std::uint8_t {
  kUnknown = 0,
  kRegular = 1,
  kDirectory = 2,
  kCharDevice = 3,
  kBlockDevice = 4,
  kFifo = 5,
  kSocket = 6,
  kSymlink = 7,
};

inline constexpr std::size_t kLongestName = 255;

// --- Xattrs ------------------------------------------------------------------

/// Behind the inode if its xattr_count is not 0, followed by shared_count ids
/// of shared xattrs (u32), followed by xattrs of its own.
struct XattrHeader {
  std::uint32_t name_filter = 0;  ///< see the spec; a set bit: absent
  std::uint8_t shared_count = 0;
  std::array<std::uint8_t, 7> reserved = {};
};
static_assert(sizeof(XattrHeader) == 12);

/// Followed by the name without its prefix and the value, padded to 4.
struct XattrEntry {
  std::uint8_t name_length = 0;
  std::uint8_t name_index = 0;
  std::uint16_t value_size = 0;
};
static_assert(sizeof(XattrEntry) == 4);

inline constexpr std::uint64_t kXattrAlign = 4;
/// The seed of the name filter, to which the name index is added.
inline constexpr std::uint32_t kNameFilterSeed = 0x25bbe08f;
/// XattrEntry::name_index, bit 7: a prefix from a table; composefs: never.
inline constexpr std::uint8_t kLongPrefix = 0x80;

/// By name_index. A name that begins with none of them has index 0.
inline constexpr std::array<std::string_view, 7> kXattrPrefixes = {
    "",
    "user.",
    "system.posix_acl_access",
    "system.posix_acl_default",
    "trusted.",
    "lustre.",
    "security."};

// --- What composefs says in xattrs -------------------------------------------

/// The overlay's names; those of the user's that begin like this are escaped
/// by one more "overlay.".
inline constexpr std::string_view kTrustedOverlay = "trusted.overlay.";
inline constexpr std::string_view kTrustedEscaped = "trusted.overlay.overlay.";
inline constexpr std::string_view kUserOverlay = "user.overlay.";
inline constexpr std::string_view kUserEscaped = "user.overlay.overlay.";

inline constexpr std::string_view kMetacopyName = "trusted.overlay.metacopy";
inline constexpr std::string_view kRedirectName = "trusted.overlay.redirect";
inline constexpr std::string_view kOpaqueName = "trusted.overlay.opaque";

// A whiteout of the user's is stored as an empty regular file with the first
// two, in a directory with the others.
inline constexpr std::string_view kEscapedWhiteout =
    "trusted.overlay.overlay.whiteout";
inline constexpr std::string_view kUserWhiteout = "user.overlay.whiteout";
inline constexpr std::string_view kEscapedWhiteouts =
    "trusted.overlay.overlay.whiteouts";
inline constexpr std::string_view kUserWhiteouts = "user.overlay.whiteouts";
inline constexpr std::string_view kEscapedOpaque =
    "trusted.overlay.overlay.opaque";
inline constexpr std::string_view kUserOpaque = "user.overlay.opaque";

/// The value of metacopy: empty, or this and the digest.
struct MetacopyHeader {
  std::uint8_t version = 0;
  std::uint8_t length = 0;  ///< of the whole value
  std::uint8_t flags = 0;
  std::uint8_t digest_algorithm = 0;  ///< as fs-verity numbers them
};
static_assert(sizeof(MetacopyHeader) == 4);

inline constexpr std::uint8_t kVeritySha256 = 1;
inline constexpr std::uint8_t kVeritySha512 = 2;
inline constexpr std::size_t kMetacopySha256 = 4 + 32;
inline constexpr std::size_t kMetacopySha512 = 4 + 64;

/// Content up to this size may be stored in the image itself.
inline constexpr std::uint64_t kMaxInlineContent = 5000;
/// Content up to this size is, when an image is made from a directory.
inline constexpr std::uint64_t kInlineFromDirectory = 64;

}  // namespace veneer::composefs
