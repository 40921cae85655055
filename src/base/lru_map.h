// SPDX-License-Identifier: MIT
//
// A map that holds at most so many entries and forgets the least recently used.
//
// What is pushed out is handed back rather than destroyed, so that a caller can
// close a descriptor after it has let go of its lock. Values stay where they
// are until they leave the map. All operations take constant time.
//
// Threads: thread-compatible; a cache shared by threads sits under a mutex. To
// find is to touch, so even readers need it alone.

#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace veneer {

template <typename Key, typename Value>
class LruMap {
 public:
  using Entry = std::pair<Key, Value>;

  explicit LruMap(std::size_t capacity) : capacity_(capacity) {}
  LruMap(const LruMap&) = delete;
  LruMap& operator=(const LruMap&) = delete;

  std::size_t size() const { return nodes_.size(); }
  std::size_t capacity() const { return capacity_; }

  /// The value of `key`, now the most recently used; null if there is none.
  /// Valid until the entry leaves the map.
  Value* find(const Key& key) {
    const auto found = nodes_.find(key);
    if (found == nodes_.end()) return nullptr;
    Node* const node = found->second.get();
    unlink(*node);
    link_newest(*node);
    return &node->entry.second;
  }

  /// Puts `value` under `key` as the most recently used. Returns what had to
  /// go: the former value of `key`, else the least recently used entry of a
  /// full map (with no capacity at all, the new one).
  std::optional<Entry> insert(Key key, Value value) {
    if (capacity_ == 0) return Entry(std::move(key), std::move(value));
    auto [place, is_new] = nodes_.try_emplace(key);
    if (!is_new) {
      Node& node = *place->second;
      Value old = std::exchange(node.entry.second, std::move(value));
      unlink(node);
      link_newest(node);
      return Entry(std::move(key), std::move(old));
    }
    place->second =
        std::make_unique<Node>(Entry(std::move(key), std::move(value)));
    link_newest(*place->second);
    if (size() <= capacity_) return std::nullopt;
    return pop_oldest();
  }

  /// Takes `key` out of the map; returns its value.
  std::optional<Value> erase(const Key& key) {
    const auto found = nodes_.find(key);
    if (found == nodes_.end()) return std::nullopt;
    const std::unique_ptr<Node> node = std::move(found->second);
    nodes_.erase(found);
    unlink(*node);
    return std::move(node->entry.second);
  }

  /// Takes out the least recently used entry.
  std::optional<Entry> pop_oldest() {
    if (ends_.next == &ends_) return std::nullopt;
    const auto found = nodes_.find(static_cast<Node*>(ends_.next)->entry.first);
    const std::unique_ptr<Node> node = std::move(found->second);
    nodes_.erase(found);
    unlink(*node);
    return std::move(node->entry);
  }

  /// Returns what no longer fits, oldest first.
  std::vector<Entry> set_capacity(std::size_t capacity) {
    capacity_ = capacity;
    std::vector<Entry> evicted;
    while (size() > capacity_) evicted.push_back(*pop_oldest());
    return evicted;
  }

  void clear() {
    nodes_.clear();
    ends_.next = ends_.previous = &ends_;
  }

 private:
  struct Link {
    Link* previous = this;
    Link* next = this;
  };
  struct Node : Link {
    explicit Node(Entry e) : entry(std::move(e)) {}
    Entry entry;
  };

  static void unlink(Link& link) {
    link.previous->next = link.next;
    link.next->previous = link.previous;
  }
  void link_newest(Link& link) {
    link.previous = ends_.previous;
    link.next = &ends_;
    ends_.previous->next = &link;
    ends_.previous = &link;
  }

  std::size_t capacity_;
  absl::flat_hash_map<Key, std::unique_ptr<Node>> nodes_;
  Link ends_;  // a ring: next is the oldest, previous the newest
};

}  // namespace veneer
