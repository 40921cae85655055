// SPDX-License-Identifier: MIT
//
// Images made by hand, byte for byte, so that each field can be wrong.
//
// Every inode has a block of its own: the inode, its xattrs, its tail. What is
// not said is sound.

#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "composefs/format.h"
#include "composefs/image.h"
#include "composefs/inode.h"

namespace veneer::composefs {

using HandXattrs = std::vector<std::pair<std::string, std::string>>;

/// The bytes of a plain struct.
template <typename T>
std::string raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// Which prefix a name is stored with.
inline std::uint8_t prefix_index(std::string_view name) {
  for (std::uint8_t i = 1; i < kXattrPrefixes.size(); ++i) {
    if (name.starts_with(kXattrPrefixes[i])) return i;
  }
  return 0;
}

inline std::string xattr_entry(const std::string& name,
                               const std::string& value) {
  const std::uint8_t index = prefix_index(name);
  const std::string suffix = name.substr(kXattrPrefixes[index].size());
  XattrEntry head;
  head.name_length = static_cast<std::uint8_t>(suffix.size());
  head.name_index = index;
  head.value_size = static_cast<std::uint16_t>(value.size());
  std::string entry = raw(head) + suffix + value;
  entry.resize((entry.size() + 3) / 4 * 4);
  return entry;
}

/// The area behind the inode, with the filter that belongs to it.
inline std::string xattr_area(const HandXattrs& xattrs) {
  if (xattrs.empty()) return {};
  XattrHeader header;
  header.name_filter = ~std::uint32_t{0};
  std::string entries;
  for (const auto& [name, value] : xattrs) {
    const std::uint8_t index = prefix_index(name);
    const std::string suffix = name.substr(kXattrPrefixes[index].size());
    header.name_filter &=
        ~(1U << (hash32(suffix, kNameFilterSeed + index) & 31));
    entries += xattr_entry(name, value);
  }
  return raw(header) + entries;
}

struct HandEntry {
  std::string name;
  Nid nid = 0;
  FileType type = FileType::kRegular;
};

/// One block of a directory, in the order given.
inline std::string dir_block(const std::vector<HandEntry>& entries) {
  std::string heads;
  std::string names;
  for (const HandEntry& entry : entries) {
    Dirent head;
    head.nid = entry.nid;
    head.name_offset = static_cast<std::uint16_t>(
        entries.size() * sizeof(Dirent) + names.size());
    head.type = static_cast<std::uint8_t>(entry.type);
    heads += raw(head);
    names += entry.name;
  }
  return heads + names;
}

class HandMade {
 public:
  static constexpr Nid kRoot = kBlockSize / kInodeSlot;

  HandMade() : bytes_(2 * kBlockSize, '\0') {
    super.root_nid = kRoot;
    super.feature_compat = kCompatMtime | kCompatXattrFilter;
    header.composefs_version = 1;
  }

  ImageHeader header;
  Superblock super;

  std::string& bytes() { return bytes_; }

  /// A block for the next inode, or for data.
  Nid add_block() {
    bytes_.resize(bytes_.size() + kBlockSize);
    return (bytes_.size() - kBlockSize) / kInodeSlot;
  }
  static std::uint32_t block_of(Nid nid) {
    return static_cast<std::uint32_t>(nid * kInodeSlot / kBlockSize);
  }

  void put(std::uint64_t offset, const std::string& what) {
    bytes_.replace(offset, what.size(), what);
  }

  /// Writes an inode and what is behind it. xattr_count is set.
  void put_inode(Nid nid, ExtendedInode inode, const HandXattrs& xattrs = {},
                 const std::string& tail = "") {
    const std::string area = xattr_area(xattrs);
    if (!area.empty()) {
      inode.xattr_count = static_cast<std::uint16_t>(
          (area.size() - sizeof(XattrHeader)) / 4 + 1);
    }
    put(nid * kInodeSlot, raw(inode) + area + tail);
  }

  Nid add_file(const std::string& content, const HandXattrs& xattrs = {},
               mode_t mode = S_IFREG | 0644) {
    const Nid nid = add_block();
    put_inode(nid, inode(mode, content.size(), DataLayout::kFlatInline), xattrs,
              content);
    return nid;
  }

  /// A file whose content is elsewhere.
  Nid add_external(std::uint64_t size, const HandXattrs& xattrs) {
    const Nid nid = add_block();
    ExtendedInode made = inode(S_IFREG | 0644, size, DataLayout::kChunkBased);
    made.data = 31;
    put_inode(nid, made, xattrs, std::string(4, '\xff'));
    return nid;
  }

  Nid add_device(mode_t mode, std::uint32_t device,
                 const HandXattrs& xattrs = {}) {
    const Nid nid = add_block();
    ExtendedInode made = inode(mode, 0, DataLayout::kFlatPlain);
    made.data = device;
    put_inode(nid, made, xattrs);
    return nid;
  }

  /// "." and ".." are added.
  void put_dir(Nid nid, Nid parent, std::vector<HandEntry> entries,
               const HandXattrs& xattrs = {}) {
    entries.push_back({".", nid, FileType::kDirectory});
    entries.push_back({"..", parent, FileType::kDirectory});
    std::ranges::sort(entries, {}, &HandEntry::name);
    const std::string tail = dir_block(entries);
    put_inode(nid, inode(S_IFDIR | 0755, tail.size(), DataLayout::kFlatInline),
              xattrs, tail);
  }
  void put_root(std::vector<HandEntry> entries, const HandXattrs& xattrs = {}) {
    put_dir(kRoot, kRoot, std::move(entries), xattrs);
  }

  static ExtendedInode inode(mode_t mode, std::uint64_t size,
                             DataLayout layout) {
    ExtendedInode made;
    made.format = static_cast<std::uint16_t>(
        kFormatExtended | static_cast<unsigned>(layout) << kFormatLayoutShift);
    made.mode = static_cast<std::uint16_t>(mode);
    made.size = size;
    made.nlink = 1;
    return made;
  }

  std::string finish() {
    put(0, raw(header));
    super.blocks = static_cast<std::uint32_t>(bytes_.size() / kBlockSize);
    put(kSuperOffset, raw(super));
    return bytes_;
  }

 private:
  std::string bytes_;
};

/// A file in memory with these bytes.
inline sys::UniqueFd file_with(std::string_view bytes) {
  sys::UniqueFd fd(::memfd_create("image", MFD_CLOEXEC));
  EXPECT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), 0),
            static_cast<ssize_t>(bytes.size()));
  return fd;
}

inline Result<Image> open_bytes(std::string_view bytes) {
  return Image::open(file_with(bytes), "image");
}

}  // namespace veneer::composefs
