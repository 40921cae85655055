// SPDX-License-Identifier: MIT

#include "finalize/compare.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "sys/file.h"

namespace veneer::finalize {

namespace {

constexpr unsigned kImmutable = 0x10;   // FS_IMMUTABLE_FL
constexpr unsigned kAppendOnly = 0x20;  // FS_APPEND_FL

bool has_flags(const Attr& attr) {
  return S_ISREG(attr.mode) || S_ISDIR(attr.mode);
}

Result<std::size_t> read_upper(const FileData& data, std::uint64_t offset,
                               std::span<std::byte> buffer) {
  if (data.fd >= 0) {
    return sys::pread_full(data.fd, buffer.data(), buffer.size(),
                           data.offset + offset);
  }
  if (offset >= data.bytes.size()) return std::size_t{0};
  const auto part = data.bytes.subspan(
      offset, std::min<std::size_t>(buffer.size(), data.bytes.size() - offset));
  std::memcpy(buffer.data(), part.data(), part.size());
  return part.size();
}

Result<bool> bytes_differ(BaseTree& base, const BaseTree::Object& old_object,
                          const UpperObject& object) {
  constexpr std::size_t kPiece = 256 << 10;
  if (object.attr.size != old_object.attr().size) return true;
  if (object.attr.size == 0) return false;
  TRY_ASSIGN(const FileData data, object.layer.open_data(object.node));
  const std::size_t piece = std::min<std::uint64_t>(kPiece, object.attr.size);
  const auto room = std::make_unique<std::byte[]>(2 * piece);
  const std::span<std::byte> ours(room.get(), piece);
  const std::span<std::byte> theirs(room.get() + piece, piece);
  for (std::uint64_t offset = 0; offset < object.attr.size; offset += piece) {
    TRY_ASSIGN(const std::size_t count, read_upper(data, offset, ours));
    TRY_ASSIGN(const std::size_t old_count,
               base.read(old_object, offset, theirs));
    if (count != old_count) return true;
    if (std::memcmp(ours.data(), theirs.data(), count) != 0) return true;
  }
  return false;
}

}  // namespace

unsigned shown_flags(const UpperObject& object) {
  if (!has_flags(object.attr)) return 0;
  const auto stored = object.layer.get_flags(object.node);
  unsigned flags = stored ? *stored : 0U;
  flags &= ~(kImmutable | kAppendOnly);
  if (object.marks.immutable) flags |= kImmutable;
  if (object.marks.append_only) flags |= kAppendOnly;
  return flags & kComparedFlags;
}

Result<std::uint32_t> differing_metadata(BaseTree& base,
                                         const BaseTree::Object& old_object,
                                         const UpperObject& object) {
  const Attr& now = object.attr;
  const Attr& then = old_object.attr();
  std::uint32_t bits = 0;
  if (((now.mode ^ then.mode) & 07777) != 0) bits |= kModeDiffers;
  if (now.uid != then.uid || now.gid != then.gid) bits |= kOwnerDiffers;
  if (!same_time(now.mtime, then.mtime)) bits |= kTimeDiffers;
  TRY_ASSIGN(const auto ours, xattrs_of(object.layer, object.node));
  TRY_ASSIGN(const auto theirs, base.xattrs(old_object));
  if (ours != theirs) bits |= kXattrsDiffer;
  if (has_flags(now)) {
    TRY_ASSIGN(const unsigned flags, base.flags(old_object));
    if (shown_flags(object) != (flags & kComparedFlags)) bits |= kFlagsDiffer;
  }
  return bits;
}

Result<bool> content_differs(BaseTree& base, const BaseTree::Object& old_object,
                             const UpperObject& object) {
  switch (object.attr.mode & S_IFMT) {
    case S_IFREG:
      return bytes_differ(base, old_object, object);
    case S_IFLNK: {
      TRY_ASSIGN(const std::string now, object.layer.read_link(object.node));
      TRY_ASSIGN(const std::string then, base.read_link(old_object));
      return now != then;
    }
    case S_IFCHR:
    case S_IFBLK:
      return object.attr.rdev != old_object.attr().rdev;
    default:
      return false;
  }
}

Result<void> compare_metadata(BaseTree& base,
                              const BaseTree::Object& old_object,
                              const UpperObject& object, Change& change) {
  change.base_attr = old_object.attr();
  TRY_ASSIGN(change.differs, differing_metadata(base, old_object, object));
  return {};
}

Result<void> compare_file(BaseTree& base, const BaseTree::Object& old_object,
                          const UpperObject& object, Change& change) {
  TRY(compare_metadata(base, old_object, object, change));
  change.content_differs = false;
  if (!change.data_in_base) {
    TRY_ASSIGN(change.content_differs,
               content_differs(base, old_object, object));
  }
  return {};
}

ChangeKind kind_by_difference(const Change& change) {
  if (change.content_differs) return ChangeKind::kContent;
  return change.differs != 0 ? ChangeKind::kMetadata : ChangeKind::kNone;
}

}  // namespace veneer::finalize
