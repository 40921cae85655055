// SPDX-License-Identifier: MIT

#include "finalize/compare.h"

#include <sys/stat.h>

#include "finalize/same_bytes.h"

namespace veneer::finalize {

namespace {

constexpr unsigned kImmutable = 0x10;   // FS_IMMUTABLE_FL
constexpr unsigned kAppendOnly = 0x20;  // FS_APPEND_FL

bool has_flags(const Attr& attr) {
  return S_ISREG(attr.mode) || S_ISDIR(attr.mode);
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
    case S_IFREG: {
      const std::uint64_t size = object.attr.size;
      if (size != old_object.attr().size) return true;
      if (size == 0) return false;
      TRY_ASSIGN(const FileData now, object.layer.open_data(object.node));
      TRY_ASSIGN(const FileData then, base.data(old_object));
      TRY_ASSIGN(const bool same, same_bytes(now, then, size));
      return !same;
    }
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
