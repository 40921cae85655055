// SPDX-License-Identifier: MIT

#include "layerfs/walk.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

namespace veneer::layerfs {

Result<void> walk_dirs(
    LayerReader& reader,
    const std::function<Result<void>(FileId, const DirFile&)>& visit) {
  absl::flat_hash_set<std::uint64_t> seen;
  std::vector<FileId> waiting = {reader.root()};
  while (!waiting.empty()) {
    const FileId id = waiting.back();
    waiting.pop_back();
    TRY_ASSIGN(const DirFileRef dir, reader.read_dir_file(id));
    TRY(visit(id, *dir));
    std::optional<FileId> again;
    dir->for_each([&](const DirItem& item) {
      const Target& target = item.target;
      if (target.whiteout || target.kind != Kind::kDirectory) return;
      if (!seen.insert(target.id.number()).second) {
        again = target.id;
        return;
      }
      waiting.push_back(target.id);
    });
    if (again) {
      return reader.layer(id.layer).about(
          Error(EIO, "read",
                fmt::format("directory {} of layer {} is in it, and elsewhere",
                            again->offset, again->layer)),
          dir_file_name(id.offset));
    }
  }
  return {};
}

}  // namespace veneer::layerfs
