// SPDX-License-Identifier: MIT
//
// The directory of one layer: its files, opened as they are needed, and their
// records, checked as they are read.
//
// A file's size is what it was at opening; what reaches beyond is an error.
// With our own file beside them, a chunk of a table is compared with its digest
// the first time it is touched, and a directory each time it is read. Without,
// bounds are all there is.
//
// Threads: thread-safe without a lock. What is loaded late is published by one
// compare-and-swap; who loses that race throws its own away.

#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layerfs/dir_file.h"
#include "layerfs/format.h"
#include "layerfs/veneer_file.h"
#include "sys/fd.h"

namespace veneer::layerfs {

/// A value made at the first use.
template <typename T>
class Lazy {
 public:
  Lazy() = default;
  ~Lazy() { delete value_.load(std::memory_order_acquire); }
  Lazy(const Lazy&) = delete;
  Lazy& operator=(const Lazy&) = delete;

  /// `make` returns a Result<T>; it may run more than once.
  template <typename Make>
  Result<const T*> get(const Make& make) {
    if (const T* ready = value_.load(std::memory_order_acquire)) return ready;
    TRY_ASSIGN(T made, make());
    auto fresh = std::make_unique<const T>(std::move(made));
    const T* ready = nullptr;
    if (!value_.compare_exchange_strong(ready, fresh.get(),
                                        std::memory_order_acq_rel)) {
      return ready;
    }
    return fresh.release();
  }

 private:
  std::atomic<const T*> value_{nullptr};
};

/// Which chunks of a file have been compared with their digests.
class ChunkMarks {
 public:
  explicit ChunkMarks(std::uint64_t file_size)
      : words_(static_cast<std::size_t>(chunks_of(file_size) / 64 + 1)) {}
  bool test(std::uint64_t chunk) const {
    return (word(chunk).load(std::memory_order_relaxed) >> chunk % 64 & 1) != 0;
  }
  void set(std::uint64_t chunk) {
    words_[static_cast<std::size_t>(chunk / 64)].fetch_or(
        std::uint64_t{1} << chunk % 64, std::memory_order_relaxed);
  }

 private:
  const std::atomic<std::uint64_t>& word(std::uint64_t chunk) const {
    return words_[static_cast<std::size_t>(chunk / 64)];
  }
  std::vector<std::atomic<std::uint64_t>> words_;
};

class OneLayer {
 public:
  /// `with_lowers`: super() has the layers below, too. A deep stack opens many
  /// layers and asks only one of them.
  /// Fails  ENOENT, ENOTDIR, EACCES  about `path`
  ///        EIO  about the file of the layer that is wrong
  static Result<std::unique_ptr<OneLayer>> open(const std::string& path,
                                                bool with_lowers);

  const std::string& path() const { return path_; }
  int dir_fd() const { return dir_.get(); }
  const Super& super() const { return super_; }
  /// Null for a layer without our own file.
  const VeneerHeader* header() const { return header_ ? &*header_ : nullptr; }
  /// What tells this layer, with all below it, from others.
  const Digest256& identity() const { return identity_; }

  std::uint64_t file_table_size() const { return file_table_.size; }
  std::uint64_t attributes_size() const { return attributes_.size; }
  std::uint64_t inline_size() const { return inline_.size; }

  Result<InodeRecord> inode(std::uint32_t offset);
  Result<AttributesRecord> attributes(std::uint64_t id);
  /// A directory this layer has a file of.
  Result<DirFileRef> dir(std::uint32_t offset);

  /// Bytes of inline_data.bin, whole or not at all.
  Result<std::string> read_inline(const InlineRange& range);
  /// The file itself, in which `range` is sound.
  Result<sys::SharedFd> open_inline(const InlineRange& range);

  /// Names of an inode that is no directory, if that is known.
  Result<std::optional<std::uint32_t>> links(std::uint32_t offset);
  /// Directories in a directory, if that is known.
  Result<std::optional<std::uint32_t>> subdirs(std::uint32_t offset);
  /// Nobody described the directory.
  Result<bool> is_implicit(std::uint32_t offset);

  // Whole sections of our own file; empty without one.
  Result<const std::vector<Digest256>*> digests(Section section);
  Result<const std::vector<DirRecord>*> dirs();
  Result<const std::vector<LinkRecord>*> all_links();
  Result<const std::vector<std::uint32_t>*> all_implicit();

  /// `error` about the file `name` of this layer.
  Error about(const Error& error, const std::string& name) const;

 private:
  struct File {
    File(const char* file_name, Section chunk_section, std::uint64_t file_size)
        : name(file_name),
          section(chunk_section),
          size(file_size),
          marks(file_size) {}
    const char* const name;
    const Section section;
    const std::uint64_t size;
    ChunkMarks marks;
    Lazy<sys::SharedFd> fd;
    Lazy<std::vector<Digest256>> digests;
  };

  OneLayer(std::string path, sys::UniqueFd dir, Super super,
           std::optional<VeneerHeader> header, const Digest256& identity,
           const std::uint64_t (&sizes)[3]);

  Result<sys::SharedFd> open_file(File& file);
  Result<const sys::SharedFd*> fd_of(File& file);
  Result<const std::vector<Digest256>*> digests_of(File& file);
  Result<void> check_chunks(File& file, std::uint64_t begin, std::uint64_t end);
  /// Up to `into.size()` bytes at `offset`, less at the end of the file.
  Result<std::size_t> read(File& file, std::uint64_t offset,
                           std::span<std::byte> into);
  Result<std::vector<std::byte>> read_section(Section section);
  Result<std::vector<std::byte>> read_dir_bytes(const std::string& name);

  const std::string path_;
  const sys::UniqueFd dir_;
  const Super super_;
  const std::optional<VeneerHeader> header_;
  const Digest256 identity_;
  File file_table_;
  File attributes_;
  File inline_;
  Lazy<std::vector<DirRecord>> dirs_;
  Lazy<std::vector<LinkRecord>> links_;
  Lazy<std::vector<std::uint32_t>> implicit_;
};

/// A regular file, for reading; `size` becomes its size.
/// Fails  EIO  it is something else
Result<sys::UniqueFd> open_regular(int dir, const char* name,
                                   std::uint64_t& size);

/// All of a regular file, of `most` bytes at most.
/// Fails  EIO  it is longer, or no regular file
Result<std::vector<std::byte>> read_whole(int dir, const char* name,
                                          std::uint64_t most);

}  // namespace veneer::layerfs
