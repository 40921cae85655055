// SPDX-License-Identifier: MIT
//
// Manifest V1: a tree as one file, with contents by digest or inline.
//
// The format is Maelstrom's, to the byte: docs/formats/manifest.md. It has no
// count, no checksum and no order, so a file that was cut between two entries
// looks whole; the digest of the file, kept elsewhere, is what tells. All other
// damage is an error that names the file and the offset, and nothing that a
// manifest says makes the reader allocate more than the file is long.
//
// Names that are not UTF-8 are bytes like others here; Maelstrom itself does
// not read such a manifest.
//
// Threads: thread-compatible.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "layerfs/byte_source.h"
#include "layerfs/entry.h"
#include "veneer/result.h"

namespace veneer::layerfs {

/// The most bytes an entry has, without the eight that say its length.
inline constexpr std::uint64_t kLongestManifestEntry = std::uint64_t{1} << 30;

/// What the file begins with: the version, as an item of its own.
std::string manifest_header();

/// `entry` as an item, appended to `out`; the path is written as it is.
/// Fails  EINVAL  what a manifest has no words for: a part of a blob, or an
/// entry above the limit
Result<void> append_to_manifest(std::string& out, const Entry& entry);

/// Whether the beginning of a file is that of a manifest in this form.
bool looks_like_manifest(std::string_view beginning);

class ManifestReader {
 public:
  /// Reads the version. `source` outlives the reader.
  /// Fails  EUCLEAN  it is no manifest, or one of another version
  static Result<ManifestReader> open(const ByteSource& source);

  /// The next entry, its path and targets checked; nothing at the end.
  Result<std::optional<Entry>> next();
  /// Where in the file the next entry begins.
  std::uint64_t position() const { return window_.position(); }

 private:
  explicit ManifestReader(const ByteSource& source)
      : source_(&source), window_(source) {}

  Result<std::optional<std::string_view>> next_item();

  const ByteSource* source_;
  Window window_;
};

/// All of a manifest, in either form: `source` may be the text as well.
/// `see`, unless empty, gets how many bytes have been read; false ends it.
Result<void> read_manifest(const ByteSource& source, const EntrySink& sink,
                           const std::function<bool(std::uint64_t)>& see = {});

}  // namespace veneer::layerfs
