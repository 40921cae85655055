// SPDX-License-Identifier: MIT

#include "finalize/merged_object.h"

#include <algorithm>
#include <cerrno>

#include "finalize/tree_path.h"
#include "sys/file_data.h"

namespace veneer::finalize {

namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;

using Sink = std::function<Result<void>(std::span<const std::byte>)>;

BaseRef share(BaseTree::Object object) {
  if (!object) return nullptr;
  return std::make_shared<const BaseTree::Object>(std::move(object));
}

}  // namespace

Result<BaseRef> find_base(Trees& trees, const BaseTree::Object& dir,
                          Name name) {
  TRY_ASSIGN(BaseTree::Object object, trees.base->lookup(dir, name));
  return share(std::move(object));
}

Result<BaseRef> find_base(Trees& trees, const std::string& path) {
  TRY_ASSIGN(BaseTree::Object object, trees.base->walk(path));
  return share(std::move(object));
}

Result<std::vector<Xattr>> MergedObject::xattrs() {
  return node_ ? xattrs_of(*layer_, *node_) : trees_->base->xattrs(*base_);
}

Result<std::string> MergedObject::read_link() {
  return node_ ? layer_->read_link(*node_) : trees_->base->read_link(*base_);
}

Result<void> MergedObject::read_all(const Sink& sink) {
  // A copy of metadata alone has both.
  TRY_ASSIGN(const FileData data,
             base_ ? trees_->base->data(*base_) : layer_->open_data(*node_));
  std::vector<std::byte> buffer(std::min<std::uint64_t>(attr_.size, kPiece));
  for (std::uint64_t done = 0; done < attr_.size;) {
    const std::size_t want = std::min<std::uint64_t>(attr_.size - done, kPiece);
    TRY_ASSIGN(const auto bytes,
               sys::read_data(data, done, std::span(buffer).first(want)));
    if (bytes.size() < want) return Error(EIO, "read a file that got shorter");
    TRY(sink(bytes));
    done += want;
  }
  return {};
}

Result<LayerNodeRef> MergedReader::upper_node(const std::string& path) {
  Layer& upper = *trees_.upper;
  if (path.empty()) return upper.root().node;
  if (path.starts_with(kIndexPrefix) && trees_.index) {
    TRY_ASSIGN(auto child, trees_.index->lookup(*trees_.index->root().node,
                                                std::string_view(path).substr(
                                                    kIndexPrefix.size())));
    if (!child || !child->node) return Error(EIO, "find again", path);
    return std::move(child->node);
  }
  const std::string dir = parent_of(path);
  if (!dir_ || dir != dir_path_) {
    dir_ = upper.root().node;
    for (std::string_view rest = dir; !rest.empty();) {
      TRY_ASSIGN(auto child, upper.lookup(*dir_, take_first(rest)));
      if (!child || !child->node) {
        dir_ = nullptr;
        return Error(EIO, "find again", dir);
      }
      dir_ = std::move(child->node);
    }
    dir_path_ = dir;
  }
  TRY_ASSIGN(auto child, upper.lookup(*dir_, last_name(path)));
  if (!child || !child->node) return Error(EIO, "find again", path);
  return std::move(child->node);
}

Result<MergedObject> MergedReader::open(const Change& change) {
  if (!change.on_upper) return open_base(change.base_path);
  TRY_ASSIGN(LayerNodeRef node, upper_node(change.upper_path));
  BaseRef data;
  if (change.data_in_base) {
    TRY_ASSIGN(data, find_base(trees_, change.data_path));
    if (!data) return Error(EIO, "find the data of", change.path);
  }
  const bool in_index = change.upper_path.starts_with(kIndexPrefix);
  Layer& layer = in_index ? *trees_.index : *trees_.upper;
  return MergedObject(trees_, layer, std::move(node), change.attr,
                      std::move(data));
}

Result<MergedObject> MergedReader::open_base(const std::string& path) {
  TRY_ASSIGN(BaseRef object, find_base(trees_, path));
  if (!object) return Error(EIO, "find in the base", path);
  return MergedObject(trees_, std::move(object));
}

}  // namespace veneer::finalize
