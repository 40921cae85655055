// SPDX-License-Identifier: MIT
//
// A file's bytes as an entry says them: themselves if they are few, else a blob
// of their own, put into a store or only named by its digest.
//
// Threads: thread-compatible.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "layerfs/entry.h"
#include "veneer/layer.h"
#include "veneer/layerfs.h"
#include "veneer/result.h"

namespace veneer::layerfs {

struct ContentPolicy {
  std::uint64_t inline_limit = 0;
  BlobStore::How how = BlobStore::How::kCopy;
  BlobStore* store = nullptr;  ///< null: only the digest is computed
};

/// The first `size` bytes of `data`, which are meant to be all of them.
/// Fails  EBUSY  there are more or fewer
Result<EntryData> make_content(const FileData& data, std::uint64_t size,
                               const ContentPolicy& policy);

}  // namespace veneer::layerfs
