// SPDX-License-Identifier: MIT

#include "overlay/listing.h"

#include <dirent.h>

#include <algorithm>
#include <vector>

#include "base/hash.h"

namespace veneer::overlay {
namespace {

// Signed 64 bits go to user space; the top and the bottom stay free.
std::uint64_t cookie_of(Name name) {
  const std::uint64_t cookie = hash_name(name) >> 2;
  return std::max(cookie, Listing::kFirstCookie);
}

}  // namespace

Listing::Items::iterator Listing::locate(Name name) {
  const auto it = items_.find(cookie_of(name));
  if (it != items_.end() && it->second.name == name) return it;
  if (displaced_.empty()) return items_.end();
  const auto elsewhere = displaced_.find(std::string(name));
  return elsewhere == displaced_.end() ? items_.end()
                                       : items_.find(elsewhere->second);
}

const ListingItem* Listing::find(Name name) const {
  const auto it = const_cast<Listing*>(this)->locate(name);
  return it == items_.end() ? nullptr : &it->second;
}

void Listing::insert(ListingItem item) {
  if (const auto it = locate(item.name); it != items_.end()) {
    if (it->second.type == DT_DIR) --subdirs_;
    if (item.type == DT_DIR) ++subdirs_;
    it->second = std::move(item);
    return;
  }
  const std::uint64_t home = cookie_of(item.name);
  std::uint64_t cookie = home;
  if (items_.contains(home)) {
    std::uint64_t& next = next_free_.try_emplace(home, home + 1).first->second;
    while (items_.contains(next)) ++next;
    cookie = next++;
    displaced_.emplace(item.name, cookie);
  }
  if (item.type == DT_DIR) ++subdirs_;
  items_.emplace(cookie, std::move(item));
}

void Listing::erase(Name name) {
  const auto it = locate(name);
  if (it == items_.end()) return;
  if (it->second.type == DT_DIR) --subdirs_;
  if (!displaced_.empty() && displaced_.erase(std::string(name)) != 0) {
    std::uint64_t& next = next_free_.at(cookie_of(name));
    next = std::min(next, it->first);
  }
  items_.erase(it);
}

void Listing::settle() {
  if (displaced_.empty()) return;
  std::vector<ListingItem> all;
  for (auto& [cookie, item] : items_) all.push_back(std::move(item));
  std::ranges::sort(all, {}, &ListingItem::name);
  items_.clear();
  displaced_.clear();
  next_free_.clear();
  subdirs_ = 0;
  for (ListingItem& item : all) insert(std::move(item));
}

void ListingCache::keep(NodeId dir, std::shared_ptr<Listing> listing) {
  // Dropped listings are freed after the lock.
  std::vector<std::shared_ptr<Listing>> dropped;
  const MutexLock lock(mu_);
  const std::size_t weight = listing->size() + 1;
  auto old = kept_.insert(raw(dir), {std::move(listing), weight});
  entries_ += weight;
  if (old) {
    entries_ -= old->second.second;
    dropped.push_back(std::move(old->second.first));
  }
  while (entries_ > max_entries_ && kept_.size() > 1) {
    auto oldest = kept_.pop_oldest();
    if (!oldest) break;
    entries_ -= oldest->second.second;
    dropped.push_back(std::move(oldest->second.first));
  }
}

void ListingCache::drop(NodeId dir) {
  std::shared_ptr<Listing> dropped;
  const MutexLock lock(mu_);
  if (auto gone = kept_.erase(raw(dir))) {
    entries_ -= gone->second;
    dropped = std::move(gone->first);
  }
}

}  // namespace veneer::overlay
