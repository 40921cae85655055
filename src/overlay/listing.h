// SPDX-License-Identifier: MIT
//
// A directory's merged listing.
//
// Entries are ordered by cookie, and a cookie is the hash of the name. So a
// cookie means the same in every listing of the directory: while names come
// and go, after the listing was dropped and built again, after a remount. An
// iteration sees each name that stays exactly once. Names with one hash (which
// nobody meets by chance, but anyone can make) get neighbouring cookies, in
// name order when a listing is built.
//
// A listing also answers lookups: in which layer a name is first found, and
// that it is nowhere.
//
// Threads: thread-compatible; guarded by the directory's mutex.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "base/lru_map.h"
#include "base/mutex.h"
#include "overlay/node.h"

namespace veneer::overlay {

struct ListingItem {
  std::string name;
  std::uint64_t ino = 0;  ///< the layer's own number
  LayerIndex layer = 0;   ///< where the name is first found
  std::uint8_t type = 0;  ///< DT_*
};

class Listing {
 public:
  /// Cookies below are for "." and "..".
  static constexpr std::uint64_t kFirstCookie = 16;

  const ListingItem* find(Name name) const;
  /// Replaces an item of the same name.
  void insert(ListingItem item);
  void erase(Name name);
  /// After the last insert of a new listing: puts names that share a hash in
  /// name order, so that every build gives them the same cookies.
  void settle();

  /// The file system that a layer's numbers are of.
  void set_device(LayerIndex layer, std::uint64_t device) {
    devices_.emplace_back(layer, device);
  }
  std::uint64_t device_of(LayerIndex layer) const {
    for (const auto& [index, device] : devices_) {
      if (index == layer) return device;
    }
    return 0;
  }

  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  std::size_t subdirs() const { return subdirs_; }

  using Items = absl::btree_map<std::uint64_t, ListingItem>;
  /// The first item behind `cookie`.
  Items::const_iterator after(std::uint64_t cookie) const {
    return items_.upper_bound(cookie);
  }
  Items::const_iterator end() const { return items_.end(); }

 private:
  Items::iterator locate(Name name);

  Items items_;
  std::vector<std::pair<LayerIndex, std::uint64_t>> devices_;
  std::size_t subdirs_ = 0;
  /// Items not at their own hash, by name: their cookies.
  absl::flat_hash_map<std::string, std::uint64_t> displaced_;
  /// For a hash that is shared: no cookie from it up to this one is free. So
  /// any number of names may share one, without a search among them.
  absl::flat_hash_map<std::uint64_t, std::uint64_t> next_free_;
};

/// Keeps listings that were used lately, up to a number of entries in all.
/// Directories hold weak pointers; one that was dropped is built again.
class ListingCache {
 public:
  explicit ListingCache(std::size_t max_entries) : max_entries_(max_entries) {}
  void keep(NodeId dir, std::shared_ptr<Listing> listing);
  void drop(NodeId dir);

 private:
  Mutex mu_{Rank::kLeaf};
  const std::size_t max_entries_;
  std::size_t entries_ GUARDED_BY(mu_) = 0;
  LruMap<std::uint64_t, std::pair<std::shared_ptr<Listing>, std::size_t>> kept_
      GUARDED_BY(mu_){1U << 20};
};

}  // namespace veneer::overlay
