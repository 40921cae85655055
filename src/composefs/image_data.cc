// SPDX-License-Identifier: MIT
//
// An image's xattrs and the data of its files.

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "composefs/image.h"

namespace veneer::composefs {
namespace {

XattrHeader header_of(std::span<const std::byte> bytes) {
  XattrHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  return header;
}

XattrEntry entry_of(std::span<const std::byte> bytes) {
  XattrEntry entry;
  std::memcpy(&entry, bytes.data(), sizeof(entry));
  return entry;
}

}  // namespace

// --- Xattrs ---

Result<bool> Image::visit_shared(const Inode& inode, Window& window,
                                 std::span<const std::byte> ids,
                                 XattrSink sink) const {
  const std::uint64_t table = info_.xattr_offset();
  for (; !ids.empty(); ids = ids.subspan(sizeof(std::uint32_t))) {
    const std::uint64_t offset =
        table + kXattrAlign * load_le<std::uint32_t>(ids.data());
    const auto bytes = window.get(offset, sizeof(XattrEntry));
    if (!bytes) {
      return file_.bad(inode.xattrs_at(), "a shared xattr is behind the end");
    }
    TRY_ASSIGN(const auto whole,
               window.get(offset, entry_size(entry_of(*bytes))));
    const auto xattr = parse_entry(whole);
    if (xattr && !sink(*xattr)) return false;
  }
  return true;
}

Result<void> Image::for_each_xattr(const Inode& inode, Window& window,
                                   XattrSink sink) const {
  if (inode.xattrs_size == 0) return {};
  TRY_ASSIGN(const auto area, window.get(inode.xattrs_at(), inode.xattrs_size));
  const std::size_t shared = header_of(area).shared_count;
  const std::size_t own = sizeof(XattrHeader) + 4 * shared;
  if (own > area.size()) {
    return file_.bad(inode.xattrs_at(),
                     fmt::format("no room for {} shared xattrs", shared));
  }
  for (std::size_t at = own; area.size() - at >= sizeof(XattrEntry);) {
    const auto rest = area.subspan(at);
    const std::size_t size = entry_size(entry_of(rest));
    if (size > rest.size()) {
      return file_.bad(
          inode.xattrs_at() + at,
          fmt::format("an xattr of {} bytes, {} are left", size, rest.size()));
    }
    const auto xattr = parse_entry(rest.first(size));
    if (xattr && !sink(*xattr)) return {};
    at += size;
  }
  if (shared == 0) return {};
  // The shared ones are elsewhere: the window moves, so their ids are kept.
  std::array<std::byte, 4 * 255> ids;
  std::memcpy(ids.data(), area.data() + sizeof(XattrHeader), 4 * shared);
  Window elsewhere(file_);
  auto done =
      visit_shared(inode, elsewhere, std::span(ids).first(4 * shared), sink);
  if (!done) return done.error();
  return {};
}

Result<void> Image::for_each_xattr(const Inode& inode, XattrSink sink) const {
  Window window(file_);
  return for_each_xattr(inode, window, sink);
}

Result<std::optional<std::string>> Image::xattr(const Inode& inode,
                                                std::string_view name) const {
  std::optional<std::string> found;
  if (inode.xattrs_size == 0) return found;
  Window window(file_);
  if (info_.has_name_filter()) {
    TRY_ASSIGN(const auto header,
               window.get(inode.xattrs_at(), sizeof(XattrHeader)));
    if (!filter_allows(header_of(header).name_filter, name)) return found;
  }
  TRY(for_each_xattr(inode, window, [&](const StoredXattr& xattr) {
    if (!xattr.has_name(name)) return true;
    found = std::string(xattr.value);
    return false;
  }));
  return found;
}

// --- Data ---

Result<Piece> Image::chunk_at(const Inode& file, std::uint64_t offset,
                              Window& window) const {
  const std::uint64_t index = offset >> file.chunk_bits;
  // The last chunk ends with the file. Sizes are below 2^63, chunks below 2^47.
  const std::uint64_t end =
      std::min(file.size, ((index + 1) << file.chunk_bits));
  Piece piece{.offset = std::nullopt, .size = end - offset};
  std::uint32_t block = kHole;
  if (file.chunk_indexes) {
    const std::uint64_t at = file.tail_at() + index * sizeof(ChunkIndex);
    TRY_ASSIGN(const auto bytes, window.get(at, sizeof(ChunkIndex)));
    ChunkIndex entry;
    std::memcpy(&entry, bytes.data(), sizeof(entry));
    if (entry.device != 0) {
      return Error(ENOTSUP, "read image",
                   fmt::format("{}: offset {}: data on another device",
                               file_.name(), at));
    }
    block = entry.block;
  } else {
    TRY_ASSIGN(
        const auto bytes,
        window.get(file.tail_at() + index * sizeof(block), sizeof(block)));
    block = load_le<std::uint32_t>(bytes.data());
  }
  if (block == kHole) return piece;
  const std::uint64_t in_chunk =
      offset & ((std::uint64_t{1} << file.chunk_bits) - 1);
  piece.offset = (std::uint64_t{block} << info_.super.block_bits) + in_chunk;
  if (!file_.has(*piece.offset, piece.size)) {
    return file_.bad(file.offset,
                     fmt::format("inode {}: chunk {} reaches behind the end",
                                 file.nid, index));
  }
  return piece;
}

Result<Piece> Image::piece_at(const Inode& file, std::uint64_t offset,
                              Window& window) const {
  if (file.layout == DataLayout::kChunkBased) {
    return chunk_at(file, offset, window);
  }
  const std::uint64_t in_blocks = blocks_end(file, info_.block_size());
  if (offset < in_blocks) {
    return Piece{
        .offset = (std::uint64_t{file.data} << info_.super.block_bits) + offset,
        .size = in_blocks - offset};
  }
  return Piece{.offset = file.tail_at() + (offset - in_blocks),
               .size = file.size - offset};
}

Result<Piece> Image::piece_at(const Inode& file, std::uint64_t offset) const {
  Window window(file_);
  return piece_at(file, offset, window);
}

Result<std::size_t> Image::read(const Inode& file, std::uint64_t offset,
                                std::span<std::byte> into) const {
  if (offset >= file.size) return std::size_t{0};
  into = into.first(static_cast<std::size_t>(
      std::min<std::uint64_t>(into.size(), file.size - offset)));
  Window window(file_);
  std::size_t done = 0;
  while (done < into.size()) {
    TRY_ASSIGN(const Piece piece, piece_at(file, offset + done, window));
    const auto part =
        into.subspan(done, static_cast<std::size_t>(std::min<std::uint64_t>(
                               piece.size, into.size() - done)));
    if (piece.offset) {
      TRY(file_.read(*piece.offset, part));
    } else {
      std::ranges::fill(part, std::byte{0});
    }
    done += part.size();
  }
  return done;
}

}  // namespace veneer::composefs
