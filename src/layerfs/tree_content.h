// SPDX-License-Identifier: MIT
//
// The contents of a tree's files, made on several threads at once. A store
// serves one thread, so each has its own over the same directory.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layerfs/file_content.h"
#include "layerfs/tree_source.h"
#include "veneer/layerfs.h"
#include "veneer/result.h"

namespace veneer::layerfs {

class TreeContents {
 public:
  /// `blobs` may be empty: digests are computed, nothing is stored.
  static Result<TreeContents> open(const std::string& blobs, unsigned threads,
                                   const ContentPolicy& policy);

  /// For read_tree(); valid as long as this and `source`.
  MakeContent maker(Layer& source);
  Result<void> publish();

 private:
  std::vector<std::unique_ptr<BlobStore>> stores_;
  ContentPolicy policy_;
};

}  // namespace veneer::layerfs
