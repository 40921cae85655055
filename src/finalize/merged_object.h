// SPDX-License-Identifier: MIT
//
// An object of the merged tree, wherever its parts are stored: attributes on
// the upper, bytes there or in the base, or all of it in the base.

#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "finalize/change.h"
#include "finalize/trees.h"
#include "veneer/result.h"

namespace veneer::finalize {

/// An object of the base; null: there is none.
using BaseRef = std::shared_ptr<const BaseTree::Object>;

/// BaseTree::lookup() and walk(), for answers that several hold.
Result<BaseRef> find_base(Trees& trees, const BaseTree::Object& dir, Name name);
Result<BaseRef> find_base(Trees& trees, const std::string& path);

class MergedObject {
 public:
  /// All in the base.
  MergedObject(Trees& trees, BaseRef object)
      : trees_(&trees), attr_(object->attr()), base_(std::move(object)) {}
  /// On the upper; `data`, if it is one, is the base's file with the bytes.
  MergedObject(Trees& trees, Layer& layer, LayerNodeRef node, const Attr& attr,
               BaseRef data)
      : trees_(&trees),
        layer_(&layer),
        attr_(attr),
        node_(std::move(node)),
        base_(std::move(data)) {}

  const Attr& attr() const { return attr_; }
  Result<std::vector<Xattr>> xattrs();
  Result<std::string> read_link();

  /// Hands all bytes of a regular file over, in pieces of up to 256 KiB.
  /// Fails  EIO  there are fewer than attr() says
  Result<void> read_all(
      const std::function<Result<void>(std::span<const std::byte>)>& sink);

 private:
  Trees* trees_;
  Layer* layer_ = nullptr;  ///< of node_
  Attr attr_;
  LayerNodeRef node_;  ///< null: not on the upper
  BaseRef base_;
};

class MergedReader {
 public:
  explicit MergedReader(Trees& trees) : trees_(trees) {}

  /// What `change`, which is no deletion, has made of its name.
  /// Fails  EIO  it is not there (any more)
  Result<MergedObject> open(const Change& change);
  /// What the base has at `path`, which must be there.
  Result<MergedObject> open_base(const std::string& path);

 private:
  Result<LayerNodeRef> upper_node(const std::string& path);

  Trees& trees_;
  // The directory asked for last: changes come directory by directory.
  std::string dir_path_;
  LayerNodeRef dir_;
};

}  // namespace veneer::finalize
