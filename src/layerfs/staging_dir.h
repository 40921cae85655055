// SPDX-License-Identifier: MIT
//
// A directory that is filled aside and appears whole, or not at all.
//
// It is built as `.NAME.building` beside NAME, so that one rename publishes it.
// Who builds holds a lock on it; one that nobody holds is what a crash has
// left, and is removed by the next who builds the same.
//
// A TableWriter writes one file of it from front to back, and digests it by
// chunks on the way; what was written can be changed in place.
//
// Threads: thread-compatible.

#pragma once

#include <span>
#include <string>
#include <vector>

#include "layerfs/veneer_file.h"
#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::layerfs {

class StagingDir {
 public:
  /// `out` is absent or an empty directory; its parent exists.
  /// Fails  EEXIST  there is something in `out`
  ///        EBUSY   another process is building it
  static Result<StagingDir> create(const std::string& out);
  ~StagingDir();
  StagingDir(StagingDir&&) noexcept = default;
  StagingDir& operator=(StagingDir&&) = delete;

  int fd() const { return dir_.get(); }
  /// Creates a file, open for writing and reading.
  Result<sys::UniqueFd> create_file(const char* name);
  Result<void> write_file(const char* name, std::span<const std::byte> bytes);
  /// The file `name` of `from`, hard-linked, or copied where that cannot be.
  Result<void> take_file(int from, const char* name, bool may_link);

  /// Syncs everything and gives it its name. Dropped afterwards, it stays.
  /// Fails  EEXIST  something has come to stand there
  Result<void> publish();

 private:
  StagingDir(sys::UniqueFd parent, std::string name)
      : parent_(std::move(parent)), name_(std::move(name)) {}
  std::string building() const { return "." + name_ + ".building"; }
  Result<void> make();
  Result<void> sync();

  sys::UniqueFd parent_;
  std::string name_;
  sys::UniqueFd dir_;  ///< locked; none once published
  std::size_t files_ = 0;
};

class TableWriter {
 public:
  Result<void> open(StagingDir& dir, const char* name);
  std::uint64_t size() const { return flushed_ + buffer_.size(); }

  Result<void> append(std::span<const std::byte> bytes);
  /// Changes bytes that are there.
  Result<void> patch(std::uint64_t at, std::span<const std::byte> bytes);
  /// Reads bytes that are there.
  Result<void> read(std::uint64_t at, std::span<std::byte> into);
  /// Brings all to the file; the digests of its chunks.
  Result<std::vector<Digest256>> finish();

 private:
  Result<void> flush();

  sys::UniqueFd fd_;
  std::vector<std::byte> buffer_;
  std::uint64_t flushed_ = 0;
  ChunkHasher hasher_;
  bool patched_ = false;
};

/// The digests of the chunks of an open file, from its start to its end.
Result<std::vector<Digest256>> digest_file(int fd);

}  // namespace veneer::layerfs
