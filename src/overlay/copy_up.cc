// SPDX-License-Identifier: MIT
//
// Copy-up: the moment a shared object becomes ours to change.
//
// Lower layers never change, so before the first change to a lower object a
// private copy of it is published on the upper. Promises made here:
//
//   Whole     The copy is assembled in the work directory and appears by one
//             link or rename. A crash leaves the lower object visible and at
//             most a stale work entry, swept at the next mount.
//   Small     Data are copied when data are needed, and only as many as will
//             survive. chmod, rename and link of a file copy none (metacopy).
//   Once      Callers racing on one node share one copy; the late ones wait.
//   Ordered   A directory is on the upper before anything inside it.
//   Unseen    Names, node, st_ino and times stay as they were.
//   Linked    A lower file with several names stays one file: it is copied
//             into the inode index, and its names are linked from there.
//
// Locks: needs the topology held, so that no ancestor moves; takes copy_mu
// (rank 3), parents first, one at a time. An unlink holds its victim's copy_mu,
// so a copy never appears at a name that has just gone.
// In the kernel: fs/overlayfs/copy_up.c.

#include <linux/fs.h>
#include <sys/stat.h>

#include <ranges>

#include "overlay/core.h"

namespace veneer::overlay {
namespace {

// The file flags that matter to who uses the file, as the kernel has it.
constexpr unsigned kCopiedFlags = FS_SYNC_FL | FS_NOATIME_FL;

bool is_satisfied(const Node& node, Need need) {
  if (node.upper() == nullptr) return false;
  return need == Need::kMetadata || !node.has(kMetacopyFlag);
}

}  // namespace

Result<void> Core::ensure_upper(Node& node, Need need, const TopologyHold&,
                                std::optional<std::uint64_t> length) {
  if (is_satisfied(node, need)) return {};
  if (!upper) return Error(EROFS, "copy-up");
  // The chain of ancestors that are missing, topmost last.
  std::vector<NodeRef> missing;
  for (std::optional<Place> place = nodes.place_of(node);
       place && place->dir->upper() == nullptr;
       place = nodes.place_of(*missing.back())) {
    missing.push_back(place->dir);
  }
  for (const NodeRef& ancestor : std::views::reverse(missing)) {
    TRY(copy_up_one(*ancestor, Need::kMetadata, {}));
  }
  return copy_up_one(node, need, length);
}

Result<void> Core::copy_up_one(Node& node, Need need,
                               std::optional<std::uint64_t> length) {
  const MutexLock lock(node.copy_mu);
  if (is_satisfied(node, need)) return {};
  if (node.upper() != nullptr) return bring_data_up(node);

  const LayerIndex from =
      node.is_dir() ? node.dir->lowers.front().layer : node.lower_layer;
  const LayerNode& source =
      node.is_dir() ? *node.dir->lowers.front().node : *node.lower;
  TRY_ASSIGN(const Attr attr, layer(from).get_attr(source));
  TRY_ASSIGN(const CopySpec spec, copy_spec(node, attr, need, length));
  TRY_ASSIGN(const LayerNodeRef copy, publish_copy(node, attr, spec));

  TRY_ASSIGN(const Attr copied, upper->get_attr(*copy));
  numbers.remember_copy({copied.dev, copied.ino}, node.number);
  if (!node.is_dir() && (attr.nlink > 1 || node.has(kIndexedFlag))) {
    nodes.add_key(node, {copied.dev, copied.ino, true});
  }
  // The flag first: who sees the upper must see what it lacks.
  node.set(kMetacopyFlag, spec.metacopy);
  if (node.is_dir()) node.set(kMergedFlag);
  node.set_upper(copy);
  auto& counter = spec.data ? stats.copy_ups : stats.metadata_copy_ups;
  counter.fetch_add(1, std::memory_order_relaxed);
  if (spec.data) {
    stats.copy_up_bytes.fetch_add(spec.length, std::memory_order_relaxed);
  }
  return {};
}

Result<CopySpec> Core::copy_spec(Node& node, const Attr& attr, Need need,
                                 std::optional<std::uint64_t> length) {
  const LayerIndex from =
      node.is_dir() ? node.dir->lowers.front().layer : node.lower_layer;
  const LayerNode& source =
      node.is_dir() ? *node.dir->lowers.front().node : *node.lower;
  Layer& lower = layer(from);
  CopySpec spec;
  spec.attr = attr;
  spec.length = attr.size;
  if (node.type == S_IFLNK) {
    TRY_ASSIGN(spec.target, lower.read_link(source));
  }
  if (node.is_regular() && attr.size > 0) {
    switch (need) {
      case Need::kMetadata:
        spec.metacopy = upper->can_metacopy();
        break;
      case Need::kNoData:
        spec.length = 0;
        break;
      case Need::kData:
        if (length) spec.length = std::min(*length, spec.length);
        break;
    }
    if (!spec.metacopy && spec.length > 0) {
      TRY_ASSIGN(spec.data, data_for_read(node));
    }
  }
  TRY_ASSIGN(const std::string names, lower.list_xattrs(source));
  for (std::string_view rest = names; !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    TRY_ASSIGN(auto value, lower.get_xattr(source, name));
    if (value) spec.xattrs.emplace_back(name, *std::move(value));
  }
  spec.origin = lower.origin_record(source);
  if (numbers.are_recorded()) spec.number = node.number;
  if (node.is_regular() || node.is_dir()) {
    if (const auto flags = lower.get_flags(source)) {
      spec.flags = *flags & kCopiedFlags;
    }
  }
  spec.immutable = node.has(kImmutableFlag);
  spec.append_only = node.has(kAppendFlag);
  spec.sync_data = options.fsync == FsyncPolicy::kStrict ||
                   (options.fsync == FsyncPolicy::kAuto && spec.data);
  return spec;
}

bool Core::wants_index(Node& node) {
  return upper && upper->has_index() && !node.is_dir() && node.lower;
}

Result<LayerNodeRef> Core::publish_copy(Node& node, const Attr& attr,
                                        const CopySpec& spec) {
  const std::optional<Place> place = nodes.place_of(node);
  if (place) TRY(mark_impure(*place->dir));
  if (!place) {
    TRY_ASSIGN(StagedPtr staged, upper->stage(spec));
    return upper->publish_unnamed(std::move(staged));
  }
  if (attr.nlink < 2 || !wants_index(node) || spec.origin.empty()) {
    TRY_ASSIGN(StagedPtr staged, upper->stage(spec));
    return upper->publish(std::move(staged), *place->dir->upper(), place->name);
  }
  CopySpec indexed = spec;
  indexed.nlink = Marks::Nlink{.of_upper = false, .delta = 0};
  auto staged = upper->stage(indexed);
  if (!staged && staged.error().code() == EPERM) {
    // A link or a device cannot carry the count under user.* names: its names
    // part, as without an index.
    TRY_ASSIGN(StagedPtr plain, upper->stage(spec));
    return upper->publish(std::move(plain), *place->dir->upper(), place->name);
  }
  if (!staged) return staged.error();
  TRY_ASSIGN(LayerNodeRef copy,
             upper->publish_in_index(*std::move(staged), spec.origin));
  node.nlink = attr.nlink;
  node.set(kIndexedFlag);
  TRY_ASSIGN(const Attr dir, upper->get_attr(*place->dir->upper()));
  auto linked = upper->link(*copy, *place->dir->upper(), place->name, false);
  if (!linked) {
    // Else the next attempt would find its place in the index taken.
    ignore_error(upper->remove_from_index(spec.origin));
    node.set(kIndexedFlag, false);
    return linked.error();
  }
  ignore_error(upper->set_attr(
      *place->dir->upper(), SetAttr{.atime = dir.atime, .mtime = dir.mtime}));
  return copy;
}

// A metacopy gets its data, in place.
Result<void> Core::bring_data_up(Node& node) {
  TRY_ASSIGN(const Attr attr, upper->get_attr(*node.upper()));
  TRY_ASSIGN(const FileData data, data_for_read(node));
  TRY(upper->fill_metacopy(*node.upper(), data, attr.size,
                           options.fsync != FsyncPolicy::kVolatile));
  node.set(kMetacopyFlag, false);
  stats.copy_ups.fetch_add(1, std::memory_order_relaxed);
  stats.copy_up_bytes.fetch_add(attr.size, std::memory_order_relaxed);
  return {};
}

Result<void> Core::mark_impure(Node& dir) {
  if (dir.has(kImpureFlag)) return {};
  TRY(upper->set_impure(*dir.upper()));
  dir.set(kImpureFlag);
  return {};
}

// Where the layers below, merged by themselves, have what is `name` in `dir`:
// up to the nearest ancestor that was moved, whose redirect says the rest. An
// ancestor that was not moved is called below what it is called here.
std::string Core::path_below(Node& dir, Name name) {
  std::string path(name);
  NodeRef keep;
  for (Node* at = &dir; at->id != kRootId;) {
    const std::optional<Place> place = nodes.place_of(*at);
    if (at->redirect && at->redirect->starts_with('/')) {
      return *at->redirect + "/" + path;
    }
    if (!place) break;
    path.insert(0, (at->redirect ? *at->redirect : place->name) + "/");
    keep = place->dir;
    at = keep.get();
  }
  return "/" + path;
}

Result<void> Core::redirect(Node& node, Node& dir, Name name) {
  if (node.redirect && node.redirect->starts_with('/')) return {};
  const std::string path =
      path_below(dir, node.redirect ? std::string_view(*node.redirect) : name);
  auto set = upper->set_redirect(*node.upper(), path);
  if (set) {
    node.redirect = std::make_unique<std::string>(path);
    return {};
  }
  // A path too long for the upper's xattrs: a file takes its data along, a
  // directory is left to the caller to copy.
  const int code = set.error().code();
  const bool too_long = code == ENOSPC || code == E2BIG || code == ERANGE;
  if (!too_long) return set;
  if (!node.is_dir()) return bring_data_up(node);
  return Error(EXDEV, "redirect");
}

// --- Link counts of indexed files -------------------------------------------

Result<void> Core::ensure_alias(Node& node, Node& dir, Name name) {
  const bool indexed = node.has(kIndexedFlag);
  // Without an index one of a lower file's names was copied up; the others are
  // the same node while the mount lasts.
  if (!indexed && (!node.lower ||
                   upper->is_reached_by(*node.upper(), *dir.upper(), name))) {
    return {};
  }
  TRY_ASSIGN(const UpperEntry entry, upper_entry(dir, name));
  if (entry == UpperEntry::kObject) return {};
  TRY_ASSIGN(const Attr before, upper->get_attr(*dir.upper()));
  TRY(mark_impure(dir));
  // Counted from the lower, the number holds before and after the link.
  TRY_ASSIGN(const Marks marks, upper->get_marks(*node.upper()));
  if (indexed && (!marks.nlink || marks.nlink->of_upper)) {
    if (const auto origin = origin_attr(marks)) {
      TRY(upper->set_nlink(
          *node.upper(), {.of_upper = false,
                          .delta = std::int64_t{node.nlink} - origin->nlink}));
    } else {
      TRY_ASSIGN(const Attr attr, upper->get_attr(*node.upper()));
      TRY(upper->set_nlink(
          *node.upper(), {.of_upper = true,
                          .delta = std::int64_t{node.nlink} - attr.nlink - 1}));
    }
  }
  TRY(upper->link(*node.upper(), *dir.upper(), name, false));
  ignore_error(upper->set_attr(
      *dir.upper(), SetAttr{.atime = before.atime, .mtime = before.mtime}));
  return {};
}

Result<void> Core::begin_nlink_change(Node& node) {
  if (!node.has(kIndexedFlag)) return {};
  TRY_ASSIGN(const Attr attr, upper->get_attr(*node.upper()));
  return upper->set_nlink(
      *node.upper(),
      {.of_upper = true, .delta = std::int64_t{node.nlink} - attr.nlink});
}

void Core::end_nlink_change(Node& node, int by) {
  if (!node.has(kIndexedFlag)) return;
  const std::uint32_t left =
      node.nlink.fetch_add(static_cast<std::uint32_t>(by)) +
      static_cast<std::uint32_t>(by);
  if (left != 0) return;
  const auto marks = upper->get_marks(*node.upper());
  const auto origin = marks ? marks->origin : std::nullopt;
  if (origin && upper->pin(*node.upper())) {
    ignore_error(upper->remove_from_index(*origin));
  }
}

}  // namespace veneer::overlay
