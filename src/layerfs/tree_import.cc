// SPDX-License-Identifier: MIT
//
// From the tree of another layer, or of a stack, into one layer.

#include <fmt/format.h>

#include <cerrno>

#include "layerfs/builder_sink.h"
#include "layerfs/entry_path.h"
#include "layerfs/layer_source.h"
#include "layerfs/tree_content.h"
#include "layerfs/tree_source.h"
#include "veneer/layerfs_import.h"

namespace veneer::layerfs {

Result<TreeReport> add_from_tree(BottomLayerBuilder& builder,
                                 const std::string& blobs, Layer& source,
                                 const std::string& name,
                                 const TreeOptions& options) {
  TRY_ASSIGN(TreeContents contents,
             TreeContents::open(
                 blobs, options.threads,
                 {.inline_limit = options.inline_limit, .how = options.how}));
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  const auto sink = [&](Entry&& entry) -> Result<void> {
    if (std::holds_alternative<BlobRange>(entry.data)) {
      ++files;
      bytes += entry.size;
    }
    return add_entry(builder, entry);
  };
  TRY_ASSIGN(TreeReport report,
             read_tree(source, name, options, contents.maker(source), sink));
  TRY(contents.publish());
  report.blobs = files;
  report.blob_bytes = bytes;
  return report;
}

Result<std::uint64_t> flatten(BottomLayerBuilder& builder,
                              const LayerFs& source,
                              const OnProgress& progress) {
  std::uint64_t entries = 0;
  const auto sink = [&](Entry&& entry) -> Result<void> {
    // What one sees has these attributes, whoever said so.
    if (auto* dir = std::get_if<DirectoryEntry>(&entry.data)) {
      dir->implicit = false;
    }
    const auto added = add_entry(builder, entry);
    if (!added) {
      return Error(added.error().code(), "",
                   fmt::format("{}: {}: {}", source.path(),
                               printable(entry.path), added.error().subject()));
    }
    ++entries;
    if (progress && !progress(entries, 0)) return Error(ECANCELED, "flatten");
    return {};
  };
  TRY(read_layer(source, {}, sink));
  return entries;
}

}  // namespace veneer::layerfs
