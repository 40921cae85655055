// SPDX-License-Identifier: MIT
//
// Filling layers from what one has, a tar, a manifest, a tree, and turning
// layers into manifests or into one layer.
//
//   TRY_ASSIGN(auto store, BlobStore::open("/blobs"));
//   TRY_ASSIGN(auto builder, BottomLayerBuilder::create("/layers/base"));
//   TRY_ASSIGN(auto report, add_from_tar(builder, store, "base.tar", {}));
//   TRY(store.publish());
//   TRY(std::move(builder).finish());
//
// Several sources may go into one builder; the later wins. After an error the
// builder holds a part, and is good for nothing but to be dropped.
//
// Errors about a file name it with the offset or the line, and the entry; their
// subject is then the whole sentence.
//
// Threads: each call uses what it is given alone; some start threads of their
// own, which are gone when it returns.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "veneer/layerfs.h"
#include "veneer/result.h"

namespace veneer::layerfs {

/// Told how far a long work has got, of `total`, which is 0 where it is not
/// known. False ends the work with ECANCELED.
using OnProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

/// What a tree of files has and a layer cannot hold: devices, fifos, sockets.
enum class Specials : std::uint8_t {
  kHide,    ///< nothing stands there, and nothing from below shows through
  kRefuse,  ///< EOPNOTSUPP
};

/// Files up to this size are kept in the layer itself, unless one says else.
inline constexpr std::uint64_t kDefaultInlineLimit = 200 * 1024;

// --- Into a layer ------------------------------------------------------------

/// Adds what the manifest at `path` has, in binary or as text; returns how many
/// entries. Blobs are not looked for.
Result<std::uint64_t> add_from_manifest(BottomLayerBuilder& builder,
                                        const std::string& path,
                                        const OnProgress& progress = {});

struct TarOptions {
  /// Files up to this size are kept in the layer; by default none is, since the
  /// tar is in the store anyway.
  std::uint64_t inline_limit = 0;
  Specials specials = Specials::kHide;
  /// How the tar comes into the store.
  BlobStore::How how = BlobStore::How::kCopy;
  /// Of a sparse file, holes included: they cost time to hash, and a tar of a
  /// few bytes can promise any number of them.
  std::uint64_t largest_sparse = std::uint64_t{64} << 30;
  /// Of what a compressed tar may unpack to.
  std::uint64_t largest_unpacked = std::uint64_t{1} << 40;
  OnProgress progress;
};

struct TarReport {
  BlobStore::Blob blob;  ///< the tar, unpacked if it was compressed
  bool was_compressed = false;
  std::uint64_t entries = 0;
  std::uint64_t specials = 0;     ///< hidden
  std::string first_special;      ///< path of one
  std::uint64_t ignored = 0;      ///< AUFS's own bookkeeping
  std::uint64_t with_xattrs = 0;  ///< which a layer does not keep
};

/// Adds what is in a tar, plain or compressed (gzip, bzip2, xz, zstd), and the
/// tar to `store`: files are ranges of it. See src/layerfs/tar_source.h for
/// what becomes of what.
///
/// Cost: the tar is hashed and parsed at once, on two threads; some 100 bytes
/// of memory an entry, the builder's included.
Result<TarReport> add_from_tar(BottomLayerBuilder& builder, BlobStore& store,
                               const std::string& path,
                               const TarOptions& options = {});

struct TreeOptions {
  std::uint64_t inline_limit = kDefaultInlineLimit;
  Specials specials = Specials::kHide;
  /// The tree is the changes of an overlay: whiteouts and opaque directories
  /// are kept. Otherwise it is taken as it looks on its own.
  bool as_changes = false;
  BlobStore::How how = BlobStore::How::kCopy;
  unsigned threads = 2;
  OnProgress progress;  ///< entries; the total is not known
};

struct TreeReport {
  std::uint64_t entries = 0;
  std::uint64_t specials = 0;  ///< hidden
  std::string first_special;   ///< path of one
  std::uint64_t blobs = 0;     ///< files that are not kept inline
  std::uint64_t blob_bytes = 0;
};

/// Adds what is in another layer, a directory of this machine for one. Several
/// names of one file stay that. `name` stands before paths in errors; the
/// blobs go to the store at `blobs` and are published.
/// Fails  EOPNOTSUPP  a redirect or a file without its data, which mean nothing
///                    without the layers below
///        EBUSY       a file changed meanwhile
Result<TreeReport> add_from_tree(BottomLayerBuilder& builder,
                                 const std::string& blobs, Layer& source,
                                 const std::string& name,
                                 const TreeOptions& options = {});

/// Adds what one sees of `source`, with all that is below it; blobs are named,
/// not read. Returns how many entries.
Result<std::uint64_t> flatten(BottomLayerBuilder& builder,
                              const LayerFs& source,
                              const OnProgress& progress = {});

// --- Into a manifest ---------------------------------------------------------

struct ManifestOptions {
  bool as_text = false;
  /// For files that are no whole blob yet: those up to this size are written
  /// into the manifest.
  std::uint64_t inline_limit = kDefaultInlineLimit;
  Specials specials = Specials::kHide;  ///< of a tree or a tar
  /// Where contents that the manifest names are put, if they are not there;
  /// made if it is missing.
  /// Empty: only their digests are computed.
  std::string blobs;
  /// A directory for what is needed meanwhile, by write_manifest_of_tar.
  std::string scratch = "/tmp";
  unsigned threads = 2;
  OnProgress progress;
};

struct ManifestReport {
  std::uint64_t entries = 0;
  std::uint64_t specials = 0;
  std::uint64_t not_utf8 = 0;  ///< names that Maelstrom will refuse
};

/// Each writes to `fd`, which may be a pipe, in the order of the paths.
/// A bottom layer's whiteouts and opaque directories are written, of a stack
/// what one sees. A range of a blob that is not all of it becomes a content of
/// its own, for which the layer must have been opened with its blobs.
Result<ManifestReport> write_manifest(int fd, const LayerFs& source,
                                      const ManifestOptions& options = {});
Result<ManifestReport> write_manifest_of_tree(
    int fd, Layer& source, const std::string& name,
    const ManifestOptions& options = {});
/// Of a tar, with the same outcome as building a layer from it.
Result<ManifestReport> write_manifest_of_tar(
    int fd, const std::string& path, const ManifestOptions& options = {});
/// From one form of a manifest to another.
Result<ManifestReport> convert_manifest(int fd, const std::string& path,
                                        const ManifestOptions& options = {});

}  // namespace veneer::layerfs
