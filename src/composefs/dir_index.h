// SPDX-License-Identifier: MIT
//
// Finding objects of a tree that is being built, by directory and name. Before
// Tree::finish() the tree itself cannot.
//
// Threads: thread-compatible.

#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>

#include <optional>
#include <string_view>
#include <utility>

#include "composefs/tree.h"

namespace veneer::composefs {

class DirIndex {
 public:
  /// `tree` outlives the index.
  explicit DirIndex(const Tree& tree) : index_(0, Hash{&tree}, Equal{&tree}) {}

  void add(NodeIndex node) { index_.insert(node); }
  void remove(NodeIndex node) { index_.erase(node); }
  std::optional<NodeIndex> find(NodeIndex parent, std::string_view name) const {
    const auto found = index_.find(Key{parent, name});
    if (found == index_.end()) return std::nullopt;
    return *found;
  }

 private:
  using Key = std::pair<NodeIndex, std::string_view>;
  static Key key_of(const Tree* tree, NodeIndex node) {
    return {tree->node(node).parent, tree->name(tree->node(node))};
  }
  struct Hash {
    using is_transparent = void;
    const Tree* tree;
    std::size_t operator()(const Key& key) const { return absl::HashOf(key); }
    std::size_t operator()(NodeIndex node) const {
      return absl::HashOf(key_of(tree, node));
    }
  };
  struct Equal {
    using is_transparent = void;
    const Tree* tree;
    bool operator()(NodeIndex a, NodeIndex b) const { return a == b; }
    bool operator()(NodeIndex node, const Key& key) const {
      return key_of(tree, node) == key;
    }
    bool operator()(const Key& key, NodeIndex node) const {
      return key_of(tree, node) == key;
    }
  };

  absl::flat_hash_set<NodeIndex, Hash, Equal> index_;
};

}  // namespace veneer::composefs
