// SPDX-License-Identifier: MIT
//
// UpperLayerBuilder: the tables of the bottom layer, linked, and its
// directories merged with those below.
//
// Where an implicit directory stands over another one it takes that one's
// attributes; only then the attributes table is a copy, and not a link.

#include <absl/container/flat_hash_set.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "layerfs/foreign.h"
#include "layerfs/layer_reader.h"
#include "layerfs/merge_dirs.h"
#include "layerfs/staging_dir.h"
#include "sys/file.h"
#include "sys/open.h"
#include "veneer/layerfs.h"

namespace veneer::layerfs {
namespace {

// Paths of layers are for every process, wherever it stands.
Result<std::string> absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  std::error_code error;
  const auto full = std::filesystem::absolute(path, error);
  if (error) return Error(error.value(), "open", path);
  return full.string();
}

}  // namespace

class UpperLayerBuilder::Impl {
 public:
  Impl(StagingDir dir, std::shared_ptr<LayerReader> lower)
      : dir_(std::move(dir)), lower_(std::move(lower)) {}

  Result<void> fill(LayerReader& bottom);
  Result<void> finish();

 private:
  std::uint32_t id() const { return lower_->layer_id() + 1; }
  Result<void> merge_all(OneLayer& bottom);
  Result<void> merge_one(OneLayer& bottom, const MergedDir& dir,
                         std::vector<MergedDir>& waiting);
  Result<void> inherit(OneLayer& bottom, const MergedDir& dir);
  Result<void> take_tables(OneLayer& bottom);
  Result<void> take_digests(OneLayer& bottom, Section section, const char* name,
                            bool changed, std::vector<Digest256>& digests);
  Result<void> describe(OneLayer& bottom);
  Result<void> describe_lowers();

  // Attributes that an implicit directory takes, and where they go.
  struct Inherited {
    std::uint64_t attributes_id;
    AttributesRecord attributes;
  };

  StagingDir dir_;
  const std::shared_ptr<LayerReader> lower_;
  bool filled_ = false;
  bool complete_ = false;
  TreePool pool_;
  VeneerContents contents_;
  std::vector<Inherited> inherited_;
  absl::flat_hash_set<std::uint32_t> seen_;
};

Result<void> UpperLayerBuilder::Impl::fill(LayerReader& bottom) {
  if (bottom.layer_id() != 0) {
    return Error(EINVAL, "stack", bottom.path() + ": it is a stack itself");
  }
  if (filled_) return Error(EALREADY, "stack", bottom.path());
  filled_ = true;
  TRY(merge_all(bottom.top()));
  TRY(take_tables(bottom.top()));
  TRY(describe(bottom.top()));
  complete_ = true;
  return {};
}

// --- Directories -------------------------------------------------------------

Result<void> UpperLayerBuilder::Impl::merge_all(OneLayer& bottom) {
  const bool opaque =
      bottom.header() != nullptr && bottom.header()->root_opaque;
  MergedDir root{.offset = kRootOffset};
  root.over = lower_->root();
  if (!opaque) root.below = root.over;
  std::vector<MergedDir> waiting = {root};
  while (!waiting.empty()) {
    const MergedDir dir = waiting.back();
    waiting.pop_back();
    TRY(merge_one(bottom, dir, waiting));
  }
  std::ranges::sort(contents_.dirs, {}, &DirRecord::offset);
  return {};
}

Result<void> UpperLayerBuilder::Impl::merge_one(
    OneLayer& bottom, const MergedDir& dir, std::vector<MergedDir>& waiting) {
  const std::string name = dir_file_name(dir.offset);
  if (!seen_.insert(dir.offset).second) {
    return bottom.about(Error(EIO, "read", "a directory with two names"), name);
  }
  TRY_ASSIGN(const DirFileRef top, bottom.dir(dir.offset));
  DirFileRef below;
  if (dir.below) {
    TRY_ASSIGN(below, lower_->read_dir_file(*dir.below));
  }
  pool_.clear();
  DirTree tree;
  TRY(merge_dirs(below.get(), *top, id(), pool_, tree,
                 [&](const MergedDir& met) { waiting.push_back(met); }));
  DirRecord record{.offset = dir.offset};
  TRY_ASSIGN(const auto bytes, pool_.encode(tree, record.subdirs));
  record.digest = blake3(bytes);
  TRY(dir_.write_file(name.c_str(), bytes));
  contents_.dirs.push_back(record);
  return inherit(bottom, dir);
}

Result<void> UpperLayerBuilder::Impl::inherit(OneLayer& bottom,
                                              const MergedDir& dir) {
  TRY_ASSIGN(const bool implicit, bottom.is_implicit(dir.offset));
  if (!implicit || !dir.over) return {};
  TRY_ASSIGN(const InodeRecord over, lower_->inode(*dir.over));
  TRY_ASSIGN(const AttributesRecord attributes,
             lower_->attributes(*dir.over, over));
  TRY_ASSIGN(const InodeRecord own, bottom.inode(dir.offset));
  TRY_ASSIGN(const AttributesRecord old, bottom.attributes(own.attributes_id));
  if (old != attributes) {
    inherited_.push_back({own.attributes_id, attributes});
  }
  return {};
}

// --- Tables ------------------------------------------------------------------

Result<void> UpperLayerBuilder::Impl::take_tables(OneLayer& bottom) {
  TRY(dir_.take_file(bottom.dir_fd(), kFileTable, true));
  TRY(dir_.take_file(bottom.dir_fd(), kInlineData, true));
  TRY(dir_.take_file(bottom.dir_fd(), kAttributesTable, inherited_.empty()));
  if (inherited_.empty()) return {};
  TRY_ASSIGN(const auto fd,
             sys::open_at(dir_.fd(), kAttributesTable, O_WRONLY));
  BeWriter item;
  for (const Inherited& taken : inherited_) {
    item.clear();
    write_attributes(item, taken.attributes);
    TRY(sys::pwrite_full(fd.get(), item.bytes().data(), item.size(),
                         position_of(taken.attributes_id)));
  }
  return {};
}

// The digests of a linked file are those it has where it was linked from.
Result<void> UpperLayerBuilder::Impl::take_digests(
    OneLayer& bottom, Section section, const char* name, bool changed,
    std::vector<Digest256>& digests) {
  if (bottom.header() != nullptr && !changed) {
    TRY_ASSIGN(const auto* known, bottom.digests(section));
    digests = *known;
    return {};
  }
  TRY_ASSIGN(const auto fd, sys::open_at(dir_.fd(), name, O_RDONLY));
  TRY_ASSIGN(digests, digest_file(fd.get()));
  return {};
}

// --- Our own file ------------------------------------------------------------

Result<void> UpperLayerBuilder::Impl::describe(OneLayer& bottom) {
  TRY(take_digests(bottom, Section::kInodeChunks, kFileTable, false,
                   contents_.file_table));
  TRY(take_digests(bottom, Section::kAttributeChunks, kAttributesTable,
                   !inherited_.empty(), contents_.attributes));
  TRY(take_digests(bottom, Section::kInlineChunks, kInlineData, false,
                   contents_.inline_data));
  TRY_ASSIGN(const auto* links, bottom.all_links());
  contents_.links = *links;

  Super super{.layer_id = id(), .lowers = lower_->top().super().lowers};
  TRY_ASSIGN(std::string path, absolute(lower_->path()));
  super.lowers.push_back({lower_->layer_id(), std::move(path)});
  const auto super_bytes = encode_super(super);
  TRY(dir_.write_file(kSuperFile, super_bytes));

  VeneerHeader& header = contents_.header;
  header.right_kinds =
      bottom.header() != nullptr && bottom.header()->right_kinds;
  header.root_opaque =
      bottom.header() != nullptr && bottom.header()->root_opaque;
  header.layer_id = id();
  header.super = blake3(super_bytes);
  header.file_table_size = bottom.file_table_size();
  header.attributes_size = bottom.attributes_size();
  header.inline_size = bottom.inline_size();
  TRY(describe_lowers());
  return dir_.write_file(kVeneerFile, encode_veneer(contents_));
}

Result<void> UpperLayerBuilder::Impl::describe_lowers() {
  const VeneerHeader* const known = lower_->top().header();
  for (std::uint32_t i = 0; i <= lower_->layer_id(); ++i) {
    if (known != nullptr && i < known->lowers.size()) {
      contents_.header.lowers.push_back(known->lowers[i]);
      continue;
    }
    const OneLayer& layer = lower_->layer(i);
    VeneerHeader::Lower record{.foreign = layer.header() == nullptr,
                               .identity = layer.identity()};
    if (record.foreign) {
      TRY_ASSIGN(record.content, digest_foreign(layer));
    }
    contents_.header.lowers.push_back(record);
  }
  return {};
}

Result<void> UpperLayerBuilder::Impl::finish() {
  if (!complete_) return Error(EINVAL, "publish");
  return dir_.publish();
}

// --- The face ----------------------------------------------------------------

UpperLayerBuilder::UpperLayerBuilder(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
UpperLayerBuilder::~UpperLayerBuilder() = default;
UpperLayerBuilder::UpperLayerBuilder(UpperLayerBuilder&&) noexcept = default;
UpperLayerBuilder& UpperLayerBuilder::operator=(UpperLayerBuilder&&) noexcept =
    default;

Result<UpperLayerBuilder> UpperLayerBuilder::create(const std::string& out,
                                                    const LayerFs& lower) {
  TRY_ASSIGN(StagingDir dir, StagingDir::create(out));
  return UpperLayerBuilder(
      std::make_unique<Impl>(std::move(dir), lower.reader()));
}

Result<void> UpperLayerBuilder::fill_from_bottom_layer(const LayerFs& bottom) {
  return impl_->fill(*bottom.reader());
}

Result<void> UpperLayerBuilder::finish() && {
  const std::unique_ptr<Impl> impl = std::move(impl_);
  return impl->finish();
}

}  // namespace veneer::layerfs
