// SPDX-License-Identifier: MIT
//
// Reading a stack of layers: from a FileId to what it is.
//
// Every record that is asked for is read from its file there and then, with its
// bounds checked; nothing is mapped, so a file cut short under us is an error
// and no signal. Where a layer has our own file, what is read for the first
// time is compared with its digest. Only directories are kept, a bounded amount
// of them.
//
// Errors of a damaged layer are EIO, about the file, with the offset.
//
// Threads: thread-safe. No lock is held over a read from disk.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/lru_map.h"
#include "base/mutex.h"
#include "layerfs/blobs.h"
#include "layerfs/dir_file.h"
#include "layerfs/one_layer.h"

namespace veneer::layerfs {

class LayerReader {
 public:
  /// As LayerFs::from_path.
  static Result<std::shared_ptr<LayerReader>> open(const std::string& path,
                                                   const std::string& blobs);

  const std::string& path() const { return layers_.back()->path(); }
  std::uint32_t layer_id() const {
    return static_cast<std::uint32_t>(layers_.size() - 1);
  }
  OneLayer& top() const { return *layers_.back(); }
  OneLayer& layer(std::uint32_t id) const { return *layers_[id]; }
  const BlobDir& blobs() const { return blobs_; }

  /// The top layer's root directory.
  FileId root() const { return {layer_id(), kRootOffset}; }

  /// The record of an inode.
  Result<InodeRecord> inode(FileId id) const;
  Result<AttributesRecord> attributes(FileId id,
                                      const InodeRecord& inode) const;
  /// Names of the inode, for a directory 2 and one for each below.
  Result<std::uint32_t> nlink(FileId id, const InodeRecord& inode);

  /// The entries of a directory, from the cache if they are there. Requires
  /// that the caller knows it to be one.
  Result<DirFileRef> dir(FileId id);
  /// The same past the cache, for walks that see each directory once.
  Result<DirFileRef> read_dir_file(FileId id) const;

  /// The kind of an entry's inode, which is read where entries may be wrong.
  Result<Kind> kind_of(const Target& target) const;

  /// Target of a symbolic link.
  Result<std::string> read_link(FileId id, const InodeRecord& inode) const;
  /// A descriptor of the file that has the content's bytes, in which they are
  /// known to be; nothing for an empty content.
  /// Fails  EIO  about the blob: it is not there, or too short
  struct Source {
    sys::SharedFd fd;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  Result<std::optional<Source>> open_content(FileId id, const Content& content);

  /// Changes how much memory dir() may keep.
  void set_directory_bytes(std::size_t bytes);

 private:
  LayerReader(std::vector<std::unique_ptr<OneLayer>> layers, std::string blobs)
      : layers_(std::move(layers)), blobs_(std::move(blobs)) {}
  Result<OneLayer*> owner(FileId id) const;

  const std::vector<std::unique_ptr<OneLayer>> layers_;  // from the bottom
  BlobDir blobs_;

  Mutex mu_{Rank::kLeaf};
  LruMap<std::uint64_t, DirFileRef> dirs_ GUARDED_BY(mu_){kMostDirs};
  std::size_t dir_bytes_ GUARDED_BY(mu_) = 0;
  std::size_t most_dir_bytes_ GUARDED_BY(mu_) = std::size_t{64} << 20;
  static constexpr std::size_t kMostDirs = std::size_t{1} << 20;
};

}  // namespace veneer::layerfs
