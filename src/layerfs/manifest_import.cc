// SPDX-License-Identifier: MIT
//
// From a manifest into a layer.

#include <fcntl.h>
#include <fmt/format.h>

#include "layerfs/builder_sink.h"
#include "layerfs/entry_path.h"
#include "layerfs/manifest.h"
#include "sys/open.h"
#include "veneer/layerfs_import.h"

namespace veneer::layerfs {

Result<std::uint64_t> add_from_manifest(BottomLayerBuilder& builder,
                                        const std::string& path,
                                        const OnProgress& progress) {
  auto fd = sys::open_file(path, O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error().about(path);
  TRY_ASSIGN(const ByteSource source, ByteSource::from_fd(fd->get(), path));
  std::uint64_t entries = 0;
  const auto sink = [&](Entry&& entry) -> Result<void> {
    ++entries;
    const auto added = add_entry(builder, entry);
    if (added) return {};
    return Error(
        added.error().code(), "",
        fmt::format("{}: {}", printable(entry.path), added.error().subject()));
  };
  std::function<bool(std::uint64_t)> see;
  if (progress) {
    see = [&](std::uint64_t done) { return progress(done, source.size); };
  }
  TRY(read_manifest(source, sink, see));
  return entries;
}

}  // namespace veneer::layerfs
