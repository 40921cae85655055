// SPDX-License-Identifier: MIT
//
// All nodes in memory: ids, names, lookup counts.
//
// The kernel names a node by id and holds lookup counts on it; forget() gives
// them back. An id is an index and that slot's generation, so it is never
// used twice. Names are edges from a directory node to a node; an edge keeps
// its parent alive. A node is dropped when it has no lookup count, no child's
// edge and no NodeRef, and with it go its own edges, which may free its
// parents in turn. The last so many that the kernel has forgotten linger as
// long as they have a name: a file handle names a node, and the kernel asks for
// it when its own caches are long gone.
//
// Locks: one mutex of rank 4, held for memory work only.

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "overlay/node.h"

namespace veneer::overlay {

class NodeTable;

/// Keeps a node alive for the length of an operation.
class NodeRef {
 public:
  NodeRef() = default;
  NodeRef(NodeTable* table, Node* node) : table_(table), node_(node) {}
  NodeRef(NodeRef&& other) noexcept
      : table_(other.table_), node_(std::exchange(other.node_, nullptr)) {}
  NodeRef(const NodeRef& other) : table_(other.table_), node_(other.node_) {
    if (node_) node_->refs_.fetch_add(1, std::memory_order_relaxed);
  }
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(table_, other.table_);
    std::swap(node_, other.node_);
    return *this;
  }
  inline ~NodeRef();

  Node* get() const { return node_; }
  Node& operator*() const { return *node_; }
  Node* operator->() const { return node_; }
  explicit operator bool() const { return node_ != nullptr; }

 private:
  NodeTable* table_ = nullptr;
  Node* node_ = nullptr;
};

/// A name of a node, for copy-up and relocation.
struct Place {
  NodeRef dir;
  std::string name;
};

class NodeTable {
 public:
  static constexpr std::size_t kLinger = 32768;

  explicit NodeTable(std::size_t linger = kLinger) : most_lingering_(linger) {}
  ~NodeTable();
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;

  /// Puts the root in, which is never dropped.
  void set_root(std::unique_ptr<Node> root);
  NodeRef root() { return get(kRootId); }

  /// Null for an id that is not, or no longer, in use.
  NodeRef get(NodeId id);
  NodeRef find_child(Node& dir, Name name);
  NodeRef find_object(ObjectKey key);

  /// Puts a new node in, without a name yet.
  NodeRef insert(std::unique_ptr<Node> node);
  /// Makes `node` findable by `key` (it may have several).
  void add_key(Node& node, ObjectKey key);

  void add_edge(Node& dir, Name name, Node& child);
  /// Null if there was none of that name.
  NodeRef remove_edge(Node& dir, Name name);
  bool has_edges(Node& node);
  std::optional<Place> place_of(Node& node);
  std::vector<Place> places_of(Node& node);

  void count_lookup(Node& node);
  void forget(NodeId id, std::uint64_t count);

  std::size_t size() const;

  /// Called with each node that is dropped, without the lock. Set before use.
  std::function<void(Node&)> on_drop;

 private:
  friend class NodeRef;
  struct Slot {
    Node* node = nullptr;
    std::uint32_t generation = 0;
  };

  void release(Node* node);
  void drop_if_unused_locked(Node* node, std::vector<Node*>& dead)
      REQUIRES(mu_);
  NodeRef ref_locked(Node* node) REQUIRES(mu_);
  Node* at_locked(NodeId id) REQUIRES(mu_);
  void let_linger_locked(Node& node, std::vector<Node*>& dead) REQUIRES(mu_);
  void bury(const std::vector<Node*>& dead);
  void detach_edge_locked(Edge* edge) REQUIRES(mu_);

  mutable Mutex mu_{Rank::kTable};
  std::vector<Slot> slots_ GUARDED_BY(mu_){Slot{}, Slot{}};
  std::vector<std::uint32_t> free_ GUARDED_BY(mu_);
  absl::flat_hash_map<ObjectKey, Node*> by_object_ GUARDED_BY(mu_);
  std::size_t count_ GUARDED_BY(mu_) = 0;
  const std::size_t most_lingering_;
  /// Oldest first; an id may be stale, or its node wanted again.
  std::deque<NodeId> lingering_ GUARDED_BY(mu_);
};

inline NodeRef::~NodeRef() {
  if (node_ == nullptr) return;
  // The last reference is given back under the table's lock, so that nobody
  // finds a node that is on its way out.
  std::uint32_t count = node_->refs_.load(std::memory_order_relaxed);
  while (count > 1) {
    if (node_->refs_.compare_exchange_weak(count, count - 1,
                                           std::memory_order_acq_rel)) {
      return;
    }
  }
  table_->release(node_);
}

}  // namespace veneer::overlay
