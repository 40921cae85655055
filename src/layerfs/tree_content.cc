// SPDX-License-Identifier: MIT

#include "layerfs/tree_content.h"

namespace veneer::layerfs {

Result<TreeContents> TreeContents::open(const std::string& blobs,
                                        unsigned threads,
                                        const ContentPolicy& policy) {
  TreeContents contents;
  contents.policy_ = policy;
  for (unsigned i = 0; !blobs.empty() && i < std::max(threads, 1U); ++i) {
    TRY_ASSIGN(BlobStore store, BlobStore::open(blobs, /*create=*/true));
    contents.stores_.push_back(std::make_unique<BlobStore>(std::move(store)));
  }
  return contents;
}

MakeContent TreeContents::maker(Layer& source) {
  return [this, &source](unsigned thread, const LayerNode& node,
                         const Attr& attr) -> Result<EntryData> {
    TRY_ASSIGN(const FileData data, source.open_data(node));
    ContentPolicy policy = policy_;
    if (!stores_.empty()) policy.store = stores_[thread].get();
    return make_content(data, attr.size, policy);
  };
}

Result<void> TreeContents::publish() {
  for (const auto& store : stores_) TRY(store->publish());
  return {};
}

}  // namespace veneer::layerfs
