// SPDX-License-Identifier: MIT

#include "overlay/core.h"

namespace veneer::overlay {
namespace {

constexpr std::size_t kListedEntries = 1U << 20;

}  // namespace

Core::Core(std::vector<std::unique_ptr<Layer>> lower_layers,
           std::unique_ptr<UpperLayer> upper_layer, const Options& opts)
    : options(opts),
      upper(std::move(upper_layer)),
      lowers(std::move(lower_layers)),
      numbers(opts.inode_mode),
      files(opts.open_files),
      listings(kListedEntries) {}

Result<void> Core::start() {
  if (!upper && lowers.empty()) return Error(EINVAL, "no layers");
  const Child& top = upper ? upper->root() : lowers.front()->root();
  if (upper) numbers.add_device(upper->root().attr.dev);
  for (const auto& lower : lowers) numbers.add_device(lower->root().attr.dev);

  const LayerIndex top_layer = upper ? kUpperLayer : LayerIndex{1};
  // The root's number is its own, wherever the kernel noted it was copied from.
  Child plain = top;
  plain.marks = Marks{};
  auto root = std::make_unique<Node>(S_IFDIR, number_of(top_layer, plain));
  for (std::size_t i = 0; i < lowers.size(); ++i) {
    root->dir->lowers.push_back(
        {static_cast<LayerIndex>(i + 1), lowers[i]->root().node});
  }
  if (upper) root->set_upper(upper->root().node);
  root->set(kMergedFlag, lowers.size() + (upper ? 1 : 0) > 1);
  set_flags(*root, top.marks, top.attr);
  nodes.on_drop = [this](Node& node) {
    if (node.is_regular()) files.erase(node.id);
    if (node.is_dir()) listings.drop(node.id);
  };
  nodes.set_root(std::move(root));
  return {};
}

Result<NodeRef> Core::get(NodeId id) {
  NodeRef node = nodes.get(id);
  if (!node) return Error(ESTALE, "node");
  return node;
}

Result<NodeRef> Core::get_dir(NodeId id) {
  TRY_ASSIGN(NodeRef node, get(id));
  if (!node->is_dir()) return Error(ENOTDIR, "node");
  return node;
}

Result<NodeRef> Core::get_file(NodeId id) {
  TRY_ASSIGN(NodeRef node, get(id));
  if (node->is_dir()) return Error(EISDIR, "node");
  if (!node->is_regular()) return Error(EINVAL, "node");
  return node;
}

Result<FileData> Core::data_for_read(Node& node) {
  const bool up = node.data_is_upper();
  if (up) {
    if (auto data = files.find(node.id, DataSide::kUpperWrite)) {
      stats.file_cache_hits.fetch_add(1, std::memory_order_relaxed);
      return *data;
    }
  }
  const DataSide side = up ? DataSide::kUpperRead : DataSide::kLower;
  if (auto data = files.find(node.id, side)) {
    stats.file_cache_hits.fetch_add(1, std::memory_order_relaxed);
    return *data;
  }
  stats.file_cache_misses.fetch_add(1, std::memory_order_relaxed);
  if (!up && !node.lower_data) return Error(EIO, "metacopy without data");
  auto data = up ? upper->open_data(*node.upper())
                 : layer(node.data_layer).open_data(*node.lower_data);
  if (data) files.insert(node.id, side, *data);
  return data;
}

Result<FileData> Core::data_for_write(Node& node) {
  if (auto data = files.find(node.id, DataSide::kUpperWrite)) {
    stats.file_cache_hits.fetch_add(1, std::memory_order_relaxed);
    return *data;
  }
  stats.file_cache_misses.fetch_add(1, std::memory_order_relaxed);
  TRY_ASSIGN(FileData data, upper->open_for_write(*node.upper()));
  files.insert(node.id, DataSide::kUpperWrite, data);
  return data;
}

}  // namespace veneer::overlay
