// SPDX-License-Identifier: MIT
//
// What a layer is made from, one object at a time.
//
// A manifest, a tar and a tree of another layer all come down to the same
// thing: a row of entries, each a path with what stands there. Sources give
// entries to a sink; a builder is one sink, the writer of manifests another.
// So anything can be made from anything, and no source knows any sink.
//
// Order is the source's: parents may come after their children or not at all,
// but the target of a hard link always comes before the link.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>

#include "veneer/layerfs.h"
#include "veneer/result.h"

namespace veneer::layerfs {

struct DirectoryEntry {
  bool opaque = false;    ///< hides what the layers below have in it
  bool implicit = false;  ///< nobody said anything but its name
  bool operator==(const DirectoryEntry&) const = default;
};
/// A regular file's bytes themselves.
struct InlineBytes {
  std::string bytes;
  bool operator==(const InlineBytes&) const = default;
};
struct SymlinkEntry {
  std::string target;
  bool operator==(const SymlinkEntry&) const = default;
};
struct HardLinkEntry {
  std::string target;  ///< a path, from the root of the layer
  bool operator==(const HardLinkEntry&) const = default;
};
struct WhiteoutEntry {
  bool operator==(const WhiteoutEntry&) const = default;
};

/// A regular file is one of BlobRange, InlineBytes and Empty.
using EntryData = std::variant<DirectoryEntry, BlobRange, InlineBytes, Empty,
                               SymlinkEntry, HardLinkEntry, WhiteoutEntry>;

struct Entry {
  std::string path;
  std::uint64_t size = 0;  ///< of a regular file; else 0
  std::uint32_t mode = 0;  ///< permissions, maybe with the type bits
  std::int64_t mtime = 0;  ///< seconds
  EntryData data;

  bool operator==(const Entry&) const = default;
};

/// Gets the entries one by one; an error ends the source, which returns it.
using EntrySink = std::function<Result<void>(Entry&&)>;

}  // namespace veneer::layerfs
