// SPDX-License-Identifier: MIT

#include "layerfs/foreign.h"

#include <fcntl.h>

#include <algorithm>

#include "layerfs/staging_dir.h"
#include "sys/dir_stream.h"
#include "sys/open.h"

namespace veneer::layerfs {

Result<std::vector<std::uint32_t>> list_dir_files(const OneLayer& layer) {
  TRY_ASSIGN(const auto dir,
             sys::reopen(layer.dir_fd(), O_RDONLY | O_DIRECTORY));
  std::vector<std::uint32_t> offsets;
  TRY(sys::read_dir(dir.get(),
                    [&](std::string_view name, std::uint64_t, std::uint8_t) {
                      if (const auto offset = offset_of_dir_file(name)) {
                        offsets.push_back(*offset);
                      }
                    }));
  std::ranges::sort(offsets);
  return offsets;
}

Result<Digest256> digest_foreign(const OneLayer& layer) {
  std::vector<std::string> names = {kSuperFile, kFileTable, kAttributesTable,
                                    kInlineData};
  TRY_ASSIGN(const auto offsets, list_dir_files(layer));
  for (const std::uint32_t offset : offsets) {
    names.push_back(dir_file_name(offset));
  }
  BeWriter all;
  for (const std::string& name : names) {
    const auto fd = sys::open_at(layer.dir_fd(), name.c_str(),
                                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd) return layer.about(fd.error(), name);
    const auto chunks = digest_file(fd->get());
    if (!chunks) return layer.about(chunks.error(), name);
    all.text(name);
    all.u64(chunks->size());
    for (const Digest256& chunk : *chunks) {
      all.raw(std::span<const std::uint8_t>(chunk));
    }
  }
  return blake3(all.bytes());
}

}  // namespace veneer::layerfs
