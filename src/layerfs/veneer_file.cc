// SPDX-License-Identifier: MIT
//
// veneer.bin to bytes and back.

#include "layerfs/veneer_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace veneer::layerfs {
namespace {

constexpr std::string_view kMagic = "VNRLAYER";
constexpr std::uint32_t kVersion = 1;

constexpr std::uint32_t kRightKinds = 1;
constexpr std::uint32_t kRootOpaque = 2;
constexpr std::uint32_t kRootImplicit = 4;
constexpr std::uint32_t kForeign = 1;

constexpr std::size_t kPlaceBytes = 16 + kDigestBytes;
constexpr std::size_t kLowerBytes = 4 + 2 * kDigestBytes;
constexpr std::size_t kDirBytes = 8 + kDigestBytes;
// Magic, version and size; flags, layer, lowers; super; three sizes; sections.
constexpr std::size_t kFixedBytes =
    kVeneerFixed + 12 + kDigestBytes + 24 + kSections * kPlaceBytes;

Error bad(std::string what) { return Error(EIO, "decode", std::move(what)); }

std::size_t header_size(std::size_t lowers) {
  return kFixedBytes + lowers * kLowerBytes + kDigestBytes;
}

Digest256 digest_at(const std::byte* from) {
  Digest256 digest;
  std::memcpy(digest.data(), from, digest.size());
  return digest;
}

void write_digests(BeWriter& out, const std::vector<Digest256>& digests) {
  out.reserve(digests.size() * kDigestBytes);
  for (const Digest256& digest : digests) {
    out.raw(std::span<const std::uint8_t>(digest));
  }
}

std::vector<std::byte> section_of(const VeneerContents& contents,
                                  Section section) {
  BeWriter out;
  switch (section) {
    case Section::kInodeChunks:
      write_digests(out, contents.file_table);
      break;
    case Section::kAttributeChunks:
      write_digests(out, contents.attributes);
      break;
    case Section::kInlineChunks:
      write_digests(out, contents.inline_data);
      break;
    case Section::kDirs:
      out.reserve(contents.dirs.size() * kDirBytes);
      for (const DirRecord& dir : contents.dirs) {
        out.u32(dir.offset);
        out.u32(dir.subdirs);
        out.raw(std::span<const std::uint8_t>(dir.digest));
      }
      break;
    case Section::kLinks:
      for (const LinkRecord& link : contents.links) {
        out.u32(link.offset);
        out.u32(link.count);
      }
      break;
    case Section::kImplicit:
      for (const std::uint32_t offset : contents.implicit) out.u32(offset);
      break;
  }
  return std::move(out).take();
}

std::vector<std::byte> encode_header(VeneerHeader& header) {
  BeWriter out;
  out.raw(as_bytes(kMagic));
  out.u32(kVersion);
  out.u32(static_cast<std::uint32_t>(header_size(header.lowers.size())));
  out.u32((header.right_kinds ? kRightKinds : 0) |
          (header.root_opaque ? kRootOpaque : 0) |
          (header.root_implicit ? kRootImplicit : 0));
  out.u32(header.layer_id);
  out.u32(static_cast<std::uint32_t>(header.lowers.size()));
  out.raw(std::span<const std::uint8_t>(header.super));
  out.u64(header.file_table_size);
  out.u64(header.attributes_size);
  out.u64(header.inline_size);
  for (const auto& place : header.sections) {
    out.u64(place.offset);
    out.u64(place.size);
    out.raw(std::span<const std::uint8_t>(place.digest));
  }
  for (const auto& lower : header.lowers) {
    out.u32(lower.foreign ? kForeign : 0);
    out.raw(std::span<const std::uint8_t>(lower.identity));
    out.raw(std::span<const std::uint8_t>(lower.content));
  }
  header.identity = blake3(out.bytes());
  out.raw(std::span<const std::uint8_t>(header.identity));
  return std::move(out).take();
}

Result<void> check_count(std::span<const std::byte> bytes, std::size_t size) {
  if (bytes.size() % size == 0) return {};
  return bad(fmt::format("a section of {} bytes", bytes.size()));
}

// Offsets rise, so that they can be searched.
template <typename Record, typename Offset>
Result<void> check_order(const std::vector<Record>& records, Offset offset) {
  const auto out = std::ranges::adjacent_find(
      records, [](auto a, auto b) { return a >= b; }, offset);
  if (out == records.end()) return {};
  return bad("a section is not in order");
}

}  // namespace

void ChunkHasher::update(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t size = std::min(kChunkBytes - in_chunk_, bytes.size());
    hasher_.update(bytes.first(size));
    bytes = bytes.subspan(size);
    in_chunk_ += size;
    if (in_chunk_ < kChunkBytes) continue;
    digests_.push_back(hasher_.finish());
    hasher_ = Blake3();
    in_chunk_ = 0;
  }
}

std::vector<Digest256> ChunkHasher::finish() && {
  if (in_chunk_ > 0) digests_.push_back(hasher_.finish());
  return std::move(digests_);
}

std::vector<std::byte> encode_veneer(VeneerContents& contents) {
  VeneerHeader& header = contents.header;
  std::uint64_t at = header_size(header.lowers.size());
  std::vector<std::byte> sections;
  for (std::size_t i = 0; i < kSections; ++i) {
    const auto section = section_of(contents, static_cast<Section>(i));
    header.sections[i] = {at, section.size(), blake3(section)};
    at += section.size();
    sections.insert(sections.end(), section.begin(), section.end());
  }
  std::vector<std::byte> file = encode_header(header);
  file.insert(file.end(), sections.begin(), sections.end());
  return file;
}

Result<std::size_t> veneer_header_size(std::span<const std::byte> bytes) {
  if (bytes.size() < kVeneerFixed) {
    return bad(fmt::format("{} bytes are left of it", bytes.size()));
  }
  if (as_text(bytes.first(kMagic.size())) != kMagic) {
    return bad("it does not begin as such a file");
  }
  const auto version = load_be<std::uint32_t>(bytes.data() + 8);
  if (version != kVersion) {
    return bad(fmt::format("version {} is not known", version));
  }
  const std::size_t size = load_be<std::uint32_t>(bytes.data() + 12);
  if (size < header_size(0) || (size - header_size(0)) % kLowerBytes != 0) {
    return bad(fmt::format("a header of {} bytes", size));
  }
  return size;
}

Result<VeneerHeader> decode_veneer_header(std::span<const std::byte> bytes,
                                          std::uint64_t file_size) {
  TRY_ASSIGN(const std::size_t size, veneer_header_size(bytes));
  if (size != bytes.size()) {
    return bad(fmt::format("{} bytes are left of {}", bytes.size(), size));
  }
  VeneerHeader header;
  header.identity = digest_at(bytes.data() + size - kDigestBytes);
  if (blake3(bytes.first(size - kDigestBytes)) != header.identity) {
    return bad("the header does not have its digest");
  }
  const std::byte* at = bytes.data() + kVeneerFixed;
  const auto u32 = [&] {
    at += 4;
    return load_be<std::uint32_t>(at - 4);
  };
  const auto u64 = [&] {
    at += 8;
    return load_be<std::uint64_t>(at - 8);
  };
  const auto digest = [&] {
    at += kDigestBytes;
    return digest_at(at - kDigestBytes);
  };
  const std::uint32_t flags = u32();
  header.right_kinds = (flags & kRightKinds) != 0;
  header.root_opaque = (flags & kRootOpaque) != 0;
  header.root_implicit = (flags & kRootImplicit) != 0;
  header.layer_id = u32();
  const std::uint32_t lowers = u32();
  if (header_size(lowers) != size || lowers != header.layer_id) {
    return bad(fmt::format("{} layers below layer {}, in {} bytes", lowers,
                           header.layer_id, size));
  }
  header.super = digest();
  header.file_table_size = u64();
  header.attributes_size = u64();
  header.inline_size = u64();
  // One section after the other, and nothing else.
  std::uint64_t end = size;
  for (auto& place : header.sections) {
    place.offset = u64();
    place.size = u64();
    place.digest = digest();
    if (place.offset != end || end > file_size ||
        place.size > file_size - end) {
      return bad(fmt::format("{} bytes at {} of a file of {}", place.size,
                             place.offset, file_size));
    }
    end += place.size;
  }
  if (end != file_size) {
    return bad(fmt::format("{} bytes after the end", file_size - end));
  }
  for (std::uint32_t i = 0; i < lowers; ++i) {
    VeneerHeader::Lower lower;
    lower.foreign = (u32() & kForeign) != 0;
    lower.identity = digest();
    lower.content = digest();
    header.lowers.push_back(lower);
  }
  return header;
}

Result<std::vector<Digest256>> decode_digests(
    std::span<const std::byte> bytes) {
  TRY(check_count(bytes, kDigestBytes));
  std::vector<Digest256> digests(bytes.size() / kDigestBytes);
  if (!bytes.empty()) std::memcpy(digests.data(), bytes.data(), bytes.size());
  return digests;
}

Result<std::vector<DirRecord>> decode_dirs(std::span<const std::byte> bytes) {
  TRY(check_count(bytes, kDirBytes));
  std::vector<DirRecord> dirs;
  dirs.reserve(bytes.size() / kDirBytes);
  for (std::size_t at = 0; at < bytes.size(); at += kDirBytes) {
    const std::byte* const record = bytes.data() + at;
    dirs.push_back({load_be<std::uint32_t>(record),
                    load_be<std::uint32_t>(record + 4), digest_at(record + 8)});
  }
  TRY(check_order(dirs, &DirRecord::offset));
  return dirs;
}

Result<std::vector<LinkRecord>> decode_links(std::span<const std::byte> bytes) {
  TRY(check_count(bytes, 8));
  std::vector<LinkRecord> links;
  links.reserve(bytes.size() / 8);
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    links.push_back({load_be<std::uint32_t>(bytes.data() + at),
                     load_be<std::uint32_t>(bytes.data() + at + 4)});
  }
  TRY(check_order(links, &LinkRecord::offset));
  return links;
}

Result<std::vector<std::uint32_t>> decode_implicit(
    std::span<const std::byte> bytes) {
  TRY(check_count(bytes, 4));
  std::vector<std::uint32_t> offsets;
  offsets.reserve(bytes.size() / 4);
  for (std::size_t at = 0; at < bytes.size(); at += 4) {
    offsets.push_back(load_be<std::uint32_t>(bytes.data() + at));
  }
  TRY(check_order(offsets, std::identity{}));
  return offsets;
}

}  // namespace veneer::layerfs
