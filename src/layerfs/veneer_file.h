// SPDX-License-Identifier: MIT
//
// veneer.bin: what LayerFS has no place for, in a file of ours beside its four.
//
// A header of a few hundred bytes names all other files of the layer by digest,
// directly or through the sections behind it, and the layers below by the
// digest of their headers. So the header's own digest is the identity of the
// whole stack, and to recognise a layer costs one short read. Files are
// digested in chunks, so what is read can be checked when it is read.
//
//   header    flags; sizes and digests; the layers below; its own digest
//   chunks    of file table, attributes, inline data: a digest for each 16 KiB
//   dirs      of each directory: how many it holds, the digest of its file
//   links     inodes with several names, or none, and their number
//   implicit  directories that nobody described
//
// Digests are BLAKE3. To the byte: docs/formats/layerfs.md. Pure.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/digest.h"
#include "layerfs/big_endian.h"
#include "veneer/result.h"

namespace veneer::layerfs {

inline constexpr std::size_t kChunkBytes = std::size_t{16} << 10;
inline constexpr std::size_t kDigestBytes = 32;

constexpr std::uint64_t chunks_of(std::uint64_t size) {
  return (size + kChunkBytes - 1) / kChunkBytes;
}

/// Digests of a file's chunks, as the file is written.
class ChunkHasher {
 public:
  void update(std::span<const std::byte> bytes);
  /// The digests of all so far. Call it once.
  std::vector<Digest256> finish() &&;

 private:
  std::vector<Digest256> digests_;
  Blake3 hasher_;
  std::size_t in_chunk_ = 0;
};

enum class Section : std::uint8_t {
  kInodeChunks,      ///< digests, of the file table
  kAttributeChunks,  ///< the same of the attributes table
  kInlineChunks,     ///< the same of the inline data
  kDirs,
  kLinks,
  kImplicit,
};
inline constexpr std::size_t kSections = 6;

/// A directory this layer has a file of.
struct DirRecord {
  std::uint32_t offset = 0;
  std::uint32_t subdirs = 0;
  Digest256 digest{};  ///< of its file

  bool operator==(const DirRecord&) const = default;
};

/// An inode whose names in this layer are not one.
struct LinkRecord {
  std::uint32_t offset = 0;
  std::uint32_t count = 0;

  bool operator==(const LinkRecord&) const = default;
};

struct VeneerHeader {
  /// Entries tell the kind of an inode of this layer rightly.
  bool right_kinds = true;
  bool root_opaque = false;
  bool root_implicit = false;

  std::uint32_t layer_id = 0;
  Digest256 super{};  ///< of super.bin
  std::uint64_t file_table_size = 0;
  std::uint64_t attributes_size = 0;
  std::uint64_t inline_size = 0;

  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    Digest256 digest{};

    bool operator==(const Place&) const = default;
  };
  std::array<Place, kSections> sections{};

  /// A layer below, as it was when this one was built. One that has no file of
  /// ours is recognised by its super block and the sizes of its files; what
  /// was in them is for verify().
  struct Lower {
    bool foreign = false;
    Digest256 identity{};
    Digest256 content{};  ///< if foreign

    bool operator==(const Lower&) const = default;
  };
  std::vector<Lower> lowers;  ///< from the bottom

  /// Set by encoding and decoding: the layer's identity.
  Digest256 identity{};

  const Place& section(Section which) const {
    return sections[static_cast<std::size_t>(which)];
  }
  bool operator==(const VeneerHeader&) const = default;
};

/// What a layer's file is made from.
struct VeneerContents {
  VeneerHeader header;  ///< sections and identity are filled in
  std::vector<Digest256> file_table;
  std::vector<Digest256> attributes;
  std::vector<Digest256> inline_data;
  std::vector<DirRecord> dirs;          ///< sorted
  std::vector<LinkRecord> links;        ///< sorted
  std::vector<std::uint32_t> implicit;  ///< sorted
};

/// The whole file.
std::vector<std::byte> encode_veneer(VeneerContents& contents);

/// How long the header is of which `bytes` are the first kVeneerFixed.
inline constexpr std::size_t kVeneerFixed = 16;
Result<std::size_t> veneer_header_size(std::span<const std::byte> bytes);
/// `bytes` are the header, all of it; `file_size` is that of the file.
/// Fails  EIO  it is not as it was written, or of a later version
Result<VeneerHeader> decode_veneer_header(std::span<const std::byte> bytes,
                                          std::uint64_t file_size);

// `bytes` are a section whose digest has been compared.
Result<std::vector<Digest256>> decode_digests(std::span<const std::byte> bytes);
Result<std::vector<DirRecord>> decode_dirs(std::span<const std::byte> bytes);
Result<std::vector<LinkRecord>> decode_links(std::span<const std::byte> bytes);
Result<std::vector<std::uint32_t>> decode_implicit(
    std::span<const std::byte> bytes);

}  // namespace veneer::layerfs
