// SPDX-License-Identifier: MIT
//
// From a name to a node: the walk down the layers.
//
// A name is looked up once; the answer is a node with an edge, and the kernel
// keeps it. A directory of a deep stack, or one whose layers may hold `.wh.`
// markers, is listed at the first question instead, and the listing says in
// which layer each name begins. In the kernel: ovl_lookup().

#include <sys/stat.h>

#include "overlay/core.h"

namespace veneer::overlay {
namespace {

// From this many layers on a listing costs less than asking each of them.
constexpr std::size_t kDeep = 3;

// statx attribute bits (STATX_ATTR_*), which lower file systems report.
constexpr std::uint64_t kStatxImmutable = 0x10;
constexpr std::uint64_t kStatxAppend = 0x20;

ObjectKey key_of(const Attr& attr, bool on_upper = false) {
  return {attr.dev, attr.ino, on_upper};
}

// The blocks are counted where the data are.
bool has_data_elsewhere(const Node& node) {
  if (!node.lower_data) return false;
  return node.upper() != nullptr ? node.has(kMetacopyFlag)
                                 : node.lower_data != node.lower;
}

}  // namespace

bool Core::wants_listing(Node& dir) {
  const auto& parts = dir.dir->lowers;
  const std::size_t depth = parts.size() + (dir.upper() != nullptr ? 1 : 0);
  if (depth < 2) return false;
  if (depth >= kDeep) return true;
  if (dir.upper() != nullptr) return upper->may_hold_markers();
  return layer(parts.front().layer).may_hold_markers();
}

// Looks along the trail from the layer's root, and bends it where directories
// on the way have redirects. Sets `ends` where layers below
// cannot have the object: a whiteout, an opaque directory or something that is
// no directory on the way.
Result<std::optional<Child>> Core::walk(Layer& layer, Trail& trail,
                                        bool& ends) {
  Trail below = trail;
  LayerNodeRef at = layer.root().node;
  std::string_view rest = trail.path;
  for (;;) {
    const std::size_t slash = rest.find('/');
    stats.layer_lookups.fetch_add(1, std::memory_order_relaxed);
    TRY_ASSIGN(auto child, layer.lookup(*at, rest.substr(0, slash)));
    if (!child) {
      // What was learned on the way holds for the layers below.
      trail = std::move(below);
      return std::optional<Child>();
    }
    if (child->marks.whiteout) {
      ends = true;
      return std::optional<Child>();
    }
    // What says itself where it is below does so under an opaque ancestor, too.
    const auto& redirect = child->marks.redirect;
    if (redirect && redirect->starts_with('/')) ends = false;
    if (slash == std::string_view::npos) {
      trail = std::move(below);
      return child;
    }
    rest.remove_prefix(slash + 1);
    if (!S_ISDIR(child->attr.mode) || child->marks.opaque) ends = true;
    if (!S_ISDIR(child->attr.mode)) return std::optional<Child>();
    if (child->marks.redirect) {
      // What lies above the rest of the path is elsewhere in layers below.
      const std::string tail(rest);
      below.path.resize(below.path.size() - tail.size() - 1);
      below.follow(child->marks.redirect);
      below.path.append("/").append(tail);
    }
    at = child->node;
  }
}

Result<void> Core::merge_from_roots(LayerIndex from, Trail trail,
                                    Merge& merge) {
  bool ends = false;
  for (std::size_t i = from; i <= lowers.size() && !ends; ++i) {
    const auto index = static_cast<LayerIndex>(i);
    TRY_ASSIGN(auto child, walk(layer(index), trail, ends));
    if (!child) continue;
    trail.follow(child->marks.redirect);
    if (!merge.add(index, *std::move(child))) return {};
  }
  return {};
}

// Asks each layer that has a part in `dir`: the upper, then from `first` on.
Result<Merge> Core::merge_at(Node& dir, Name name, LayerIndex first) {
  Merge merge;
  Trail trail{.path = std::string(name)};
  // True: go on below `index`.
  const auto step = [&](LayerIndex index,
                        const LayerNode& part) -> Result<bool> {
    stats.layer_lookups.fetch_add(1, std::memory_order_relaxed);
    TRY_ASSIGN(auto child, layer(index).lookup(part, trail.path));
    if (!child) return true;
    trail.follow(child->marks.redirect);
    return merge.add(index, *std::move(child));
  };
  if (dir.upper() != nullptr) {
    TRY_ASSIGN(const bool goes_on, step(kUpperLayer, *dir.upper()));
    if (!goes_on) return merge;
    if (trail.from_root) {
      TRY(merge_from_roots(1, std::move(trail), merge));
      return merge;
    }
  }
  for (const LowerPart& part : dir.dir->lowers) {
    if (part.layer < first) continue;
    TRY_ASSIGN(const bool goes_on, step(part.layer, *part.node));
    if (!goes_on) return merge;
    if (trail.from_root) {
      TRY(merge_from_roots(static_cast<LayerIndex>(part.layer + 1),
                           std::move(trail), merge));
      return merge;
    }
  }
  return merge;
}

// A lower file with several names may have been copied up by another of them.
Result<void> Core::apply_index(Merge& merge) {
  const Merge::Part& top = merge.top();
  if (!upper || !upper->has_index() || top.layer == kUpperLayer ||
      S_ISDIR(top.child.attr.mode) || top.child.attr.nlink < 2) {
    return {};
  }
  const std::string origin = layer(top.layer).origin_record(*top.child.node);
  TRY_ASSIGN(auto indexed, upper->find_in_index(origin));
  if (!indexed || indexed->marks.whiteout) return {};
  const std::uint32_t kind = indexed->attr.mode ^ top.child.attr.mode;
  if ((kind & S_IFMT) != 0) return {};  // not what was put there
  indexed->marks.indexed = true;
  merge.parts().insert(merge.parts().begin(),
                       {kUpperLayer, *std::move(indexed)});
  return {};
}

Result<Core::Found> Core::find(Node& dir, Name name) {
  if (NodeRef known = nodes.find_child(dir, name)) {
    return Found{std::move(known), {}};
  }
  if (dir.has(kUnlinkedFlag)) return Found{};
  LayerIndex first = kUpperLayer;
  std::shared_ptr<Listing> listing = kept_listing(dir);
  if (!listing && wants_listing(dir)) {
    TRY_ASSIGN(listing, listing_of(dir));
  }
  if (listing) {
    stats.listing_hits.fetch_add(1, std::memory_order_relaxed);
    const ListingItem* item = listing->find(name);
    if (item == nullptr) return Found{};
    // A copy-up since then is not in the listing, so the upper is asked, too.
    first = item->layer;
  }
  TRY_ASSIGN(Merge merge, merge_at(dir, name, first));
  if (!merge.found()) return Found{};
  return make_node(dir, name, merge);
}

std::optional<Attr> Core::origin_attr(const Marks& marks) {
  if (!marks.origin || marks.origin->empty()) return std::nullopt;
  for (const auto& lower : lowers) {
    if (auto attr = lower->resolve_origin(*marks.origin)) return attr;
  }
  return std::nullopt;
}

std::uint64_t Core::number_of(LayerIndex index, const Child& child) {
  const auto path = [&] { return layer(index).path_of(*child.node); };
  if (index != kUpperLayer) return numbers.number_of(key_of(child.attr), path);
  if (numbers.are_recorded() && child.marks.number) {
    return numbers.number_recorded(key_of(child.attr), *child.marks.number);
  }
  if (const auto origin = origin_attr(child.marks)) {
    return numbers.number_of(key_of(*origin), path);
  }
  return numbers.number_of(key_of(child.attr), path);
}

// A directory that lowers have a part in is known by the topmost of those: so
// it was before it had a part on the upper, and so the kernel has it.
std::uint64_t Core::number_of(Merge& merge) {
  const auto& parts = merge.parts();
  const bool copied =
      parts.front().layer == kUpperLayer && parts.size() > 1 &&
      S_ISDIR(parts.front().child.attr.mode) &&
      !(numbers.are_recorded() && parts.front().child.marks.number);
  const Merge::Part& part = parts[copied ? 1 : 0];
  return number_of(part.layer, part.child);
}

Result<std::uint32_t> Core::indexed_nlink(const Child& child) {
  const Marks::Nlink nlink = child.marks.nlink.value_or(Marks::Nlink{});
  std::int64_t base = child.attr.nlink;
  if (!nlink.of_upper) {
    const auto origin = origin_attr(child.marks);
    // Where the origin cannot be asked, the upper's own links are a guess;
    // one of them is the index.
    base = origin ? origin->nlink : base - 1;
  }
  return static_cast<std::uint32_t>(
      std::max<std::int64_t>(base + nlink.delta, 1));
}

void Core::set_flags(Node& node, const Marks& marks, const Attr& attr) {
  node.set(kNoXattrsFlag, marks.no_xattrs);
  node.set(kDefaultAclFlag, marks.default_acl);
  node.set(kImpureFlag, marks.impure);
  node.set(kImmutableFlag, marks.immutable);
  node.set(kAppendFlag, marks.append_only);
  if (node.upper() == nullptr) {
    if ((attr.attributes & kStatxImmutable) != 0) node.set(kImmutableFlag);
    if ((attr.attributes & kStatxAppend) != 0) node.set(kAppendFlag);
  }
  node.set(kSetIdFlag, (attr.mode & (S_ISUID | S_ISGID)) != 0);
}

// The node that stands for the object already, under another name.
NodeRef Core::find_known(Node& dir, Name name, const Child& top,
                         bool on_upper) {
  NodeRef same = nodes.find_object(key_of(top.attr, on_upper));
  if (!same || same->type != (top.attr.mode & S_IFMT)) return {};
  if (same->has(kUnlinkedFlag) && same->upper() != nullptr) {
    // Without an index a copy that has lost its names cannot get others.
    if (!on_upper && !same->has(kIndexedFlag)) return {};
    // If all its known names were gone, this one brings it back.
    if (on_upper && !top.marks.indexed) {
      upper->relocate(*same->upper(), *dir.upper(), name);
    }
  }
  same->set(kUnlinkedFlag, false);
  return same;
}

// Where a new node's parts are.
void Core::set_parts(Node& node, const Merge& merge) {
  const bool is_dir = S_ISDIR(merge.parts().front().child.attr.mode);
  for (const Merge::Part& part : merge.parts()) {
    if (part.layer == kUpperLayer) {
      node.set_upper(part.child.node);
    } else if (is_dir) {
      node.dir->lowers.push_back({part.layer, part.child.node});
    } else if (!node.lower) {
      node.lower = part.child.node;
      node.lower_layer = part.layer;
    }
  }
  const Merge::Part& last = merge.parts().back();
  if (!is_dir && last.layer != kUpperLayer && !last.child.marks.metacopy) {
    node.lower_data = last.child.node;
    node.data_layer = last.layer;
  }
}

Result<Core::Found> Core::make_node(Node& dir, Name name, Merge& merge) {
  TRY(apply_index(merge));
  const Child top = merge.parts().front().child;
  const bool on_upper = merge.parts().front().layer == kUpperLayer;
  const bool is_dir = S_ISDIR(top.attr.mode);
  const bool aliased = !is_dir && (top.attr.nlink > 1 || top.marks.indexed);
  // The upper's last name may be of a file that lost the one it was known by.
  if (aliased || (!is_dir && on_upper)) {
    if (NodeRef same = find_known(dir, name, top, on_upper)) {
      nodes.add_edge(dir, name, *same);
      return Found{std::move(same), {}};
    }
  }

  auto fresh = std::make_unique<Node>(top.attr.mode, number_of(merge));
  set_parts(*fresh, merge);
  if (on_upper && top.marks.redirect) {
    fresh->redirect = std::make_unique<std::string>(*top.marks.redirect);
  }
  set_flags(*fresh, top.marks, top.attr);
  fresh->set(kMergedFlag, is_dir && merge.parts().size() > 1);
  fresh->set(kMetacopyFlag, on_upper && top.marks.metacopy && !is_dir);
  if (on_upper && top.marks.nlink && !is_dir) {
    fresh->set(kIndexedFlag);
    TRY_ASSIGN(fresh->nlink, indexed_nlink(top));
  }
  NodeRef node = nodes.insert(std::move(fresh));
  if (aliased) {
    nodes.add_key(*node, key_of(top.attr, on_upper));
  }
  nodes.add_edge(dir, name, *node);
  // A merged directory's and a metacopy's attributes need a second look.
  if (node->has(kMergedFlag) || has_data_elsewhere(*node)) {
    TRY_ASSIGN(const Attr attr, attr_of(*node));
    return Found{std::move(node), attr};
  }
  const Attr attr = shown_attr(*node, top.attr);
  return Found{std::move(node), attr};
}

NodeRef Core::adopt_created(Node& dir, Name name, Child child) {
  auto fresh =
      std::make_unique<Node>(child.attr.mode, number_of(kUpperLayer, child));
  fresh->set_upper(child.node);
  set_flags(*fresh, child.marks, child.attr);
  NodeRef node = nodes.insert(std::move(fresh));
  if (!name.empty()) {
    nodes.add_edge(dir, name, *node);
  } else {
    node->set(kUnlinkedFlag);
  }
  if (child.data) {
    files.insert(node->id, DataSide::kUpperWrite, *std::move(child.data));
  }
  return node;
}

Attr Core::shown_attr(Node& node, Attr attr) {
  attr.ino = node.number;
  if (node.has(kIndexedFlag)) attr.nlink = node.nlink;
  if (node.has(kUnlinkedFlag)) {
    // An unlinked upper file says so itself, and may have other names.
    if (node.upper() == nullptr || node.is_dir()) attr.nlink = 0;
  }
  return attr;
}

Result<Attr> Core::attr_of(Node& node) {
  LayerNode* const up = node.upper();
  if (node.is_dir()) {
    const LowerPart* top =
        node.dir->lowers.empty() ? nullptr : &node.dir->lowers.front();
    auto attr = up != nullptr ? upper->get_attr(*up)
                              : layer(top->layer).get_attr(*top->node);
    if (!attr) return attr;
    if (node.has(kMergedFlag) && !node.has(kUnlinkedFlag)) {
      const MutexLock lock(node.dir->mu);
      const auto listing = listing_of(node);
      attr->nlink =
          listing ? static_cast<std::uint32_t>((*listing)->subdirs() + 2) : 1;
    }
    return shown_attr(node, *attr);
  }
  auto attr = up != nullptr ? upper->get_attr(*up)
                            : layer(node.lower_layer).get_attr(*node.lower);
  if (!attr) return attr;
  if (has_data_elsewhere(node)) {
    if (const auto data = layer(node.data_layer).get_attr(*node.lower_data)) {
      attr->blocks = data->blocks;
    }
  }
  return shown_attr(node, *attr);
}

Result<bool> Core::lower_has(Node& dir, Name name) {
  for (const LowerPart& part : dir.dir->lowers) {
    stats.layer_lookups.fetch_add(1, std::memory_order_relaxed);
    TRY_ASSIGN(const auto child, layer(part.layer).lookup(*part.node, name));
    if (child) return !child->marks.whiteout;
  }
  return false;
}

Result<UpperEntry> Core::upper_entry(Node& dir, Name name) {
  if (dir.upper() == nullptr) return UpperEntry::kNone;
  stats.layer_lookups.fetch_add(1, std::memory_order_relaxed);
  TRY_ASSIGN(const auto child, upper->lookup(*dir.upper(), name));
  if (!child) return UpperEntry::kNone;
  return child->marks.whiteout ? UpperEntry::kWhiteout : UpperEntry::kObject;
}

}  // namespace veneer::overlay
