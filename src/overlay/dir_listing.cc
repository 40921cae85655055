// SPDX-License-Identifier: MIT
//
// Building a merged listing, and keeping it true while names come and go.
//
// Layers are read from the top; a name counts where it is first met, and a
// whiteout hides it in the layers below its own. Cost: one pass over each
// layer's directory; afterwards listing, lookups of absent names and link
// counts of the directory cost no system call.

#include <dirent.h>

#include "absl/container/flat_hash_set.h"
#include "overlay/core.h"

namespace veneer::overlay {

Result<std::shared_ptr<Listing>> Core::listing_of(Node& dir) {
  if (auto kept = kept_listing(dir)) return kept;
  stats.listings_built.fetch_add(1, std::memory_order_relaxed);
  auto listing = std::make_shared<Listing>();
  absl::flat_hash_set<std::string> hidden;
  const auto read = [&](LayerIndex index, const LayerNode& part,
                        bool is_last) -> Result<void> {
    // Hidden from the layers below, not from this one.
    std::vector<std::string> hidden_here;
    TRY_ASSIGN(const Attr attr, layer(index).get_attr(part));
    listing->set_device(index, attr.dev);
    TRY(layer(index).read_dir(part, [&](const DirEntry& entry) {
      if (entry.whiteout) {
        if (!is_last) hidden_here.emplace_back(entry.name);
        return;
      }
      if (!hidden.empty() && hidden.contains(std::string(entry.name))) return;
      const ListingItem* known = listing->find(entry.name);
      if (known != nullptr && known->layer != index) return;
      listing->insert({.name = std::string(entry.name),
                       .ino = entry.ino,
                       .layer = index,
                       .type = entry.type});
    }));
    for (std::string& name : hidden_here) hidden.insert(std::move(name));
    return {};
  };
  const auto& parts = dir.dir->lowers;
  if (dir.upper() != nullptr) {
    TRY(read(kUpperLayer, *dir.upper(), parts.empty()));
  }
  for (const LowerPart& part : parts) {
    TRY(read(part.layer, *part.node, &part == &parts.back()));
  }
  listing->settle();
  dir.dir->listing = listing;
  listings.keep(dir.id, listing);
  return listing;
}

void Core::note_added(Node& dir, Name name, const Node& child,
                      std::uint64_t ino) {
  const auto listing = kept_listing(dir);
  if (!listing) return;
  listing->insert({.name = std::string(name),
                   .ino = ino,
                   .layer = kUpperLayer,
                   .type = static_cast<std::uint8_t>(child.type >> 12)});
}

void Core::note_removed(Node& dir, Name name) {
  if (const auto listing = kept_listing(dir)) listing->erase(name);
}

// Without a look at the object where the listing alone is enough: a lower's
// entry, or an upper's in a directory that holds no copies.
std::uint64_t Core::number_of_entry(Node& dir, const ListingItem& item,
                                    std::uint64_t device) {
  if (const NodeRef known = nodes.find_child(dir, item.name)) {
    return known->number;
  }
  const LayerNode* part = dir.upper();
  if (item.layer != kUpperLayer) {
    for (const LowerPart& lower : dir.dir->lowers) {
      if (lower.layer == item.layer) part = lower.node.get();
    }
  }
  if (part == nullptr) return item.ino;
  const bool plain =
      item.layer != kUpperLayer ||
      (!dir.has(kImpureFlag) && numbers.mode() == InodeMode::kLayer);
  // A directory entry may be a mount point, whose number is of another file
  // system than its directory's; only a look tells.
  if (!plain || item.type == DT_DIR) {
    auto merge = merge_at(dir, item.name, item.layer);
    return merge && merge->found() ? number_of(*merge) : item.ino;
  }
  const Layer& from = layer(item.layer);
  return numbers.number_of({device, item.ino}, [&] {
    std::string path = from.path_of(*part);
    if (!path.empty()) path.push_back('/');
    return path.append(item.name);
  });
}

}  // namespace veneer::overlay
