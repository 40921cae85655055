// SPDX-License-Identifier: MIT
//
// From a tar into a layer.
//
// An uncompressed tar is hashed, and copied where it must be, by one thread
// while another parses it. Entries name the tar by its digest, so they wait in
// a spool until it is known. A compressed tar is first unpacked into a nameless
// file beside the blobs, which becomes one.

#include <fcntl.h>

#include <future>
#include <optional>

#include "layerfs/builder_sink.h"
#include "layerfs/entry_spool.h"
#include "layerfs/store_content.h"
#include "layerfs/tar_source.h"
#include "layerfs/tar_unpack.h"
#include "sys/file.h"
#include "sys/open.h"
#include "veneer/layerfs_import.h"

namespace veneer::layerfs {
namespace {

class TarImport {
 public:
  TarImport(BottomLayerBuilder& builder, BlobStore& store,
            const TarOptions& options)
      : builder_(builder), store_(store), options_(options) {}

  Result<TarReport> run(const std::string& path);

 private:
  using See = std::function<bool(std::uint64_t)>;

  Result<TarReport> add_plain(int fd, const ByteSource& tar, BlobStore::How how,
                              const See& see);
  Result<TarReport> add_compressed(const ByteSource& packed);
  Result<void> add(const ByteSource& tar, Entry&& entry, std::uint64_t offset,
                   const Sha256Digest& digest);
  Result<std::unique_ptr<ContentWriter>> open_content();
  See see(std::uint64_t total) const;

  BottomLayerBuilder& builder_;
  BlobStore& store_;
  const TarOptions& options_;
  // Of sparse files. One of its own, as the other may be at work.
  std::optional<BlobStore> pieces_;
};

TarImport::See TarImport::see(std::uint64_t total) const {
  if (!options_.progress) return {};
  return [this, total](std::uint64_t done) {
    return options_.progress(done, total);
  };
}

Result<std::unique_ptr<ContentWriter>> TarImport::open_content() {
  if (!pieces_) {
    TRY_ASSIGN(BlobStore store, BlobStore::open(store_.path()));
    pieces_.emplace(std::move(store));
  }
  return open_store_content(*pieces_);
}

Result<void> TarImport::add(const ByteSource& tar, Entry&& entry,
                            std::uint64_t offset, const Sha256Digest& digest) {
  auto* const range = std::get_if<BlobRange>(&entry.data);
  if (range != nullptr && range->sha256 == kThisTar) {
    range->sha256 = digest;
    if (range->length <= options_.inline_limit) {
      InlineBytes file;
      file.bytes.resize(static_cast<std::size_t>(range->length));
      const auto into = std::as_writable_bytes(std::span(file.bytes));
      TRY_ASSIGN(const std::size_t got, tar.read_at(into, range->offset));
      if (got != into.size()) return Error(EIO, "read", tar.name);
      entry.data = std::move(file);
    }
  }
  const auto added = add_entry(builder_, entry);
  if (added) return {};
  return tar_error(tar, added.error().code(), offset, entry.path,
                   added.error().subject());
}

Result<TarReport> TarImport::add_plain(int fd, const ByteSource& tar,
                                       BlobStore::How how, const See& see) {
  auto hashed =
      std::async(std::launch::async, [&] { return store_.add_fd(fd, how); });
  EntrySpool spool;
  auto report = read_tar(
      tar, options_,
      [&](Entry&& entry, std::uint64_t offset) -> Result<void> {
        spool.add(entry, offset);
        return {};
      },
      [&] { return open_content(); }, see);
  const auto blob = hashed.get();
  if (!report) return report.error();
  if (!blob) return blob.error().about(tar.name);
  if (blob->size != tar.size) return Error(EBUSY, "add", tar.name);
  report->blob = *blob;
  TRY(spool.drain([&](Entry&& entry, std::uint64_t offset) {
    return add(tar, std::move(entry), offset, blob->sha256);
  }));
  return report;
}

Result<TarReport> TarImport::add_compressed(const ByteSource& packed) {
  TRY_ASSIGN(const sys::UniqueFd fd, open_nameless(store_.path()));
  std::uint64_t size = 0;
  const auto write = [&](std::span<const std::byte> bytes) -> Result<void> {
    TRY(sys::pwrite_full(fd.get(), bytes.data(), bytes.size(), size));
    size += bytes.size();
    return {};
  };
  TRY(unpack(packed, options_.largest_unpacked, write, see(packed.size)));
  TRY_ASSIGN(const ByteSource tar,
             ByteSource::from_fd(fd.get(), packed.name + " (unpacked)"));
  TRY_ASSIGN(TarReport report,
             add_plain(fd.get(), tar, BlobStore::How::kLink, {}));
  report.was_compressed = true;
  return report;
}

Result<TarReport> TarImport::run(const std::string& path) {
  auto fd = sys::open_file(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error().about(path);
  TRY_ASSIGN(const ByteSource tar, ByteSource::from_fd(fd->get(), path));
  Window beginning(tar);
  TRY_ASSIGN(const std::string_view first, beginning.peek(kMagicSize));
  auto report = is_compressed(first)
                    ? add_compressed(tar)
                    : add_plain(fd->get(), tar, options_.how, see(tar.size));
  if (!report) return report.error();
  if (pieces_) TRY(pieces_->publish());
  return report;
}

}  // namespace

Result<TarReport> add_from_tar(BottomLayerBuilder& builder, BlobStore& store,
                               const std::string& path,
                               const TarOptions& options) {
  return TarImport(builder, store, options).run(path);
}

}  // namespace veneer::layerfs
