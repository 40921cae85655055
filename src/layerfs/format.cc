// SPDX-License-Identifier: MIT
//
// Items to bytes and back. An item's length is fixed by what it says it is, so
// decoding compares the two once and then reads without asking.

#include "layerfs/format.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

namespace veneer::layerfs {
namespace {

constexpr std::uint32_t kEmptyTag = 0;
constexpr std::uint32_t kInlineTag = 1;
constexpr std::uint32_t kDigestTag = 2;
constexpr std::uint32_t kWhiteoutTag = 0;
constexpr std::uint32_t kInodeTag = 1;
constexpr std::uint32_t kLastKind = 6;

Error bad(std::string what) { return Error(EIO, "decode", std::move(what)); }

// Takes numbers from the front of bytes that are known to be long enough.
class Take {
 public:
  explicit Take(std::span<const std::byte> bytes) : at_(bytes.data()) {}

  std::uint8_t u8() { return std::to_integer<std::uint8_t>(*skip(1)); }
  std::uint32_t u32() { return load_be<std::uint32_t>(skip(4)); }
  std::uint64_t u64() { return load_be<std::uint64_t>(skip(8)); }
  std::string_view text(std::size_t size) {
    return {reinterpret_cast<const char*>(skip(size)), size};
  }

 private:
  const std::byte* skip(std::size_t count) {
    const std::byte* const at = at_;
    at_ += count;
    return at;
  }
  const std::byte* at_;
};

// The payload of the item that `bytes` begin with.
Result<std::span<const std::byte>> payload_of(
    std::span<const std::byte> bytes) {
  TRY_ASSIGN(const std::size_t size, item_size(bytes));
  return bytes.subspan(kPrefix, size - kPrefix);
}

// The same of a super block, which is a file of its own.
Result<std::span<const std::byte>> super_payload(
    std::span<const std::byte> bytes) {
  TRY_ASSIGN(const auto payload, payload_of(bytes));
  if (kPrefix + payload.size() != bytes.size()) {
    return bad(fmt::format("{} bytes after the end",
                           bytes.size() - kPrefix - payload.size()));
  }
  if (payload.size() < 12) {
    return bad(fmt::format("a super block of {} bytes", payload.size()));
  }
  return payload;
}

Result<Kind> kind_of(std::uint32_t value) {
  if (value > kLastKind) return bad(fmt::format("there is no kind {}", value));
  return static_cast<Kind>(value);
}

std::size_t payload_size(std::uint32_t tag) {
  switch (tag) {
    case kEmptyTag:
      return 16;
    case kInlineTag:
      return 32;
    default:
      return 64;
  }
}

std::uint32_t tag_of(const Content& content) {
  return static_cast<std::uint32_t>(content.index());
}

}  // namespace

std::string dir_file_name(std::uint32_t offset) {
  return fmt::format("{}{}", offset, kDirSuffix);
}

std::optional<std::uint32_t> offset_of_dir_file(std::string_view name) {
  if (!name.ends_with(kDirSuffix)) return std::nullopt;
  name.remove_suffix(kDirSuffix.size());
  std::uint32_t offset = 0;
  const auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), offset);
  if (error != std::errc() || end != name.data() + name.size()) {
    return std::nullopt;
  }
  if (offset == 0 || name.starts_with('0')) return std::nullopt;
  return offset;
}

std::uint64_t length_of(const Content& content) {
  if (const auto* in = std::get_if<InlineRange>(&content)) return in->length;
  if (const auto* blob = std::get_if<BlobRange>(&content)) return blob->length;
  return 0;
}

// --- Encoding ----------------------------------------------------------------

void write_table_header(BeWriter& out) {
  out.u64(kTableHeader - kPrefix);
  out.u32(kFormatVersion);
}

std::size_t inode_item_size(const Content& content) {
  return kPrefix + payload_size(tag_of(content));
}

void write_inode(BeWriter& out, const InodeRecord& inode) {
  out.u64(payload_size(tag_of(inode.content)));
  out.u32(static_cast<std::uint32_t>(inode.kind));
  out.u32(tag_of(inode.content));
  if (const auto* in = std::get_if<InlineRange>(&inode.content)) {
    out.u64(in->offset);
    out.u64(in->length);
  } else if (const auto* blob = std::get_if<BlobRange>(&inode.content)) {
    out.raw(std::span<const std::uint8_t>(blob->sha256));
    out.u64(blob->offset);
    out.u64(blob->length);
  }
  out.u64(inode.attributes_id);
}

void write_attributes(BeWriter& out, const AttributesRecord& attributes) {
  out.u64(kAttributesItem - kPrefix);
  out.u64(attributes.size);
  out.u32(attributes.mode);
  out.i64(attributes.mtime);
}

void write_dir_header(BeWriter& out, std::uint64_t root) {
  out.u64(kDirHeader - kPrefix);
  out.u32(kFormatVersion);
  out.u64(root);
}

std::size_t dir_item_size(std::size_t name_size, bool whiteout) {
  return name_size + (whiteout ? kWhiteoutItem : kChildItem);
}

void write_dir_item(BeWriter& out, const DirItem& item) {
  const Target& target = item.target;
  out.u64(dir_item_size(item.name.size(), target.whiteout) - kPrefix);
  out.text(item.name);
  out.u32(target.whiteout ? kWhiteoutTag : kInodeTag);
  if (!target.whiteout) {
    out.u32(target.id.layer);
    out.u32(target.id.offset);
    out.u32(static_cast<std::uint32_t>(target.kind));
    out.u8(target.opaque ? 1 : 0);
  }
  out.u32(item.height);
  out.u64(item.left);
  out.u64(item.right);
}

std::vector<std::byte> encode_super(const Super& super) {
  BeWriter out;
  std::size_t size = 12;
  for (const auto& lower : super.lowers) size += 12 + lower.path.size();
  out.u64(size);
  out.u32(super.layer_id);
  out.u64(super.lowers.size());
  auto lowers = super.lowers;
  std::ranges::sort(lowers, {}, &Super::Lower::layer_id);
  for (const auto& lower : lowers) {
    out.u32(lower.layer_id);
    out.text(lower.path);
  }
  return std::move(out).take();
}

// --- Decoding ----------------------------------------------------------------

Result<std::size_t> item_size(std::span<const std::byte> bytes) {
  if (bytes.size() < kPrefix) {
    return bad(fmt::format("{} bytes are left of an item", bytes.size()));
  }
  const auto length = load_be<std::uint64_t>(bytes.data());
  if (length > kLongestItem) {
    return bad(fmt::format("an item of {} bytes", length));
  }
  if (length > bytes.size() - kPrefix) {
    return bad(fmt::format("an item of {} bytes, of which {} are there", length,
                           bytes.size() - kPrefix));
  }
  return kPrefix + static_cast<std::size_t>(length);
}

Result<void> check_table_header(std::span<const std::byte> bytes) {
  TRY_ASSIGN(const auto payload, payload_of(bytes));
  if (payload.size() != kTableHeader - kPrefix) {
    return bad(fmt::format("a header of {} bytes", payload.size()));
  }
  const std::uint32_t version = Take(payload).u32();
  if (version != kFormatVersion) {
    return bad(fmt::format("version {} is not known", version));
  }
  return {};
}

Result<InodeRecord> decode_inode(std::span<const std::byte> bytes) {
  TRY_ASSIGN(const auto payload, payload_of(bytes));
  if (payload.size() < payload_size(kEmptyTag)) {
    return bad(fmt::format("an inode of {} bytes", payload.size()));
  }
  Take take(payload);
  InodeRecord inode;
  TRY_ASSIGN(inode.kind, kind_of(take.u32()));
  const std::uint32_t tag = take.u32();
  if (tag > kDigestTag || payload.size() != payload_size(tag)) {
    return bad(fmt::format("an inode of {} bytes with content of sort {}",
                           payload.size(), tag));
  }
  if (tag == kInlineTag) {
    InlineRange in;
    in.offset = take.u64();
    in.length = take.u64();
    inode.content = in;
  } else if (tag == kDigestTag) {
    BlobRange blob;
    std::ranges::copy(take.text(blob.sha256.size()), blob.sha256.begin());
    blob.offset = take.u64();
    blob.length = take.u64();
    inode.content = blob;
  }
  inode.attributes_id = take.u64();
  if (inode.attributes_id == 0) return bad("an inode without attributes");
  return inode;
}

Result<AttributesRecord> decode_attributes(std::span<const std::byte> bytes) {
  TRY_ASSIGN(const auto payload, payload_of(bytes));
  if (payload.size() != kAttributesItem - kPrefix) {
    return bad(fmt::format("attributes of {} bytes", payload.size()));
  }
  Take take(payload);
  AttributesRecord attributes;
  attributes.size = take.u64();
  attributes.mode = take.u32();
  attributes.mtime = static_cast<std::int64_t>(take.u64());
  return attributes;
}

Result<std::uint64_t> decode_dir_header(std::span<const std::byte> bytes) {
  TRY_ASSIGN(const auto payload, payload_of(bytes));
  if (payload.size() != kDirHeader - kPrefix) {
    return bad(fmt::format("a header of {} bytes", payload.size()));
  }
  Take take(payload);
  const std::uint32_t version = take.u32();
  if (version != kFormatVersion) {
    return bad(fmt::format("version {} is not known", version));
  }
  return take.u64();
}

Result<DirItem> decode_dir_item(std::span<const std::byte> bytes) {
  TRY_ASSIGN(const auto payload, payload_of(bytes));
  if (payload.size() < kWhiteoutItem - kPrefix) {
    return bad(fmt::format("an entry of {} bytes", payload.size()));
  }
  Take take(payload);
  DirItem item;
  const std::uint64_t name_size = take.u64();
  const std::size_t room = payload.size() - (kWhiteoutItem - kPrefix);
  if (name_size > room) {
    return bad(fmt::format("a name of {} bytes in an entry of {}", name_size,
                           payload.size()));
  }
  item.name = take.text(static_cast<std::size_t>(name_size));
  const std::uint32_t tag = take.u32();
  item.target.whiteout = tag == kWhiteoutTag;
  if (tag > kInodeTag ||
      kPrefix + payload.size() !=
          dir_item_size(item.name.size(), item.target.whiteout)) {
    return bad(fmt::format("an entry of {} bytes and sort {}, name of {}",
                           payload.size(), tag, name_size));
  }
  if (!item.target.whiteout) {
    item.target.id.layer = take.u32();
    item.target.id.offset = take.u32();
    TRY_ASSIGN(item.target.kind, kind_of(take.u32()));
    const std::uint8_t opaque = take.u8();
    if (opaque > 1) return bad(fmt::format("{} for a yes or no", opaque));
    item.target.opaque = opaque != 0;
    if (item.target.id.offset == 0) return bad("an entry without an inode");
  }
  item.height = take.u32();
  item.left = take.u64();
  item.right = take.u64();
  return item;
}

Result<std::uint32_t> decode_layer_id(std::span<const std::byte> bytes) {
  TRY_ASSIGN(const auto payload, super_payload(bytes));
  return Take(payload).u32();
}

Result<Super> decode_super(std::span<const std::byte> bytes) {
  TRY_ASSIGN(const auto payload, super_payload(bytes));
  Take take(payload);
  Super super;
  super.layer_id = take.u32();
  const std::uint64_t count = take.u64();
  std::size_t left = payload.size() - 12;
  if (count != super.layer_id || count > left / 12) {
    return bad(fmt::format("layer {} is said to have {} below it",
                           super.layer_id, count));
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (left < 12) return bad("the list of layers is cut short");
    Super::Lower lower;
    lower.layer_id = take.u32();
    const std::uint64_t size = take.u64();
    left -= 12;
    if (size > left) return bad("the list of layers is cut short");
    lower.path = take.text(static_cast<std::size_t>(size));
    left -= lower.path.size();
    super.lowers.push_back(std::move(lower));
  }
  if (left != 0) return bad("something follows the list of layers");
  std::ranges::sort(super.lowers, {}, &Super::Lower::layer_id);
  for (std::uint32_t i = 0; i < super.lowers.size(); ++i) {
    if (super.lowers[i].layer_id != i) {
      return bad(fmt::format("layer {} is not in the list, or twice", i));
    }
    const std::string& path = super.lowers[i].path;
    if (path.empty() || path.find('\0') != path.npos) {
      return bad(fmt::format("layer {} has no valid path", i));
    }
  }
  return super;
}

// --- Names and types ---------------------------------------------------------

bool is_valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && name != "." &&
         name != ".." && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

std::uint32_t type_bits(Kind kind) {
  constexpr std::uint32_t kBits[] = {S_IFIFO, S_IFCHR, S_IFBLK, S_IFDIR,
                                     S_IFREG, S_IFLNK, S_IFSOCK};
  return kBits[static_cast<std::size_t>(kind)];
}

std::uint8_t dirent_type(Kind kind) {
  return static_cast<std::uint8_t>(IFTODT(type_bits(kind)));
}

}  // namespace veneer::layerfs
