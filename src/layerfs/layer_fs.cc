// SPDX-License-Identifier: MIT
//
// LayerFs: the public handle of a LayerReader.

#include <absl/container/btree_set.h>

#include "layerfs/layer_reader.h"
#include "layerfs/layerfs_layer.h"
#include "layerfs/walk.h"
#include "veneer/layerfs.h"

namespace veneer::layerfs {

LayerFs::LayerFs(std::shared_ptr<LayerReader> reader)
    : reader_(std::move(reader)) {}

Result<LayerFs> LayerFs::from_path(const std::string& path,
                                   const std::string& blobs) {
  TRY_ASSIGN(auto reader, LayerReader::open(path, blobs));
  return LayerFs(std::move(reader));
}

const std::string& LayerFs::path() const { return reader_->path(); }
const std::string& LayerFs::blobs() const { return reader_->blobs().path(); }
std::uint32_t LayerFs::layer_id() const { return reader_->layer_id(); }

Result<std::unique_ptr<Layer>> LayerFs::as_layer(
    const ViewOptions& options) const {
  TRY_ASSIGN(auto layer, LayerfsLayer::open(reader_, options));
  return std::unique_ptr<Layer>(std::move(layer));
}

Result<void> LayerFs::for_each_blob(
    const std::function<Result<void>(const BlobRange&)>& sink) const {
  return walk_dirs(*reader_, [&](FileId, const DirFile& dir) {
    Result<void> done;
    dir.for_each([&](const DirItem& item) {
      if (!done || item.target.whiteout ||
          item.target.kind == Kind::kDirectory) {
        return;
      }
      const auto inode = reader_->inode(item.target.id);
      if (!inode) {
        done = inode.error();
      } else if (const auto* blob = std::get_if<BlobRange>(&inode->content)) {
        done = sink(*blob);
      }
    });
    return done;
  });
}

Result<std::vector<Sha256Digest>> LayerFs::missing_blobs() const {
  absl::btree_set<Sha256Digest> wanted;
  TRY(for_each_blob([&](const BlobRange& range) -> Result<void> {
    if (range.length > 0) wanted.insert(range.sha256);
    return {};
  }));
  std::vector<Sha256Digest> missing;
  for (const Sha256Digest& sha256 : wanted) {
    const auto blob = reader_->blobs().open(sha256);
    if (blob) continue;
    if (blob.error().code() != ENOENT) return blob.error();
    missing.push_back(sha256);
  }
  return missing;
}

}  // namespace veneer::layerfs
