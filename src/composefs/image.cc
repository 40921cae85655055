// SPDX-License-Identifier: MIT
//
// Opening an image, and its inodes, directories and links.

#include "composefs/image.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "sys/open.h"

namespace veneer::composefs {

Result<Image> Image::open(sys::UniqueFd fd, std::string name) {
  TRY_ASSIGN(ImageFile file, ImageFile::open(std::move(fd), std::move(name)));
  std::array<std::byte, kHeadSize> head;
  const auto some = std::span(head).first(static_cast<std::size_t>(
      std::min<std::uint64_t>(kHeadSize, file.size())));
  TRY(file.read(0, some));
  const auto info = read_superblock(some);
  if (!info) {
    const Error& error = info.error();
    return Error(error.code(), "open image",
                 fmt::format("{}: {}", file.name(), error.subject()));
  }
  Image image(std::move(file), *info);
  TRY_ASSIGN(const Inode root, image.inode(image.root()));
  if (!root.is_dir()) {
    return image.file_.bad(root.offset, "the root is no directory");
  }
  return image;
}

Result<Image> Image::open(const std::string& path) {
  TRY_ASSIGN(sys::UniqueFd fd, sys::open_file(path));
  return open(std::move(fd), path);
}

Result<Inode> Image::inode(Nid nid, Window& window) const {
  // The image's size bounds the number, so that the offset cannot overflow.
  if (nid > file_.size() >> kInodeSlotBits) {
    return file_.bad(0, fmt::format("no inode {} is inside the image", nid));
  }
  const std::uint64_t offset = info_.meta_offset() + (nid << kInodeSlotBits);
  TRY_ASSIGN(auto bytes, window.get(offset, sizeof(CompactInode)));
  if (is_extended(bytes)) {
    TRY_ASSIGN(bytes, window.get(offset, sizeof(ExtendedInode)));
  }
  auto inode = parse_inode(bytes, nid, offset, info_, file_.size());
  if (!inode) {
    return Error(inode.error().code(), "read image",
                 fmt::format("{}: {}", file_.name(), inode.error().subject()));
  }
  return inode;
}

Result<Inode> Image::inode(Nid nid) const {
  Window window(file_);
  return inode(nid, window);
}

std::uint64_t Image::dir_blocks(const Inode& dir) const {
  return (dir.size + info_.block_size() - 1) >> info_.super.block_bits;
}

Result<DirBlock> Image::dir_block(const Inode& dir, std::uint64_t index,
                                  Window& window) const {
  const std::uint64_t begin = index << info_.super.block_bits;
  const std::uint64_t size = std::min(info_.block_size(), dir.size - begin);
  TRY_ASSIGN(const Piece piece, piece_at(dir, begin, window));
  // A block of flat data is in one piece, and never a hole.
  TRY_ASSIGN(const auto bytes,
             window.get(*piece.offset, static_cast<std::size_t>(size)));
  auto block = DirBlock::open(bytes, *piece.offset);
  if (!block) {
    return Error(block.error().code(), "read image",
                 fmt::format("{}: {}", file_.name(), block.error().subject()));
  }
  return block;
}

// The last block that begins with `name` or a name before it.
Result<std::uint64_t> Image::block_for(const Inode& dir, std::string_view name,
                                       Window& window) const {
  std::uint64_t low = 0;
  std::uint64_t high = dir_blocks(dir);
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    TRY_ASSIGN(const DirBlock block, dir_block(dir, middle, window));
    TRY_ASSIGN(const DirItem first, block.at(0));
    if (first.name <= name) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

Result<std::optional<Nid>> Image::find(const Inode& dir,
                                       std::string_view name) const {
  if (!dir.is_dir()) return Error(ENOTDIR, "find", file_.name());
  if (dir.size == 0) return std::optional<Nid>();
  Window window(file_);
  TRY_ASSIGN(const std::uint64_t index, block_for(dir, name, window));
  TRY_ASSIGN(const DirBlock block, dir_block(dir, index, window));
  TRY_ASSIGN(const auto item, block.find(name));
  if (!item) return std::optional<Nid>();
  return std::optional(item->nid);
}

Result<void> Image::read_dir(const Inode& dir, DirSink sink) const {
  if (!dir.is_dir()) return Error(ENOTDIR, "read_dir", file_.name());
  Window window(file_);
  for (std::uint64_t index = 0; index < dir_blocks(dir); ++index) {
    TRY_ASSIGN(const DirBlock block, dir_block(dir, index, window));
    for (std::size_t i = 0; i < block.size(); ++i) {
      TRY_ASSIGN(const DirItem item, block.at(i));
      if (!sink(item)) return {};
    }
  }
  return {};
}

Result<std::string> Image::read_link(const Inode& link) const {
  if (!link.is_symlink()) return Error(EINVAL, "readlink", file_.name());
  std::string target(static_cast<std::size_t>(link.size), '\0');
  TRY(read(link, 0, std::as_writable_bytes(std::span(target))));
  if (target.empty() || target.find('\0') != target.npos) {
    return file_.bad(link.offset, "an empty target, or a NUL in it");
  }
  return target;
}

}  // namespace veneer::composefs
