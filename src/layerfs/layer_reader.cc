// SPDX-License-Identifier: MIT
//
// Opening a stack, and finding the layer that has an answer.

#include "layerfs/layer_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace veneer::layerfs {
namespace {

// The layers below must be those the top was built on: by what our own file
// says, else by their numbers alone.
Result<void> check_lower(const OneLayer& top, const OneLayer& lower,
                         std::uint32_t id) {
  if (lower.super().layer_id != id) {
    return Error(
        ESTALE, "open",
        fmt::format("{}: it is layer {}, where {} has layer {}", lower.path(),
                    lower.super().layer_id, top.path(), id));
  }
  if (top.header() == nullptr) return {};
  const VeneerHeader::Lower& expected = top.header()->lowers[id];
  if (expected.identity == lower.identity() &&
      expected.foreign == (lower.header() == nullptr)) {
    return {};
  }
  return Error(ESTALE, "open",
               fmt::format("{}: it is not the layer that {} was built on",
                           lower.path(), top.path()));
}

}  // namespace

Result<std::shared_ptr<LayerReader>> LayerReader::open(
    const std::string& path, const std::string& blobs) {
  TRY_ASSIGN(auto top, OneLayer::open(path, true));
  std::vector<std::unique_ptr<OneLayer>> layers;
  for (const Super::Lower& lower : top->super().lowers) {
    TRY_ASSIGN(auto layer, OneLayer::open(lower.path, false));
    TRY(check_lower(*top, *layer, lower.layer_id));
    layers.push_back(std::move(layer));
  }
  layers.push_back(std::move(top));
  return std::shared_ptr<LayerReader>(
      new LayerReader(std::move(layers), blobs));
}

Result<OneLayer*> LayerReader::owner(FileId id) const {
  if (id.layer < layers_.size() && id.offset != 0) {
    return layers_[id.layer].get();
  }
  return Error(EIO, "read",
               fmt::format("{}: there is no inode {} of layer {}", path(),
                           id.offset, id.layer));
}

Result<InodeRecord> LayerReader::inode(FileId id) const {
  TRY_ASSIGN(OneLayer* const layer, owner(id));
  return layer->inode(id.offset);
}

Result<AttributesRecord> LayerReader::attributes(
    FileId id, const InodeRecord& inode) const {
  TRY_ASSIGN(OneLayer* const layer, owner(id));
  return layer->attributes(inode.attributes_id);
}

Result<std::uint32_t> LayerReader::nlink(FileId id, const InodeRecord& inode) {
  TRY_ASSIGN(OneLayer* const layer, owner(id));
  if (inode.kind != Kind::kDirectory) {
    TRY_ASSIGN(const auto links, layer->links(id.offset));
    return std::max(links.value_or(1), std::uint32_t{1});
  }
  TRY_ASSIGN(const auto known, layer->subdirs(id.offset));
  if (known) return *known + 2;
  TRY_ASSIGN(const DirFileRef dir, this->dir(id));
  return dir->subdirs() + 2;
}

Result<DirFileRef> LayerReader::read_dir_file(FileId id) const {
  TRY_ASSIGN(OneLayer* const layer, owner(id));
  return layer->dir(id.offset);
}

Result<DirFileRef> LayerReader::dir(FileId id) {
  {
    const MutexLock lock(mu_);
    if (const DirFileRef* known = dirs_.find(id.number())) return *known;
  }
  TRY_ASSIGN(DirFileRef dir, read_dir_file(id));
  // What has to go is freed after the lock.
  std::vector<DirFileRef> gone;
  const MutexLock lock(mu_);
  dir_bytes_ += dir->memory();
  if (auto old = dirs_.insert(id.number(), dir)) {
    dir_bytes_ -= old->second->memory();
    gone.push_back(std::move(old->second));
  }
  while (dir_bytes_ > most_dir_bytes_ && dirs_.size() > 1) {
    auto old = dirs_.pop_oldest();
    dir_bytes_ -= old->second->memory();
    gone.push_back(std::move(old->second));
  }
  return dir;
}

void LayerReader::set_directory_bytes(std::size_t bytes) {
  const MutexLock lock(mu_);
  most_dir_bytes_ = bytes;
}

Result<Kind> LayerReader::kind_of(const Target& target) const {
  TRY_ASSIGN(OneLayer* const layer, owner(target.id));
  if (layer->header() != nullptr && layer->header()->right_kinds) {
    return target.kind;
  }
  // Only files are ever something else.
  if (target.kind != Kind::kRegular) return target.kind;
  TRY_ASSIGN(const InodeRecord inode, layer->inode(target.id.offset));
  return inode.kind;
}

Result<std::string> LayerReader::read_link(FileId id,
                                           const InodeRecord& inode) const {
  TRY_ASSIGN(OneLayer* const layer, owner(id));
  const auto* range = std::get_if<InlineRange>(&inode.content);
  if (range == nullptr || range->length == 0 ||
      range->length > kLongestTarget) {
    return layer->about(
        Error(EIO, "read",
              fmt::format("offset {}: a symbolic link with a target of {} "
                          "bytes",
                          position_of(id.offset), length_of(inode.content))),
        kFileTable);
  }
  TRY_ASSIGN(std::string target, layer->read_inline(*range));
  if (target.find('\0') == target.npos) return target;
  return layer->about(
      Error(EIO, "read",
            fmt::format("offset {}: a link target with a NUL", range->offset)),
      kInlineData);
}

Result<std::optional<LayerReader::Source>> LayerReader::open_content(
    FileId id, const Content& content) {
  if (length_of(content) == 0) return std::optional<Source>();
  TRY_ASSIGN(OneLayer* const layer, owner(id));
  if (const auto* range = std::get_if<InlineRange>(&content)) {
    TRY_ASSIGN(sys::SharedFd fd, layer->open_inline(*range));
    return std::optional(Source{std::move(fd), range->offset, range->length});
  }
  const auto& range = std::get<BlobRange>(content);
  auto blob = blobs_.get(range.sha256);
  if (!blob) {
    // Whatever keeps the blob from us, it is no business of who reads.
    return Error(EIO, "read", blob.error().message() + ", of " + layer->path());
  }
  if (range.offset > blob->size || range.length > blob->size - range.offset) {
    return Error(EIO, "read",
                 fmt::format("{}: {} bytes at offset {} reach behind the end "
                             "at {}",
                             blobs_.path_of(range.sha256), range.length,
                             range.offset, blob->size));
  }
  return std::optional(Source{std::move(blob->fd), range.offset, range.length});
}

}  // namespace veneer::layerfs
