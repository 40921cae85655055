// SPDX-License-Identifier: MIT
//
// Manifests of layers, trees and tars.
//
// A manifest knows whole blobs alone. A range of one, as every file of a tar
// is, becomes a content of its own: read, and written inline or named by its
// own digest.

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <random>
#include <utility>

#include "base/cleanup.h"
#include "layerfs/builder_sink.h"
#include "layerfs/entry_path.h"
#include "layerfs/file_content.h"
#include "layerfs/layer_reader.h"
#include "layerfs/layer_source.h"
#include "layerfs/manifest.h"
#include "layerfs/manifest_writer.h"
#include "layerfs/store_content.h"
#include "layerfs/tar_source.h"
#include "layerfs/tar_unpack.h"
#include "layerfs/tree_content.h"
#include "sys/file.h"
#include "sys/open.h"
#include "sys/remove_tree.h"
#include "veneer/layerfs_import.h"

namespace veneer::layerfs {
namespace {

Error about_entry(const std::string& name, std::string_view path,
                  const Error& error) {
  const std::string why(error.operation().empty() ? error.subject()
                                                  : error.message());
  return Error(error.code(), "",
               fmt::format("{}: {}: {}", name,
                           path.empty() ? "." : printable(path), why));
}

// Where a manifest's contents go, if anywhere.
Result<std::optional<BlobStore>> open_blobs(const std::string& path) {
  std::optional<BlobStore> store;
  if (path.empty()) return store;
  TRY_ASSIGN(BlobStore opened, BlobStore::open(path, /*create=*/true));
  store.emplace(std::move(opened));
  return store;
}

// Turns the ranges of a layer's entries into what a manifest can say.
class RangeResolver {
 public:
  /// `tar`: where the ranges of kThisTar are; -1 where there are none.
  RangeResolver(const BlobDir& blobs, int tar, const ContentPolicy& policy)
      : blobs_(blobs), tar_(tar), policy_(policy) {}

  Result<EntryData> resolve(const BlobRange& range) const {
    if (tar_ >= 0 && range.sha256 == kThisTar) return content(tar_, range);
    const auto blob = blobs_.open(range.sha256);
    if (!blob && blob.error().code() != ENOENT) return blob.error();
    if (!blob) {
      // One that is not here can only be believed to be whole.
      if (range.offset == 0) return range;
      return Error(ENOENT, "",
                   fmt::format("its bytes are a part of a blob that is not "
                               "there, {} (say where it is: --blobs STORE)",
                               to_hex(range.sha256)));
    }
    if (range.offset == 0 && range.length == blob->size) return range;
    if (range.offset > blob->size || range.length > blob->size - range.offset) {
      return Error(EIO, "",
                   fmt::format("its blob is too short, {}",
                               blobs_.path_of(range.sha256)));
    }
    return content(blob->fd->get(), range);
  }

 private:
  Result<EntryData> content(int fd, const BlobRange& range) const {
    const FileData data{.fd = fd,
                        .offset = range.offset,
                        .length = range.length,
                        .bytes = {},
                        .owner = {}};
    return make_content(data, range.length, policy_);
  }

  const BlobDir& blobs_;
  const int tar_;
  const ContentPolicy policy_;
};

Result<ManifestReport> write_layer(int fd, const LayerFs& source, int tar,
                                   BlobStore* store, const std::string& name,
                                   const ManifestOptions& options) {
  ManifestWriter writer(fd, options.as_text);
  const RangeResolver resolver(
      source.reader()->blobs(), tar,
      {.inline_limit = options.inline_limit, .store = store});
  std::uint64_t done = 0;
  const auto sink = [&](Entry&& entry) -> Result<void> {
    std::string path = entry.path;
    if (const auto* range = std::get_if<BlobRange>(&entry.data)) {
      auto data = resolver.resolve(*range);
      if (!data) return about_entry(name, path, data.error());
      entry.data = *std::move(data);
    }
    const auto written = writer.add(std::move(entry));
    if (!written) return about_entry(name, path, written.error());
    ++done;
    if (options.progress && !options.progress(done, 0)) {
      return Error(ECANCELED, "write a manifest");
    }
    return {};
  };
  TRY(read_layer(source, {.marks = true}, sink));
  return writer.finish();
}

// A layer that is gone when the object is.
class ScratchLayer {
 public:
  static Result<ScratchLayer> make(const std::string& scratch) {
    ScratchLayer layer;
    TRY_ASSIGN(layer.dir_, sys::open_dir(scratch));
    std::random_device random;
    layer.name_ = fmt::format("veneer-{:08x}{:08x}", random(), random());
    layer.path_ = scratch + "/" + layer.name_;
    return layer;
  }
  ~ScratchLayer() {
    if (dir_) ignore_error(sys::remove_tree_at(dir_.get(), name_.c_str()));
  }
  ScratchLayer(ScratchLayer&&) noexcept = default;
  ScratchLayer& operator=(ScratchLayer&&) = delete;

  const std::string& path() const { return path_; }

 private:
  ScratchLayer() = default;
  sys::UniqueFd dir_;
  std::string name_;
  std::string path_;
};

// Ranges of the tar are told from others by kThisTar.
Result<TarReport> build_unhashed(const std::string& out, const ByteSource& tar,
                                 BlobStore* store,
                                 const ManifestOptions& options) {
  TRY_ASSIGN(BottomLayerBuilder builder, BottomLayerBuilder::create(out));
  const TarOptions tar_options{.specials = options.specials};
  std::function<bool(std::uint64_t)> see;
  if (options.progress) {
    see = [&](std::uint64_t done) { return options.progress(done, tar.size); };
  }
  TRY_ASSIGN(TarReport report,
             read_tar(
                 tar, tar_options,
                 [&](Entry&& entry, std::uint64_t offset) -> Result<void> {
                   const auto added = add_entry(builder, entry);
                   if (added) return {};
                   return tar_error(tar, added.error().code(), offset,
                                    entry.path, added.error().subject());
                 },
                 [&]() -> Result<std::unique_ptr<ContentWriter>> {
                   if (store != nullptr) return open_store_content(*store);
                   return open_digest_content();
                 },
                 see));
  TRY(std::move(builder).finish());
  return report;
}

// The tar itself, or what it unpacks to.
Result<sys::UniqueFd> open_plain_tar(const std::string& path,
                                     const ManifestOptions& options) {
  auto opened = sys::open_file(path, O_RDONLY | O_NONBLOCK);
  if (!opened) return opened.error().about(path);
  TRY_ASSIGN(const ByteSource file, ByteSource::from_fd(opened->get(), path));
  Window beginning(file);
  TRY_ASSIGN(const std::string_view first, beginning.peek(kMagicSize));
  if (!is_compressed(first)) return opened;
  TRY_ASSIGN(sys::UniqueFd unpacked, open_nameless(options.scratch));
  std::uint64_t size = 0;
  const auto write = [&](std::span<const std::byte> bytes) -> Result<void> {
    TRY(sys::pwrite_full(unpacked.get(), bytes.data(), bytes.size(), size));
    size += bytes.size();
    return {};
  };
  TRY(unpack(file, TarOptions().largest_unpacked, write, {}));
  return unpacked;
}

}  // namespace

Result<ManifestReport> write_manifest(int fd, const LayerFs& source,
                                      const ManifestOptions& options) {
  TRY_ASSIGN(auto store, open_blobs(options.blobs));
  BlobStore* const to = store ? &*store : nullptr;
  TRY_ASSIGN(const ManifestReport report,
             write_layer(fd, source, -1, to, source.path(), options));
  if (store) TRY(store->publish());
  return report;
}

Result<ManifestReport> write_manifest_of_tree(int fd, Layer& source,
                                              const std::string& name,
                                              const ManifestOptions& options) {
  TRY_ASSIGN(TreeContents contents,
             TreeContents::open(options.blobs, options.threads,
                                {.inline_limit = options.inline_limit}));
  ManifestWriter writer(fd, options.as_text);
  const TreeOptions tree{.inline_limit = options.inline_limit,
                         .specials = options.specials,
                         .threads = options.threads,
                         .progress = options.progress};
  TRY_ASSIGN(
      const TreeReport tree_report,
      read_tree(source, name, tree, contents.maker(source),
                [&](Entry&& entry) -> Result<void> {
                  // As a layer has it.
                  if (std::holds_alternative<HardLinkEntry>(entry.data)) {
                    entry.mode = 0;
                    entry.mtime = 0;
                  }
                  return writer.add(std::move(entry));
                }));
  TRY_ASSIGN(ManifestReport report, writer.finish());
  TRY(contents.publish());
  report.specials = tree_report.specials;
  return report;
}

Result<ManifestReport> write_manifest_of_tar(int fd, const std::string& path,
                                             const ManifestOptions& options) {
  TRY_ASSIGN(const sys::UniqueFd opened, open_plain_tar(path, options));
  TRY_ASSIGN(const ByteSource tar, ByteSource::from_fd(opened.get(), path));
  TRY_ASSIGN(auto store, open_blobs(options.blobs));
  BlobStore* const to = store ? &*store : nullptr;
  TRY_ASSIGN(const ScratchLayer layer, ScratchLayer::make(options.scratch));
  TRY_ASSIGN(const TarReport built,
             build_unhashed(layer.path(), tar, to, options));
  TRY_ASSIGN(const LayerFs source,
             LayerFs::from_path(layer.path(), options.blobs));
  TRY_ASSIGN(ManifestReport report,
             write_layer(fd, source, opened.get(), to, path, options));
  if (store) TRY(store->publish());
  report.specials = built.specials;
  return report;
}

Result<ManifestReport> convert_manifest(int fd, const std::string& path,
                                        const ManifestOptions& options) {
  auto opened = sys::open_file(path, O_RDONLY | O_NONBLOCK);
  if (!opened) return opened.error().about(path);
  TRY_ASSIGN(const ByteSource source, ByteSource::from_fd(opened->get(), path));
  ManifestWriter writer(fd, options.as_text);
  TRY(read_manifest(
      source, [&](Entry&& entry) { return writer.add(std::move(entry)); }));
  return writer.finish();
}

}  // namespace veneer::layerfs
