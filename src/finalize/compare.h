// SPDX-License-Identifier: MIT
//
// The same or not: an object of the upper against one of the base.
//
// Time of access and of change do not count, nor the link count. Contents count
// byte by byte: sizes first, then both files read side by side, so that the
// first difference ends it. Equal times prove nothing here.

#pragma once

#include "finalize/change.h"
#include "finalize/trees.h"

namespace veneer::finalize {

/// Of an upper object; reading them costs system calls, so once for each.
struct UpperObject {
  Layer& layer;
  const LayerNode& node;
  const Attr& attr;
  const Marks& marks;
};

inline UpperObject upper_object(Layer& layer, const Child& child) {
  return {.layer = layer,
          .node = *child.node,
          .attr = child.attr,
          .marks = child.marks};
}

inline bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/// MetadataBit that differ. Types must be equal.
Result<std::uint32_t> differing_metadata(BaseTree& base,
                                         const BaseTree::Object& old_object,
                                         const UpperObject& object);

/// Bytes of a regular file, target of a link, number of a device. Types must
/// be equal. Directories never differ.
Result<bool> content_differs(BaseTree& base, const BaseTree::Object& old_object,
                             const UpperObject& object);

/// Sets what `change` says of the metadata against `old_object`: base_attr and
/// differs. Types must be equal.
Result<void> compare_metadata(BaseTree& base,
                              const BaseTree::Object& old_object,
                              const UpperObject& object, Change& change);
/// The same and content_differs, of bytes that are on the upper; where they are
/// in the base (data_in_base) the caller knows whose they are.
Result<void> compare_file(BaseTree& base, const BaseTree::Object& old_object,
                          const UpperObject& object, Change& change);
/// Of a file whose name and type stayed.
ChangeKind kind_by_difference(const Change& change);

/// The flags that an overlay keeps over copy-up, of FS_IOC_GETFLAGS.
inline constexpr unsigned kComparedFlags = 0x08 | 0x10 | 0x20 | 0x80;
/// The upper's object shows these; 0 for what has none.
unsigned shown_flags(const UpperObject& object);

}  // namespace veneer::finalize
