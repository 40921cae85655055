// SPDX-License-Identifier: MIT
//
// The records of a LayerFS layer, to the byte: docs/formats/layerfs.md.
//
// Every file but inline_data.bin is a row of items, a u64 length and as many
// bytes, all big-endian and of fixed width. What is decoded here has been
// checked for what one item can tell; whether an offset leads anywhere is for
// the reader of the other file.
//
// Pure.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "layerfs/big_endian.h"
#include "layerfs/entry_path.h"
#include "veneer/layerfs.h"
#include "veneer/result.h"

namespace veneer::layerfs {

inline constexpr const char* kSuperFile = "super.bin";
inline constexpr const char* kFileTable = "file_table.bin";
inline constexpr const char* kAttributesTable = "attributes_table.bin";
inline constexpr const char* kInlineData = "inline_data.bin";
/// Ours, which Maelstrom does not look at.
inline constexpr const char* kVeneerFile = "veneer.bin";
inline constexpr std::string_view kDirSuffix = ".dir_data.bin";

inline constexpr std::uint32_t kFormatVersion = 0;
inline constexpr std::size_t kPrefix = 8;        ///< an item's length
inline constexpr std::size_t kTableHeader = 12;  ///< item, of both tables
inline constexpr std::size_t kDirHeader = 20;    ///< item
inline constexpr std::size_t kAttributesItem = 28;
inline constexpr std::size_t kLongestInode = 72;  ///< item
/// A directory's item without its name.
inline constexpr std::size_t kChildItem = 53;
inline constexpr std::size_t kWhiteoutItem = 40;

inline constexpr std::uint32_t kRootOffset = 1;
inline constexpr std::uint64_t kLongestItem = std::uint64_t{1} << 30;
inline constexpr std::uint64_t kMostTableBytes = 0xffffffff;
/// An AVL tree as high as this has more nodes than a file can hold.
inline constexpr std::uint32_t kMostHeight = 64;

/// "25.dir_data.bin"
std::string dir_file_name(std::uint32_t offset);
/// The offset in a name of that form; nothing for any other name.
std::optional<std::uint32_t> offset_of_dir_file(std::string_view name);

/// Where a FileId's or an attribute's item begins in its table.
constexpr std::uint64_t position_of(std::uint64_t id) {
  return kTableHeader + id - 1;
}

/// Bytes of `inline_data.bin`.
struct InlineRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  bool operator==(const InlineRange&) const = default;
};
using Content = std::variant<Empty, InlineRange, BlobRange>;

std::uint64_t length_of(const Content& content);

/// An item of the file table.
struct InodeRecord {
  Kind kind = Kind::kRegular;
  Content content;
  std::uint64_t attributes_id = 0;

  bool operator==(const InodeRecord&) const = default;
};

/// An item of the attributes table.
struct AttributesRecord {
  std::uint64_t size = 0;
  std::uint32_t mode = 0;
  std::int64_t mtime = 0;

  bool operator==(const AttributesRecord&) const = default;
};

/// What a name stands for: an inode, or none at all.
struct Target {
  bool whiteout = false;
  FileId id;
  Kind kind = Kind::kRegular;  ///< a hint: the inode's own decides
  bool opaque = false;

  bool operator==(const Target&) const = default;
};

/// An item of a directory.
struct DirItem {
  std::string_view name;  ///< within the item's bytes
  Target target;
  std::uint32_t height = 0;
  std::uint64_t left = 0;
  std::uint64_t right = 0;
};

struct Super {
  struct Lower {
    std::uint32_t layer_id = 0;
    std::string path;

    bool operator==(const Lower&) const = default;
  };
  std::uint32_t layer_id = 0;
  std::vector<Lower> lowers;  ///< written sorted, by layer

  bool operator==(const Super&) const = default;
};

// Encoding: whole items, prefix included.

void write_table_header(BeWriter& out);
void write_inode(BeWriter& out, const InodeRecord& inode);
void write_attributes(BeWriter& out, const AttributesRecord& attributes);
void write_dir_header(BeWriter& out, std::uint64_t root);
void write_dir_item(BeWriter& out, const DirItem& item);
std::vector<std::byte> encode_super(const Super& super);

/// The size on disk of the item that write_inode() makes.
std::size_t inode_item_size(const Content& content);
std::size_t dir_item_size(std::size_t name_size, bool whiteout);

// Decoding. `bytes` begin with the item's prefix and may go on behind its end;
// errors are EIO and say what is wrong, not in which file.

/// How long the item is, prefix included, if it is within `bytes`.
Result<std::size_t> item_size(std::span<const std::byte> bytes);
Result<void> check_table_header(std::span<const std::byte> bytes);
Result<InodeRecord> decode_inode(std::span<const std::byte> bytes);
Result<AttributesRecord> decode_attributes(std::span<const std::byte> bytes);
/// The position of the root's item.
Result<std::uint64_t> decode_dir_header(std::span<const std::byte> bytes);
Result<DirItem> decode_dir_item(std::span<const std::byte> bytes);
/// `bytes` are the whole file.
Result<Super> decode_super(std::span<const std::byte> bytes);
/// The layer's number alone, where nobody asks for the layers below.
Result<std::uint32_t> decode_layer_id(std::span<const std::byte> bytes);

/// May be looked up, listed and mounted: 1 to 255 bytes, no '/', no NUL, not
/// "." or "..".
bool is_valid_name(std::string_view name);

/// What stat(2) has for the type of `kind`, and readdir(3).
std::uint32_t type_bits(Kind kind);
std::uint8_t dirent_type(Kind kind);

}  // namespace veneer::layerfs
