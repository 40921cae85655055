// SPDX-License-Identifier: MIT
//
// Items of a 64-bit length and a payload in bincode's variable-length,
// big-endian form. Each payload is taken apart by a ByteReader of its own, so
// no field reaches beyond its item, and what is left over is an error.

#include "layerfs/manifest.h"

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <limits>

#include "base/bytes.h"
#include "layerfs/entry_path.h"
#include "layerfs/manifest_text.h"

namespace veneer::layerfs {
namespace {

constexpr std::uint32_t kVersion1 = 1;
constexpr std::size_t kLengthSize = 8;

// Variants, in the order of the format.
enum : std::uint32_t { kDirectory, kFile, kSymlink, kHardLink, kWhiteout };
enum : std::uint32_t { kDigest, kInline, kEmpty };

// First bytes of the longer forms of a number.
enum : std::uint8_t { kLargestByte = 0xFA, kU16, kU32, kU64 };

Error bad(std::string_view what) {
  return Error(EUCLEAN, "", std::string(what));
}

// --- Writing -----------------------------------------------------------------

template <std::unsigned_integral T>
void put_big_endian(std::string& out, T value) {
  const T swapped = std::byteswap(value);
  out.append(reinterpret_cast<const char*>(&swapped), sizeof(swapped));
}

template <std::unsigned_integral T>
void put_marked(std::string& out, std::uint8_t mark, std::uint64_t value) {
  out += static_cast<char>(mark);
  put_big_endian(out, static_cast<T>(value));
}

void put_number(std::string& out, std::uint64_t value) {
  if (value <= kLargestByte) {
    out += static_cast<char>(value);
  } else if (value <= std::numeric_limits<std::uint16_t>::max()) {
    put_marked<std::uint16_t>(out, kU16, value);
  } else if (value <= std::numeric_limits<std::uint32_t>::max()) {
    put_marked<std::uint32_t>(out, kU32, value);
  } else {
    put_marked<std::uint64_t>(out, kU64, value);
  }
}

void put_signed(std::string& out, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  put_number(out, (bits << 1) ^ (value < 0 ? ~std::uint64_t{0} : 0));
}

void put_bytes(std::string& out, std::string_view bytes) {
  put_number(out, bytes.size());
  out += bytes;
}

// The payload of each sort of entry after what all have.
struct DataWriter {
  std::string& out;
  std::uint64_t size;

  Result<void> operator()(const DirectoryEntry& dir) const {
    put_number(out, kDirectory);
    out += dir.opaque ? '\1' : '\0';
    return {};
  }
  Result<void> operator()(const BlobRange& range) const {
    if (range.offset != 0 || range.length != size) {
      return Error(EINVAL, "say in a manifest that a file is part of a blob");
    }
    put_number(out, kFile);
    put_number(out, kDigest);
    out.append(reinterpret_cast<const char*>(range.sha256.data()),
               range.sha256.size());
    return {};
  }
  Result<void> operator()(const InlineBytes& file) const {
    put_number(out, kFile);
    put_number(out, kInline);
    put_bytes(out, file.bytes);
    return {};
  }
  Result<void> operator()(const Empty&) const {
    put_number(out, kFile);
    put_number(out, kEmpty);
    return {};
  }
  Result<void> operator()(const SymlinkEntry& link) const {
    put_number(out, kSymlink);
    put_bytes(out, link.target);
    return {};
  }
  Result<void> operator()(const HardLinkEntry& link) const {
    put_number(out, kHardLink);
    put_bytes(out, link.target);
    return {};
  }
  Result<void> operator()(const WhiteoutEntry&) const {
    put_number(out, kWhiteout);
    return {};
  }
};

// --- Reading -----------------------------------------------------------------

template <std::unsigned_integral T>
Result<std::uint64_t> read_big_endian(ByteReader& reader) {
  TRY_ASSIGN(const T value, reader.read<T>());
  return std::byteswap(value);
}

Result<std::uint64_t> read_number(ByteReader& reader) {
  TRY_ASSIGN(const std::uint8_t first, reader.u8());
  if (first <= kLargestByte) return first;
  if (first == kU16) return read_big_endian<std::uint16_t>(reader);
  if (first == kU32) return read_big_endian<std::uint32_t>(reader);
  if (first == kU64) return read_big_endian<std::uint64_t>(reader);
  return bad(fmt::format("0x{:02x} begins no number", first));
}

Result<std::uint32_t> read_number32(ByteReader& reader) {
  TRY_ASSIGN(const std::uint64_t value, read_number(reader));
  if (value > std::numeric_limits<std::uint32_t>::max()) {
    return bad(fmt::format("{} does not fit in 32 bits", value));
  }
  return static_cast<std::uint32_t>(value);
}

Result<std::int64_t> read_signed(ByteReader& reader) {
  TRY_ASSIGN(const std::uint64_t value, read_number(reader));
  const std::uint64_t sign = (value & 1) != 0 ? ~std::uint64_t{0} : 0;
  return static_cast<std::int64_t>((value >> 1) ^ sign);
}

Result<std::string> read_bytes(ByteReader& reader) {
  TRY_ASSIGN(const std::uint64_t count, read_number(reader));
  // Not more than there is, before anything is allocated.
  TRY_ASSIGN(const std::string_view text, reader.text(count));
  return std::string(text);
}

Result<EntryData> read_file(ByteReader& reader, std::uint64_t size) {
  TRY_ASSIGN(const std::uint32_t sort, read_number32(reader));
  switch (sort) {
    case kDigest: {
      BlobRange range{.sha256 = {}, .offset = 0, .length = size};
      TRY_ASSIGN(const auto bytes, reader.bytes(range.sha256.size()));
      std::memcpy(range.sha256.data(), bytes.data(), bytes.size());
      return range;
    }
    case kInline: {
      InlineBytes file;
      TRY_ASSIGN(file.bytes, read_bytes(reader));
      return file;
    }
    case kEmpty:
      return Empty();
    default:
      return bad(fmt::format("{} is no sort of file data", sort));
  }
}

Result<EntryData> read_data(ByteReader& reader, std::uint64_t size) {
  TRY_ASSIGN(const std::uint32_t kind, read_number32(reader));
  switch (kind) {
    case kDirectory: {
      TRY_ASSIGN(const std::uint8_t opaque, reader.u8());
      if (opaque > 1) return bad("opaque is neither yes nor no");
      return DirectoryEntry{.opaque = opaque == 1};
    }
    case kFile:
      return read_file(reader, size);
    case kSymlink: {
      SymlinkEntry link;
      TRY_ASSIGN(link.target, read_bytes(reader));
      TRY(check_link_target(link.target));
      return link;
    }
    case kHardLink: {
      HardLinkEntry link;
      TRY_ASSIGN(link.target, read_bytes(reader));
      TRY(clean_path(link.target));
      return link;
    }
    case kWhiteout:
      return WhiteoutEntry();
    default:
      return bad(fmt::format("{} is no kind of entry", kind));
  }
}

Result<void> read_entry(ByteReader& reader, Entry& entry) {
  TRY_ASSIGN(entry.path, read_bytes(reader));
  TRY(clean_path(entry.path));
  TRY_ASSIGN(entry.size, read_number(reader));
  TRY_ASSIGN(entry.mode, read_number32(reader));
  TRY_ASSIGN(entry.mtime, read_signed(reader));
  TRY_ASSIGN(entry.data, read_data(reader, entry.size));
  if (!reader.at_end()) {
    return bad(fmt::format("{} bytes after the entry", reader.remaining()));
  }
  return {};
}

}  // namespace

std::string manifest_header() {
  std::string item;
  put_big_endian(item, std::uint64_t{1});
  put_number(item, kVersion1);
  return item;
}

Result<void> append_to_manifest(std::string& out, const Entry& entry) {
  const std::size_t start = out.size();
  put_big_endian(out, std::uint64_t{0});
  put_bytes(out, entry.path);
  put_number(out, entry.size);
  put_number(out, entry.mode);
  put_signed(out, entry.mtime);
  const auto put = std::visit(DataWriter{out, entry.size}, entry.data);
  const std::uint64_t length = out.size() - start - kLengthSize;
  if (!put || length > kLongestManifestEntry) {
    out.resize(start);
    if (!put) return put.error().about(printable(entry.path));
    return Error(EFBIG, "write an entry of a manifest", printable(entry.path));
  }
  std::string prefix;
  put_big_endian(prefix, length);
  out.replace(start, kLengthSize, prefix);
  return {};
}

bool looks_like_manifest(std::string_view beginning) {
  // A text does not begin with NULs, an item of a sane length does.
  return beginning.size() >= 4 &&
         beginning.substr(0, 4) == std::string_view("\0\0\0\0", 4);
}

Result<ManifestReader> ManifestReader::open(const ByteSource& source) {
  ManifestReader reader(source);
  TRY_ASSIGN(const auto item, reader.next_item());
  if (!item) return source.bad(0, "no manifest: the file is empty");
  ByteReader fields(as_bytes(*item));
  const auto version = read_number32(fields);
  if (!version || !fields.at_end()) return source.bad(0, "no manifest");
  if (*version != kVersion1) {
    return source.bad(kLengthSize,
                      fmt::format("a manifest of version {} (only version 1 "
                                  "is known)",
                                  *version));
  }
  reader.window_.skip(item->size());
  return reader;
}

// The payload of the item that begins here; the window then stands before it.
Result<std::optional<std::string_view>> ManifestReader::next_item() {
  const std::uint64_t start = window_.position();
  if (window_.remaining() == 0) return std::nullopt;
  if (window_.remaining() < kLengthSize) {
    return source_->bad(start,
                        "truncated manifest entry: the file ends in its "
                        "length");
  }
  TRY_ASSIGN(const std::string_view prefix, window_.peek(kLengthSize));
  const std::uint64_t length =
      std::byteswap(load_le<std::uint64_t>(prefix.data()));
  if (length > kLongestManifestEntry) {
    return source_->bad(
        start, fmt::format("an entry of {} bytes, the most are {}", length,
                           kLongestManifestEntry));
  }
  const std::uint64_t left = window_.remaining() - kLengthSize;
  if (length > left) {
    return source_->bad(start, fmt::format("truncated manifest entry: {} bytes "
                                           "wanted, {} left",
                                           length, left));
  }
  window_.skip(kLengthSize);
  TRY_ASSIGN(const std::string_view payload, window_.peek(length));
  return payload;
}

Result<std::optional<Entry>> ManifestReader::next() {
  const std::uint64_t start = window_.position();
  TRY_ASSIGN(const auto item, next_item());
  if (!item) return std::nullopt;
  ByteReader reader(as_bytes(*item), start + kLengthSize);
  Entry entry;
  const auto read = read_entry(reader, entry);
  if (!read) {
    const std::string where =
        entry.path.empty() ? "" : fmt::format("{}: ", printable(entry.path));
    return source_->bad(start, where + std::string(read.error().subject()));
  }
  window_.skip(item->size());
  return entry;
}

Result<void> read_manifest(const ByteSource& source, const EntrySink& sink,
                           const std::function<bool(std::uint64_t)>& see) {
  Window beginning(source);
  TRY_ASSIGN(const std::string_view first, beginning.peek(4));
  if (!first.empty() && !looks_like_manifest(first)) {
    return read_manifest_text(source, sink, see);
  }
  TRY_ASSIGN(ManifestReader reader, ManifestReader::open(source));
  for (;;) {
    const std::uint64_t start = reader.position();
    TRY_ASSIGN(auto entry, reader.next());
    if (!entry) return {};
    const auto taken = sink(*std::move(entry));
    if (!taken) {
      return Error(taken.error().code(), "",
                   fmt::format("{}: offset {}: {}", source.name, start,
                               taken.error().message()));
    }
    if (see && !see(reader.position())) return Error(ECANCELED, "read");
  }
}

}  // namespace veneer::layerfs
