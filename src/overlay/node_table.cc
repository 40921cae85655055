// SPDX-License-Identifier: MIT

#include "overlay/node_table.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace veneer::overlay {
namespace {

Edge* make_edge(Node& dir, Name name, Node& child) {
  void* memory = ::operator new(sizeof(Edge) + name.size());
  auto* edge =
      new (memory) Edge{.parent = &dir,
                        .child = &child,
                        .next = nullptr,
                        .length = static_cast<std::uint16_t>(name.size())};
  std::memcpy(static_cast<void*>(edge + 1), name.data(), name.size());
  return edge;
}

void free_edge(Edge* edge) { ::operator delete(edge); }

constexpr std::uint32_t index_of(NodeId id) {
  return static_cast<std::uint32_t>(raw(id));
}
constexpr std::uint32_t generation_of(NodeId id) {
  return static_cast<std::uint32_t>(raw(id) >> 32);
}

}  // namespace

NodeTable::~NodeTable() {
  for (const Slot& slot : slots_) {
    if (slot.node == nullptr) continue;
    for (Edge* edge = slot.node->edges_; edge != nullptr;) {
      free_edge(std::exchange(edge, edge->next));
    }
    delete slot.node;
  }
}

void NodeTable::set_root(std::unique_ptr<Node> root) {
  const MutexLock lock(mu_);
  root->id = kRootId;
  root->lookups_ = 1;
  root->refs_ = 1;
  slots_[index_of(kRootId)].node = root.release();
  ++count_;
}

NodeRef NodeTable::ref_locked(Node* node) {
  node->refs_.fetch_add(1, std::memory_order_relaxed);
  return {this, node};
}

Node* NodeTable::at_locked(NodeId id) {
  const std::uint32_t index = index_of(id);
  if (index >= slots_.size()) return nullptr;
  const Slot& slot = slots_[index];
  return slot.generation == generation_of(id) ? slot.node : nullptr;
}

NodeRef NodeTable::get(NodeId id) {
  const MutexLock lock(mu_);
  Node* const node = at_locked(id);
  return node == nullptr ? NodeRef() : ref_locked(node);
}

NodeRef NodeTable::find_child(Node& dir, Name name) {
  const MutexLock lock(mu_);
  const auto it = dir.dir->children.find(name);
  if (it == dir.dir->children.end()) return {};
  return ref_locked((*it)->child);
}

NodeRef NodeTable::find_object(ObjectKey key) {
  const MutexLock lock(mu_);
  const auto it = by_object_.find(key);
  if (it == by_object_.end()) return {};
  return ref_locked(it->second);
}

NodeRef NodeTable::insert(std::unique_ptr<Node> node) {
  const MutexLock lock(mu_);
  std::uint32_t index;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.node = node.release();
  slot.node->id = NodeId{std::uint64_t{slot.generation} << 32 | index};
  ++count_;
  return ref_locked(slot.node);
}

void NodeTable::add_key(Node& node, ObjectKey key) {
  const MutexLock lock(mu_);
  const auto [it, is_new] = by_object_.try_emplace(key, &node);
  if (!is_new) {
    if (it->second == &node) return;
    // An object that is another one by now: its former node lets go.
    std::erase(*it->second->keys_, key);
    it->second = &node;
  }
  if (!node.keys_) node.keys_ = std::make_unique<std::vector<ObjectKey>>();
  node.keys_->push_back(key);
}

void NodeTable::add_edge(Node& dir, Name name, Node& child) {
  const MutexLock lock(mu_);
  Edge* edge = make_edge(dir, name, child);
  const bool added = dir.dir->children.insert(edge).second;
  if (!added) return free_edge(edge);
  edge->next = child.edges_;
  child.edges_ = edge;
  dir.refs_.fetch_add(1, std::memory_order_relaxed);
}

// Takes the edge out of both lists and frees it. The parent's reference is the
// caller's to give back.
void NodeTable::detach_edge_locked(Edge* edge) {
  edge->parent->dir->children.erase(edge);
  Edge** link = &edge->child->edges_;
  while (*link != edge) link = &(*link)->next;
  *link = edge->next;
  free_edge(edge);
}

NodeRef NodeTable::remove_edge(Node& dir, Name name) {
  NodeRef child;
  const MutexLock lock(mu_);
  const auto it = dir.dir->children.find(name);
  if (it == dir.dir->children.end()) return child;
  child = ref_locked((*it)->child);
  detach_edge_locked(*it);
  // The callers hold both, so these are never the last references.
  dir.refs_.fetch_sub(1, std::memory_order_acq_rel);
  if (child->edges_ == nullptr && child->lingers_) {
    // What has lost its name must not be kept from being freed.
    child->lingers_ = false;
    child->refs_.fetch_sub(1, std::memory_order_acq_rel);
  }
  return child;
}

bool NodeTable::has_edges(Node& node) {
  const MutexLock lock(mu_);
  return node.edges_ != nullptr;
}

std::optional<Place> NodeTable::place_of(Node& node) {
  const MutexLock lock(mu_);
  if (node.edges_ == nullptr) return std::nullopt;
  return Place{ref_locked(node.edges_->parent),
               std::string(node.edges_->name())};
}

std::vector<Place> NodeTable::places_of(Node& node) {
  std::vector<Place> places;
  const MutexLock lock(mu_);
  for (const Edge* edge = node.edges_; edge != nullptr; edge = edge->next) {
    places.push_back({ref_locked(edge->parent), std::string(edge->name())});
  }
  return places;
}

void NodeTable::count_lookup(Node& node) {
  const MutexLock lock(mu_);
  if (node.lookups_++ == 0) {
    node.refs_.fetch_add(1, std::memory_order_relaxed);
  }
}

void NodeTable::forget(NodeId id, std::uint64_t count) {
  if (id == kRootId) return;
  std::vector<Node*> dead;
  {
    const MutexLock lock(mu_);
    Node* const node = at_locked(id);
    if (node == nullptr || node->lookups_ == 0) return;
    node->lookups_ -= std::min(count, node->lookups_);
    if (node->lookups_ > 0) return;
    let_linger_locked(*node, dead);
  }
  bury(dead);
}

// Takes over the reference that the kernel's counts stood for.
void NodeTable::let_linger_locked(Node& node, std::vector<Node*>& dead) {
  if (node.lingers_ || node.edges_ == nullptr || most_lingering_ == 0) {
    return drop_if_unused_locked(&node, dead);
  }
  node.lingers_ = true;
  lingering_.push_back(node.id);
  while (lingering_.size() > most_lingering_) {
    Node* const oldest = at_locked(lingering_.front());
    lingering_.pop_front();
    if (oldest == nullptr || !oldest->lingers_) continue;
    oldest->lingers_ = false;
    drop_if_unused_locked(oldest, dead);
  }
}

void NodeTable::release(Node* node) {
  std::vector<Node*> dead;
  {
    const MutexLock lock(mu_);
    drop_if_unused_locked(node, dead);
  }
  bury(dead);
}

// Outside the lock: a node's end closes descriptors.
void NodeTable::bury(const std::vector<Node*>& dead) {
  for (Node* gone : dead) {
    if (on_drop) on_drop(*gone);
    delete gone;
  }
}

// Gives one reference back; if it was the last, takes the node out, and then
// its parents where its edges were the last thing that kept them.
void NodeTable::drop_if_unused_locked(Node* node, std::vector<Node*>& dead) {
  std::vector<Node*> pending{node};
  while (!pending.empty()) {
    Node* next = pending.back();
    pending.pop_back();
    if (next->refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
    while (next->edges_ != nullptr) {
      pending.push_back(next->edges_->parent);
      detach_edge_locked(next->edges_);
    }
    if (next->keys_) {
      for (const ObjectKey& key : *next->keys_) by_object_.erase(key);
    }
    Slot& slot = slots_[index_of(next->id)];
    slot.node = nullptr;
    ++slot.generation;
    free_.push_back(index_of(next->id));
    --count_;
    dead.push_back(next);
  }
}

std::size_t NodeTable::size() const {
  const MutexLock lock(mu_);
  return count_;
}

}  // namespace veneer::overlay
