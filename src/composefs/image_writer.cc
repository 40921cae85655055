// SPDX-License-Identifier: MIT
//
// Twice over the inodes in their order: once for the inodes with their tails,
// once for the data blocks behind them all.

#include "composefs/image_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "composefs/format.h"
#include "composefs/image_stream.h"

namespace veneer::composefs {
namespace {

// A piece of the image that is made before it goes on its way.
constexpr std::size_t kPiece = std::size_t{256} << 10;

FileType type_of(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileType::kRegular;
    case S_IFDIR:
      return FileType::kDirectory;
    case S_IFCHR:
      return FileType::kCharDevice;
    case S_IFBLK:
      return FileType::kBlockDevice;
    case S_IFIFO:
      return FileType::kFifo;
    case S_IFSOCK:
      return FileType::kSocket;
    case S_IFLNK:
      return FileType::kSymlink;
    default:
      return FileType::kUnknown;
  }
}

class ImageWriter {
 public:
  ImageWriter(const Plan& plan, int fd) : plan_(plan), stream_(fd) {
    out_.reserve(kPiece + kBlockSize);
  }

  Result<WrittenImage> write();

 private:
  // A directory's block: its entries, and how many bytes they take.
  struct Block {
    std::vector<PlannedEntry> entries;
    std::uint64_t size = 0;
  };

  void write_head();
  void write_inode(NodeIndex index, std::uint32_t number);
  DataLayout layout_of(const TreeNode& node, const Extent& extent) const;
  std::uint32_t data_field(NodeIndex index, const Extent& extent);
  template <typename Inode>
  void write_common(Inode& inode, NodeIndex index, std::uint32_t number,
                    const Extent& extent);
  void write_tail(NodeIndex index, std::uint64_t tail);
  void write_data(NodeIndex index, const Extent& extent);
  template <typename Sink>
  void for_each_block(NodeIndex dir, Sink&& sink) const;
  void write_block(const Block& block);

  template <typename T>
  void put(const T& record) {
    out_.bytes(std::as_bytes(std::span(&record, 1)));
  }
  std::uint64_t position() const { return flushed_ + out_.size(); }
  void pad_to(std::uint64_t position);
  void flush(std::uint64_t least);

  const Plan& plan_;
  ImageStream stream_;
  // What was made and is not on its way. It begins at a whole block, so that
  // what is aligned in it is aligned in the image.
  ByteWriter out_;
  std::uint64_t flushed_ = 0;
  std::uint64_t next_block_ = 0;
};

Result<WrittenImage> ImageWriter::write() {
  next_block_ = plan_.data_start() / kBlockSize;
  write_head();
  std::uint32_t number = 0;
  for (const NodeIndex index : plan_.inodes()) {
    write_inode(index, number++);
    flush(kPiece);
  }
  pad_to(plan_.inodes_end());
  plan_.xattrs().write_table(out_);
  pad_to(plan_.data_start());
  for (const NodeIndex index : plan_.inodes()) {
    write_data(index, plan_.extent(index));
  }
  flush(0);
  TRY_ASSIGN(const Digest256 digest, stream_.finish());
  return WrittenImage{digest, flushed_};
}

void ImageWriter::write_head() {
  ImageHeader header;
  header.flags = plan_.xattrs().has_acl() ? kHasAcl : 0;
  header.composefs_version = plan_.version();
  put(header);
  pad_to(kSuperOffset);
  Superblock super;
  super.feature_compat = kCompatMtime | kCompatXattrFilter;
  super.root_nid = static_cast<std::uint16_t>(plan_.nid(kRootNode));
  super.inode_count = plan_.inodes().size();
  super.build_time = std::bit_cast<std::uint64_t>(plan_.build_time());
  super.build_time_nsec = plan_.build_time_nsec();
  super.blocks = static_cast<std::uint32_t>(plan_.blocks());
  super.xattr_block =
      static_cast<std::uint32_t>(plan_.inodes_end() / kBlockSize);
  put(super);
}

// --- Inodes ------------------------------------------------------------------

DataLayout ImageWriter::layout_of(const TreeNode& node,
                                  const Extent& extent) const {
  if (node.is_external()) return DataLayout::kChunkBased;
  return extent.tail > 0 ? DataLayout::kFlatInline : DataLayout::kFlatPlain;
}

std::uint32_t ImageWriter::data_field(NodeIndex index, const Extent& extent) {
  const TreeNode& node = plan_.node(index);
  if (node.is_device()) return plan_.mode(index) == node.mode ? node.rdev : 0;
  std::uint32_t field = 0;
  if (extent.blocks > 0) {
    field = static_cast<std::uint32_t>(next_block_);
    next_block_ += extent.blocks;
  }
  if (node.is_external()) {
    field = (field & ~0xffffU) | (decide_chunks(node.size).bits - kBlockBits);
  }
  return field;
}

template <typename Inode>
void ImageWriter::write_common(Inode& inode, NodeIndex index,
                               std::uint32_t number, const Extent& extent) {
  const TreeNode& node = plan_.node(index);
  const std::uint64_t xattrs =
      plan_.xattrs().size_of(node, plan_.xattr_set(index));
  const auto layout = static_cast<std::uint16_t>(layout_of(node, extent));
  inode.format |= static_cast<std::uint16_t>(layout << kFormatLayoutShift);
  if (xattrs > 0) {
    inode.xattr_count = static_cast<std::uint16_t>(
        (xattrs - sizeof(XattrHeader)) / kXattrAlign + 1);
  }
  inode.mode = plan_.mode(index);
  inode.nlink = static_cast<decltype(inode.nlink)>(plan_.nlink(index));
  inode.size = static_cast<decltype(inode.size)>(plan_.size(index));
  inode.data = data_field(index, extent);
  inode.ino = number;
  inode.uid = static_cast<decltype(inode.uid)>(node.uid);
  inode.gid = static_cast<decltype(inode.gid)>(node.gid);
}

void ImageWriter::write_inode(NodeIndex index, std::uint32_t number) {
  const TreeNode& node = plan_.node(index);
  const Extent extent = plan_.extent(index);
  pad_to(plan_.nid(index) * kInodeSlot);
  if (plan_.is_extended(index)) {
    ExtendedInode inode;
    inode.mtime = std::bit_cast<std::uint64_t>(node.mtime);
    inode.mtime_nsec = node.mtime_nsec;
    write_common(inode, index, number, extent);
    put(inode);
  } else {
    CompactInode inode;
    write_common(inode, index, number, extent);
    put(inode);
  }
  plan_.xattrs().write(node, plan_.xattr_set(index), out_);
  if (extent.tail > 0) write_tail(index, extent.tail);
}

void ImageWriter::write_tail(NodeIndex index, std::uint64_t tail) {
  const TreeNode& node = plan_.node(index);
  if (node.is_dir()) {
    for_each_block(index, [&](const Block& block, bool is_last) {
      if (is_last) write_block(block);
    });
  } else if (node.is_external()) {
    for (std::uint64_t i = 0; i < tail; i += sizeof(kHole)) out_.u32(kHole);
  } else {
    const std::string_view text = plan_.tree().text(node);
    out_.text(text.substr(text.size() - tail));
  }
}

// --- Data --------------------------------------------------------------------

void ImageWriter::write_data(NodeIndex index, const Extent& extent) {
  if (extent.blocks == 0) return;
  const TreeNode& node = plan_.node(index);
  if (node.is_dir()) {
    const bool is_last_inline = extent.tail > 0;
    for_each_block(index, [&](const Block& block, bool is_last) {
      if (is_last && is_last_inline) return;
      write_block(block);
      out_.align(kBlockSize);
      flush(kPiece);
    });
    return;
  }
  if (node.is_external()) {
    for (std::uint64_t i = 0; i < kBlockSize; i += sizeof(kHole)) {
      out_.u32(kHole);
    }
  } else {
    const std::string_view text = plan_.tree().text(node);
    out_.text(text.substr(0, text.size() - extent.tail));
    out_.align(kBlockSize);
  }
  flush(kPiece);
}

// Calls `sink(block, is_last)` for each block of a directory.
template <typename Sink>
void ImageWriter::for_each_block(NodeIndex dir, Sink&& sink) const {
  Block block;
  plan_.for_each_entry(dir, [&](const PlannedEntry& entry) {
    const std::uint64_t cost = sizeof(Dirent) + entry.name.size();
    if (block.size + cost > kBlockSize) {
      sink(block, false);
      block.entries.clear();
      block.size = 0;
    }
    block.entries.push_back(entry);
    block.size += cost;
  });
  sink(block, true);
}

void ImageWriter::write_block(const Block& block) {
  std::size_t name_at = block.entries.size() * sizeof(Dirent);
  for (const PlannedEntry& entry : block.entries) {
    Dirent dirent;
    dirent.nid = plan_.nid(entry.node);
    dirent.name_offset = static_cast<std::uint16_t>(name_at);
    dirent.type = static_cast<std::uint8_t>(type_of(plan_.mode(entry.node)));
    put(dirent);
    name_at += entry.name.size();
  }
  for (const PlannedEntry& entry : block.entries) out_.text(entry.name);
}

// --- Bytes -------------------------------------------------------------------

void ImageWriter::pad_to(std::uint64_t position_wanted) {
  // The plan never goes back.
  out_.zeros(static_cast<std::size_t>(position_wanted - position()));
}

void ImageWriter::flush(std::uint64_t least) {
  if (out_.size() < std::max<std::uint64_t>(least, 1)) return;
  std::vector<std::byte> piece = std::move(out_).take();
  const std::size_t whole = piece.size() / kBlockSize * kBlockSize;
  out_ = ByteWriter();
  out_.reserve(kPiece + kBlockSize);
  out_.bytes(std::span(piece).subspan(whole));
  piece.resize(whole);
  flushed_ += whole;
  stream_.put(std::move(piece));
}

}  // namespace

Result<WrittenImage> write_image(const Plan& plan, int fd) {
  return ImageWriter(plan, fd).write();
}

}  // namespace veneer::composefs
