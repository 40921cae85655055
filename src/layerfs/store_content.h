// SPDX-License-Identifier: MIT
//
// Contents that no blob has yet, on their way into a store.

#pragma once

#include <memory>
#include <string>

#include "layerfs/tar_source.h"
#include "sys/fd.h"
#include "veneer/layerfs.h"
#include "veneer/result.h"

namespace veneer::layerfs {

/// A file without a name in the directory `store`, to be added by kLink. One
/// that the file system cannot link is copied then.
Result<sys::UniqueFd> open_nameless(const std::string& store);

/// A file in pieces, put together where `store` is; holes stay holes.
/// The store outlives the writer.
Result<std::unique_ptr<ContentWriter>> open_store_content(BlobStore& store);

/// The same without a store: only the digest is computed.
std::unique_ptr<ContentWriter> open_digest_content();

}  // namespace veneer::layerfs
