// SPDX-License-Identifier: MIT
//
// An uncompressed tar as a source of entries: members stay where they are, and
// an entry says from where to where.
//
// Read are all that libarchive reads: ustar, GNU (long names, sparse files),
// pax (long names and links, any size, global headers). What a tar can say and
// a layer cannot:
//
//   devices,         Hidden: nothing from below stands in their place (or an
//   fifos            error, by TarOptions). A device 0:0 is a whiteout.
//   sparse files     Become contents of their own, holes kept as holes, as no
//                    range of the tar has them. Only so large: see TarOptions.
//   owners, xattrs   Dropped; those that mark overlays' uppers count: opaque
//                    and whiteouts, while redirects and metacopies are refused.
//   .wh. names       Whiteouts, whatever their type (markers.h).
//
// Paths are taken from the root of the layer; ".." is refused, never resolved.
// A member with data of which the file has only a part is an error before it
// is an entry. Errors name the file, the offset of the member's header, and the
// member.
//
// Threads: the calling thread alone; its locale is set meanwhile.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "layerfs/byte_source.h"
#include "layerfs/entry.h"
#include "veneer/layerfs_import.h"
#include "veneer/result.h"

namespace veneer::layerfs {

/// In the ranges that read_tar gives: the tar itself, whose digest may not be
/// known before all of it has been read.
inline constexpr Sha256Digest kThisTar{};

/// Contents put together from pieces.
class ContentWriter {
 public:
  virtual ~ContentWriter() = default;
  /// `offset` never lies before the end of the last piece; what is between
  /// them is zeros.
  virtual Result<void> write(std::uint64_t offset,
                             std::span<const std::byte> bytes) = 0;
  /// The file has `size` bytes in all.
  virtual Result<EntryData> finish(std::uint64_t size) = 0;
};
using OpenContent = std::function<Result<std::unique_ptr<ContentWriter>>()>;

/// Gets an entry and where in the tar its header is.
using TarSink = std::function<Result<void>(Entry&&, std::uint64_t offset)>;

/// Of `options` only what is about single members counts. `see`, unless empty,
/// gets how far it has got; false ends it.
/// Fails  EUCLEAN    the file is no tar, damaged, or cut short
///        EINVAL     a name or a link that no layer can have
///        EOPNOTSUPP what is refused, as above
///        ECANCELED  as `see` asked; others from `tar` and the sinks
Result<TarReport> read_tar(const ByteSource& tar, const TarOptions& options,
                           const TarSink& sink, const OpenContent& open_content,
                           const std::function<bool(std::uint64_t)>& see = {});

/// "TAR: offset 512: usr/x: WHY"
Error tar_error(const ByteSource& tar, int code, std::uint64_t offset,
                std::string_view path, std::string_view why);

}  // namespace veneer::layerfs
