// SPDX-License-Identifier: MIT
//
// An image, answered from where it lies.
//
// Nothing is parsed at the start but the first 4096 bytes, and nothing is kept:
// a question reads the inode, directory blocks and xattrs that it needs, so the
// first answer takes as long for a million files as for one. Directories are
// searched in binary, between their blocks and within them.
//
// What is here is the image as stored: names and xattrs of the overlay are
// given as they are, and the stubs of composefs are entries like others. What
// they mean is the layer's business (composefs_layer.h), and the dump's.
//
// Nothing in an image is trusted. Each answer is a value or an error with the
// offset; every loop is bounded by the size of the image.
//
// Threads: immutable.

#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "composefs/dir_block.h"
#include "composefs/image_file.h"
#include "composefs/inode.h"
#include "composefs/stored_xattr.h"
#include "composefs/superblock.h"
#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// Where a piece of a file is: the next `size` bytes, at `offset` in the image
/// or, if that is nothing, zeros.
struct Piece {
  std::optional<std::uint64_t> offset;
  std::uint64_t size = 0;
};

class Image {
 public:
  /// `fd` is open for reading; `name` is what errors call the image.
  /// Fails  EINVAL   it is no image
  ///        ENOTSUP  it has features that are not read
  ///        EUCLEAN  it contradicts itself
  static Result<Image> open(sys::UniqueFd fd, std::string name);
  /// The same by path.
  static Result<Image> open(const std::string& path);

  const ImageInfo& info() const { return info_; }
  const ImageFile& file() const { return file_; }
  Nid root() const { return info_.super.root_nid; }

  // The forms with a Window share what it holds with the caller's next
  // question.

  Result<Inode> inode(Nid nid, Window& window) const;
  Result<Inode> inode(Nid nid) const;

  /// Requires a directory. Fails ENOTDIR otherwise.
  Result<std::optional<Nid>> find(const Inode& dir,
                                  std::string_view name) const;
  /// Calls `sink` for each entry in the order they are stored, which is that
  /// of their bytes; "." and ".." too. The name is valid during the call. The
  /// sink says whether to go on.
  using DirSink = absl::FunctionRef<bool(const DirItem&)>;
  Result<void> read_dir(const Inode& dir, DirSink sink) const;

  /// Fails  EINVAL   it is no symbolic link
  ///        EUCLEAN  the target is empty or has a NUL in it
  Result<std::string> read_link(const Inode& link) const;

  /// Calls `sink` for each xattr, its own before those it shares. Those with a
  /// prefix that is not known are left out. The sink says whether to go on.
  using XattrSink = absl::FunctionRef<bool(const StoredXattr&)>;
  Result<void> for_each_xattr(const Inode& inode, Window& window,
                              XattrSink sink) const;
  Result<void> for_each_xattr(const Inode& inode, XattrSink sink) const;
  /// The value of the xattr stored as `name`. Where the image has a filter of
  /// names, most that are absent are told without looking.
  Result<std::optional<std::string>> xattr(const Inode& inode,
                                           std::string_view name) const;

  /// What is at `offset` of a regular file's data. Requires offset < size.
  Result<Piece> piece_at(const Inode& file, std::uint64_t offset) const;
  /// Reads from a regular file; returns how many bytes, fewer only at its end.
  /// Chunks that are holes read as zeros, which for a file whose content is
  /// elsewhere is all of it.
  Result<std::size_t> read(const Inode& file, std::uint64_t offset,
                           std::span<std::byte> into) const;

 private:
  Image(ImageFile file, const ImageInfo& info)
      : file_(std::move(file)), info_(info) {}

  std::uint64_t dir_blocks(const Inode& dir) const;
  Result<DirBlock> dir_block(const Inode& dir, std::uint64_t index,
                             Window& window) const;
  Result<std::uint64_t> block_for(const Inode& dir, std::string_view name,
                                  Window& window) const;
  Result<bool> visit_shared(const Inode& inode, Window& window,
                            std::span<const std::byte> ids,
                            XattrSink sink) const;
  Result<Piece> piece_at(const Inode& file, std::uint64_t offset,
                         Window& window) const;
  Result<Piece> chunk_at(const Inode& file, std::uint64_t offset,
                         Window& window) const;

  ImageFile file_;
  ImageInfo info_;
};

}  // namespace veneer::composefs
