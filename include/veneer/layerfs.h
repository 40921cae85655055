// SPDX-License-Identifier: MIT
//
// LayerFS: immutable trees in Maelstrom's directory format, built, stacked,
// checked and read.
//
//   auto builder = layerfs::BottomLayerBuilder::create("/layers/base");
//   builder->add_dir("usr", {.mode = 0755, .mtime = 0});
//   builder->add_file("usr/hello", {.mode = 0644}, layerfs::Inline{bytes});
//   std::move(*builder).finish();
//
// A layer is a directory of small files with metadata; the bytes of larger
// files stay in a blob store, named by SHA-256. A bottom layer is built alone.
// An upper layer is the merge of any layer and one bottom layer, made once, so
// that what a lookup costs does not depend on how many layers there are.
//
// A layer never changes: it is built in a sibling directory, synced, and
// appears by one rename. Layers below are named by path, and recognised by
// digest: one that was replaced is refused.
//
// Maelstrom reads what is written here, and the other way round. The format to
// the byte, and the one file of ours beside its four: docs/formats/layerfs.md.
//
// Threads: a LayerFs is immutable, its methods may be called from any thread.
// Builders and stores are thread-compatible.

#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::layerfs {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// An inode of a stack: the layer that has its record, counted from the bottom,
/// and where in that layer's file table (1: the root directory; 0: invalid).
struct FileId {
  std::uint32_t layer = 0;
  std::uint32_t offset = 0;

  constexpr std::uint64_t number() const {
    return std::uint64_t{layer} << 32 | offset;
  }
  auto operator<=>(const FileId&) const = default;
};

/// What an inode is, numbered as on disk.
enum class Kind : std::uint8_t {
  kFifo,
  kCharDevice,
  kBlockDevice,
  kDirectory,
  kRegular,
  kSymlink,
  kSocket,
};

/// What the format keeps about an inode, beside its size: that follows from the
/// content.
struct Attributes {
  std::uint32_t mode = 0755;  ///< what is beyond 07777 is kept, and not read
  std::int64_t mtime = 0;     ///< whole seconds
};

/// No bytes.
struct Empty {
  bool operator==(const Empty&) const = default;
};
/// Bytes kept in the layer itself.
struct Inline {
  std::span<const std::byte> bytes;
};
/// `length` bytes of a blob from `offset` on. Whether the blob is there, and
/// that long, is not asked at building.
struct BlobRange {
  Sha256Digest sha256{};
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  bool operator==(const BlobRange&) const = default;
};
using NewContent = std::variant<Empty, Inline, BlobRange>;

// --- Building ----------------------------------------------------------------

struct BuildOptions {
  /// The time of what has no other: implicit directories, symbolic links.
  std::int64_t default_time = 0;
  /// Permissions of directories that nobody added.
  std::uint32_t implicit_mode = 0755;
  /// A name given twice is an error (EEXIST), except for a directory added as
  /// one again. Otherwise the later one replaces the earlier.
  bool refuse_duplicates = false;
  /// Where a parent is a symbolic link of this layer, goes where that leads,
  /// never out of the layer. Otherwise it is an error (ENOTDIR).
  bool follow_symlinks = false;
  /// The very bytes Maelstrom writes, slips included: symbolic links are
  /// entered as regular files, and have size 0 and the default time; implicit
  /// directories have 0777, and impose it on what they are stacked on; names
  /// are UTF-8.
  bool as_original = false;
};

/// Builds a layer of its own.
///
/// Paths are bytes, absolute or relative to the layer's root, which is meant
/// either way; "." and doubled slashes go. Missing parents are made, and marked
/// as implicit: stacked over a directory they take that one's attributes.
///
/// Each method fails with
///   EINVAL   ".." in a path, NUL, a component of more than 255 bytes
///   EILSEQ   the name is not UTF-8, if options.as_original
///   ENOTDIR  something that is no directory is in the way
///   EFBIG    the tables reach 4 GiB
/// about the path, or with an error of the disk. The call has then done
/// nothing, or has left parents; building may go on.
///
/// Cost: some 50 bytes of memory an entry, and no read from disk.
class BottomLayerBuilder {
 public:
  /// `out` must not exist, or be an empty directory; its parent must.
  /// Fails  EEXIST  there is something in `out`
  ///        EBUSY   another process is building it
  static Result<BottomLayerBuilder> create(const std::string& out,
                                           const BuildOptions& options = {});
  /// Removes everything unless finished.
  ~BottomLayerBuilder();
  BottomLayerBuilder(BottomLayerBuilder&&) noexcept;
  BottomLayerBuilder& operator=(BottomLayerBuilder&&) noexcept;

  /// Replaces whatever has the name, a directory with all in it.
  Result<FileId> add_file(std::string_view path, const Attributes& attributes,
                          const NewContent& content);

  /// A directory that is there gets the attributes; "" is the root. In place of
  /// a whiteout it becomes opaque, in place of another object it is new.
  Result<FileId> add_dir(std::string_view path, const Attributes& attributes);

  /// `target` is any 1 to 4095 bytes without NUL. Without `mtime` it has the
  /// default time.
  /// Fails  EINVAL  it is another sort of target
  Result<FileId> add_symlink(std::string_view path, std::string_view target,
                             std::optional<std::int64_t> mtime = {});

  /// A further name of what stands at `target`, a path as any here.
  /// Fails  ENOENT  nothing of this layer stands there
  ///        EPERM   it is a directory
  Result<FileId> add_link(std::string_view path, std::string_view target);

  /// Hides `path` of the layers below. What this layer itself has there, now or
  /// later, stays: it replaces, and a directory is made opaque instead.
  /// Fails  EINVAL  it is the root
  Result<void> add_whiteout(std::string_view path);

  /// What layers below have in the directory does not show through; it is made
  /// (implicit) if need be. The root may be opaque, too, which Maelstrom does
  /// not know.
  Result<void> set_opaque(std::string_view path);

  /// Fails  ENOENT  no call has returned `id`
  Result<void> set_attributes(FileId id, const Attributes& attributes);

  /// What stands at `path`; nothing for a whiteout.
  struct Found {
    FileId id;
    Kind kind;
  };
  Result<std::optional<Found>> find(std::string_view path);

  /// Writes the rest, syncs all and publishes. The builder is then empty.
  /// Fails  EEXIST  something has come to stand at `out`
  Result<void> finish() &&;

 private:
  class Impl;
  explicit BottomLayerBuilder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// --- The blobs ---------------------------------------------------------------

/// A directory of files named by the SHA-256 of their bytes, in lower-case
/// hexadecimal. What is added waits in a directory of its own until publish()
/// has synced it, so a name in the store always stands for all its bytes.
class BlobStore {
 public:
  struct Blob {
    Sha256Digest sha256{};
    std::uint64_t size = 0;
  };

  /// How a file comes in. Extents are shared where the file system can.
  enum class How : std::uint8_t {
    kCopy,
    /// One inode with the source, which must then never be written again.
    /// Where it cannot be linked it is copied.
    kLink,
  };

  /// Bytes that come in pieces. Dropped unfinished, they are forgotten.
  class Writer {
   public:
    ~Writer();
    Writer(Writer&&) noexcept;
    Writer& operator=(Writer&&) noexcept;

    Result<void> write(std::span<const std::byte> bytes);
    Result<Blob> finish() &&;

   private:
    friend class BlobStore;
    struct Impl;
    explicit Writer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
  };

  /// `create`: makes the directory if it is missing (not its parents).
  static Result<BlobStore> open(const std::string& path, bool create = false);
  /// What was not published is removed.
  ~BlobStore();
  BlobStore(BlobStore&&) noexcept;
  BlobStore& operator=(BlobStore&&) noexcept;

  const std::string& path() const;

  /// Fails  EBUSY   the file changed meanwhile
  ///        EINVAL  it is no regular file
  Result<Blob> add_file(const std::string& path, How how = How::kCopy);
  /// `fd`: open for reading, from offset 0 on.
  Result<Blob> add_fd(int fd, How how = How::kCopy);
  Result<Blob> add_bytes(std::span<const std::byte> bytes);
  /// The store outlives the writer.
  Result<Writer> begin();

  /// The size of the blob, if it is there (published or not).
  Result<std::optional<std::uint64_t>> find(const Sha256Digest& sha256) const;
  /// Syncs what was added and gives it its names. Do it before a layer that
  /// refers to it is finished.
  Result<void> publish();

 private:
  struct Impl;
  explicit BlobStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// --- Reading -----------------------------------------------------------------

class LayerReader;

/// How a layer looks as part of an overlay, or mounted.
struct ViewOptions {
  /// The owner of everything; the format keeps none. By default the process.
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  /// Memory for directories; beyond it they are read again when needed.
  std::size_t directory_bytes = std::size_t{128} << 20;
};

struct VerifyOptions {
  bool blobs = true;  ///< that they are there, and long enough
  bool data = false;  ///< that their bytes have their digest
  /// After so many faults it stops.
  std::size_t most_faults = 1000;
};

/// What is wrong with a layer or one below it.
struct Fault {
  std::string file;  ///< path of the file
  /// Where in it; nothing for the file as a whole.
  std::optional<std::uint64_t> offset;
  std::string what;
};

/// An open layer with all that are below it. A cheap handle.
class LayerFs {
 public:
  /// Opens a layer, bottom or stacked. Reads the first few hundred bytes of
  /// each layer and nothing else; descriptors are opened as they are needed.
  /// `blobs` may be empty: files in blobs cannot be read then.
  ///
  /// Fails  ENOENT, ENOTDIR, EACCES  a layer is not there; about its path
  ///        EIO     it is not in this format, or damaged
  ///        ESTALE  a layer below was replaced since this one was built
  static Result<LayerFs> from_path(const std::string& path,
                                   const std::string& blobs);

  const std::string& path() const;
  const std::string& blobs() const;
  /// 0 for a bottom layer, else how many are below.
  std::uint32_t layer_id() const;

  /// The layer as a part of an overlay. Whiteouts and opaque directories of a
  /// bottom layer count there, so layers can be stacked at mount time as well.
  /// Fails  EIO  its root is damaged
  Result<std::unique_ptr<Layer>> as_layer(
      const ViewOptions& options = {}) const;

  /// Calls `sink` for each range of a blob that a file of the tree has.
  /// Fails  with what `sink` fails, EIO
  Result<void> for_each_blob(
      const std::function<Result<void>(const BlobRange&)>& sink) const;
  /// The blobs that files need and the store does not have, each once, in the
  /// order of their digests.
  Result<std::vector<Sha256Digest>> missing_blobs() const;

  /// Checks everything there is to check; an empty answer is a sound layer.
  Result<std::vector<Fault>> verify(const VerifyOptions& options = {}) const;

  /// For those who go beyond: src/layerfs/layer_reader.h.
  const std::shared_ptr<LayerReader>& reader() const { return reader_; }

 private:
  explicit LayerFs(std::shared_ptr<LayerReader> reader);
  std::shared_ptr<LayerReader> reader_;
};

// --- Stacking ----------------------------------------------------------------

/// Builds the merge of a layer and a bottom layer on top of it.
///
/// What the bottom layer has wins; directories of both unite, unless its is
/// opaque; whiteouts hide. Implicit directories take the attributes of the
/// directory below. Neither layer is changed. The lower, and all below it, must
/// stay where they are for as long as the result is used; the bottom layer may
/// go.
///
/// Cost: the size of the bottom layer's tables if they cannot be linked, and of
/// the directories that both have.
class UpperLayerBuilder {
 public:
  /// `out` as for BottomLayerBuilder. A relative path of `lower` is recorded
  /// as an absolute one.
  static Result<UpperLayerBuilder> create(const std::string& out,
                                          const LayerFs& lower);
  ~UpperLayerBuilder();
  UpperLayerBuilder(UpperLayerBuilder&&) noexcept;
  UpperLayerBuilder& operator=(UpperLayerBuilder&&) noexcept;

  /// Once.
  /// Fails  EINVAL    `bottom` is itself a stack
  ///        EALREADY  the layer has been filled
  ///        EIO       one of the two is damaged
  Result<void> fill_from_bottom_layer(const LayerFs& bottom);

  /// Syncs all and publishes.
  /// Fails  EINVAL  nothing was filled in
  Result<void> finish() &&;

 private:
  class Impl;
  explicit UpperLayerBuilder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer::layerfs
