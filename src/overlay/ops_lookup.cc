// SPDX-License-Identifier: MIT
//
// Names to nodes, and listings.

#include <dirent.h>

#include "overlay/core.h"
#include "overlay/filesystem.h"

namespace veneer::overlay {
namespace {

// How many entries are taken out of a listing at a time: enough for a reply,
// few enough to copy while the directory is held.
constexpr std::size_t kBatch = 512;

constexpr std::uint64_t kDotCookie = 1;
constexpr std::uint64_t kDotDotCookie = 2;

struct Taken {
  ListingItem item;
  std::uint64_t cookie;
  std::uint64_t number;
};

}  // namespace

Filesystem::Filesystem(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Filesystem::~Filesystem() = default;

Result<std::unique_ptr<Filesystem>> Filesystem::make(
    std::vector<std::unique_ptr<Layer>> lowers,
    std::unique_ptr<UpperLayer> upper, const Options& options) {
  auto core =
      std::make_unique<Core>(std::move(lowers), std::move(upper), options);
  TRY(core->start());
  return std::unique_ptr<Filesystem>(new Filesystem(std::move(core)));
}

const Stats& Filesystem::stats() const { return core_->stats; }
std::size_t Filesystem::nodes_in_memory() const { return core_->nodes.size(); }
bool Filesystem::read_only() const { return !core_->upper; }

Result<void> Filesystem::shut_down() {
  if (!core_->upper || core_->options.fsync == FsyncPolicy::kVolatile) {
    return {};
  }
  return core_->upper->sync_all();
}

Result<std::optional<Entry>> Filesystem::lookup(NodeId dir_id, Name name) {
  TRY_ASSIGN(const NodeRef dir, core_->get_dir(dir_id));
  if (name.size() > 255) return Error(ENAMETOOLONG, "lookup");
  Core::Found found{core_->nodes.find_child(*dir, name), {}};
  if (!found.node) {
    const MutexLock lock(dir->dir->mu);
    TRY_ASSIGN(found, core_->find(*dir, name));
  }
  if (!found.node) return std::optional<Entry>();
  if (!found.attr) {
    TRY_ASSIGN(found.attr, core_->attr_of(*found.node));
  }
  core_->nodes.count_lookup(*found.node);
  return std::optional(Entry{found.node->id, *found.attr});
}

Result<Entry> Filesystem::lookup_self(NodeId id) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  TRY_ASSIGN(const Attr attr, core_->attr_of(*node));
  // Who has it open does not ask; it only waits to be forgotten.
  if (node->has(kUnlinkedFlag) && attr.nlink == 0) {
    return Error(ESTALE, "lookup");
  }
  core_->nodes.count_lookup(*node);
  return Entry{node->id, attr};
}

Result<Entry> Filesystem::lookup_parent(NodeId id) {
  TRY_ASSIGN(const NodeRef node, core_->get_dir(id));
  const std::optional<Place> place = core_->nodes.place_of(*node);
  if (!place) return lookup_self(kRootId);
  return lookup_self(place->dir->id);
}

void Filesystem::forget(NodeId id, std::uint64_t count) {
  core_->nodes.forget(id, count);
}

Result<void> Filesystem::read_dir(
    NodeId id, std::uint64_t cookie,
    const std::function<bool(const ListedEntry&)>& sink) {
  TRY_ASSIGN(const NodeRef dir, core_->get_dir(id));
  if (cookie < kDotCookie && !sink({".", dir->number, DT_DIR, kDotCookie})) {
    return {};
  }
  if (cookie < kDotDotCookie) {
    const std::optional<Place> place = core_->nodes.place_of(*dir);
    const std::uint64_t above = place ? place->dir->number : dir->number;
    if (!sink({"..", above, DT_DIR, kDotDotCookie})) return {};
  }
  if (dir->has(kUnlinkedFlag)) return {};
  std::vector<Taken> batch;
  do {
    batch.clear();
    {
      const MutexLock lock(dir->dir->mu);
      TRY_ASSIGN(const auto listing, core_->listing_of(*dir));
      for (auto it = listing->after(cookie);
           it != listing->end() && batch.size() < kBatch; ++it) {
        batch.push_back(
            {it->second, it->first, listing->device_of(it->second.layer)});
      }
    }
    // Outside the lock: the sink may look names up.
    for (Taken& taken : batch) {
      taken.number = core_->number_of_entry(*dir, taken.item, taken.number);
      cookie = taken.cookie;
      if (!sink({taken.item.name, taken.number, taken.item.type, cookie})) {
        return {};
      }
    }
  } while (batch.size() == kBatch);
  return {};
}

}  // namespace veneer::overlay
