// SPDX-License-Identifier: MIT
//
// rename(2), with RENAME_NOREPLACE and RENAME_EXCHANGE.
//
// What moves must be on the upper. A directory that layers below have a part
// in gets a redirect, so they go on merging from its old place; a metacopy
// gets one to its data. Both point at where the object is in the lowers, which
// is where it is found anyway, so they may be written before the move: a crash
// in between changes nothing. A directory of the upper alone becomes opaque if
// the lowers have something at its new place. The move itself is one rename,
// which also leaves or takes the whiteouts.
//
// Locks: the topology exclusively, then the two directories, then those that
// are overwritten. In the kernel: ovl_rename() in fs/overlayfs/dir.c.

#include <linux/fs.h>
#include <sys/stat.h>

#include "overlay/core.h"
#include "overlay/filesystem.h"

namespace veneer::overlay {
namespace {

// True if `above` is `node` or one of its ancestors.
bool is_above(NodeTable& nodes, const Node& above, Node& node) {
  if (&above == &node) return true;
  std::optional<Place> place = nodes.place_of(node);
  while (place) {
    if (place->dir.get() == &above) return true;
    place = nodes.place_of(*place->dir);
  }
  return false;
}

// Locks two directories: an ancestor first, since others lock downwards one by
// one; unrelated ones in any order, since only one thread at a time, which
// holds the topology, ever holds two of those.
class TwoDirs {
 public:
  TwoDirs(NodeTable& nodes, Node& a, Node& b) NO_THREAD_SAFETY_ANALYSIS
      : first_(is_above(nodes, b, a) ? b : a),
        second_(&a == &b ? nullptr : (&first_ == &a ? &b : &a)) {
    first_.dir->mu.lock();
    if (second_ != nullptr) second_->dir->mu.lock();
  }
  ~TwoDirs() NO_THREAD_SAFETY_ANALYSIS {
    if (second_ != nullptr) second_->dir->mu.unlock();
    first_.dir->mu.unlock();
  }
  TwoDirs(const TwoDirs&) = delete;
  TwoDirs& operator=(const TwoDirs&) = delete;

 private:
  Node& first_;
  Node* second_;
};

bool is_protected(const Node& node) {
  return node.has(kImmutableFlag | kAppendFlag);
}

}  // namespace

/// One side of a rename: an object and the place it has now.
struct Mover {
  Node& node;
  Node& dir;
  Name name;
  bool lower_here = false;  ///< layers below show something at its place
};

// One rename, while everything it touches is held.
class Renamer {
 public:
  Renamer(Core& core, const TopologyHold& hold) : core_(core), hold_(hold) {}

  Result<void> move(Mover source, Mover* victim, Node& new_dir,
                    Name new_name) NO_THREAD_SAFETY_ANALYSIS;
  Result<void> exchange(Mover a, Mover b) NO_THREAD_SAFETY_ANALYSIS;

 private:
  Result<void> may_move(const Mover& mover);
  Result<void> bring_up(const Mover& mover);
  Result<void> prepare(const Mover& mover, Node& new_dir, bool lower_there);
  Result<void> clear_the_way(const Mover& victim) NO_THREAD_SAFETY_ANALYSIS;
  void remember(const Mover& from, Node& new_dir,
                Name new_name) NO_THREAD_SAFETY_ANALYSIS;

  Core& core_;
  const TopologyHold& hold_;
};

// Without redirects a directory that lowers have a part in stays where it is.
Result<void> Renamer::may_move(const Mover& mover) {
  if (is_protected(mover.node) || is_protected(mover.dir)) {
    return Error(EPERM, "rename");
  }
  if (mover.node.is_dir() && !mover.node.dir->lowers.empty() &&
      !core_.upper->can_redirect()) {
    return Error(EXDEV, "rename");
  }
  return {};
}

Result<void> Renamer::bring_up(const Mover& mover) {
  TRY(core_.ensure_upper(mover.dir, Need::kMetadata, hold_));
  TRY(core_.ensure_upper(mover.node, Need::kMetadata, hold_));
  if (mover.node.is_dir()) return {};
  return core_.ensure_alias(mover.node, mover.dir, mover.name);
}

// Writes on the object what it must say at its new place.
Result<void> Renamer::prepare(const Mover& mover, Node& new_dir,
                              bool lower_there) {
  Node& node = mover.node;
  const bool copied =
      node.is_dir() ? !node.dir->lowers.empty() : bool(node.lower);
  if (node.is_dir()) {
    if (copied) {
      TRY(core_.redirect(node, mover.dir, mover.name));
    } else if (lower_there) {
      TRY(core_.upper->set_opaque(*node.upper()));
    }
  } else if (node.has(kMetacopyFlag)) {
    TRY(core_.redirect(node, mover.dir, mover.name));
  }
  const bool numbered = core_.numbers.mode() == InodeMode::kPersistent;
  if (numbered) {
    // Best effort where the object cannot hold it (a link under user.*).
    ignore_error(core_.upper->set_number(*node.upper(), node.number));
  }
  // What was found above may hold copies from before, too.
  const bool was_impure = mover.dir.has(kImpureFlag);
  if (copied || numbered || was_impure) TRY(core_.mark_impure(new_dir));
  return {};
}

// What is overwritten: an empty directory goes as a whole, with the whiteouts
// in it; a file must stay reachable for those who have it open.
Result<void> Renamer::clear_the_way(const Mover& victim) {
  Node& node = victim.node;
  if (node.is_dir()) {
    const MutexLock inner(node.dir->mu);
    TRY_ASSIGN(const auto listing, core_.listing_of(node));
    if (!listing->empty()) return Error(ENOTEMPTY, "rename");
    if (node.upper() == nullptr) return {};
    TRY(core_.upper->clear_dir(*victim.dir.upper(), victim.name,
                               *node.upper()));
    return core_.upper->pin(*node.upper());
  }
  TRY(core_.prepare_removal(node, victim.dir, victim.name, hold_));
  TRY(core_.begin_nlink_change(node));
  if (node.upper() == nullptr) return {};
  return core_.keep_reachable(node, victim.dir, victim.name);
}

// The object's old name is gone already.
void Renamer::remember(const Mover& from, Node& new_dir, Name new_name) {
  core_.nodes.add_edge(new_dir, new_name, from.node);
  if (!core_.kept_listing(new_dir)) return;
  const auto attr = core_.upper->get_attr(*from.node.upper());
  core_.note_added(new_dir, new_name, from.node, attr ? attr->ino : 0);
}

Result<void> Renamer::move(Mover source, Mover* victim, Node& new_dir,
                           Name new_name) {
  TRY(may_move(source));
  if (is_protected(new_dir) ||
      (victim != nullptr && is_protected(victim->node))) {
    return Error(EPERM, "rename");
  }
  if (victim != nullptr) {
    if (source.node.is_dir() && !victim->node.is_dir()) {
      return Error(ENOTDIR, "rename");
    }
    if (!source.node.is_dir() && victim->node.is_dir()) {
      return Error(EISDIR, "rename");
    }
  }
  TRY(core_.ensure_upper(new_dir, Need::kMetadata, hold_));
  if (victim != nullptr) TRY(clear_the_way(*victim));
  TRY(bring_up(source));
  TRY_ASSIGN(source.lower_here, core_.lower_has(source.dir, source.name));
  TRY_ASSIGN(const bool lower_there, core_.lower_has(new_dir, new_name));
  TRY(prepare(source, new_dir, lower_there));
  TRY_ASSIGN(const UpperEntry standing, core_.upper_entry(new_dir, new_name));
  RenameHow how;
  how.leave_whiteout = source.lower_here;
  how.over_whiteout = standing == UpperEntry::kWhiteout;
  how.directory = source.node.is_dir();
  TRY(core_.upper->rename(*source.dir.upper(), source.name,
                          *source.node.upper(), *new_dir.upper(), new_name,
                          nullptr, how));
  if (victim != nullptr) {
    core_.forget_name(victim->node, victim->dir, victim->name);
  }
  const NodeRef keep = core_.nodes.remove_edge(source.dir, source.name);
  core_.note_removed(source.dir, source.name);
  remember(source, new_dir, new_name);
  return {};
}

Result<void> Renamer::exchange(Mover a, Mover b) {
  TRY(may_move(a));
  TRY(may_move(b));
  TRY(bring_up(a));
  TRY(bring_up(b));
  TRY_ASSIGN(a.lower_here, core_.lower_has(a.dir, a.name));
  TRY_ASSIGN(b.lower_here, core_.lower_has(b.dir, b.name));
  TRY(prepare(a, b.dir, b.lower_here));
  TRY(prepare(b, a.dir, a.lower_here));
  TRY(core_.upper->rename(*a.dir.upper(), a.name, *a.node.upper(),
                          *b.dir.upper(), b.name, b.node.upper(),
                          RenameHow{.exchange = true}));
  const NodeRef keep_a = core_.nodes.remove_edge(a.dir, a.name);
  const NodeRef keep_b = core_.nodes.remove_edge(b.dir, b.name);
  remember(a, b.dir, b.name);
  remember(b, a.dir, a.name);
  return {};
}

Result<void> Filesystem::rename(const Caller&, NodeId dir_id, Name name,
                                NodeId new_dir_id, Name new_name,
                                unsigned flags) {
  if (!core_->upper) return Error(EROFS, "rename");
  constexpr unsigned kKnown = RENAME_NOREPLACE | RENAME_EXCHANGE;
  if ((flags & ~kKnown) != 0 || flags == kKnown) {
    return Error(EINVAL, "rename");
  }
  if (new_name.size() > 255) return Error(ENAMETOOLONG, "rename");
  if (core_->upper->is_reserved(new_name)) return Error(EINVAL, "rename");
  TRY_ASSIGN(const NodeRef dir, core_->get_dir(dir_id));
  TRY_ASSIGN(const NodeRef new_dir, core_->get_dir(new_dir_id));

  const ExclusiveTopology hold(core_->topology);
  const TwoDirs both(core_->nodes, *dir, *new_dir);
  TRY_ASSIGN(const Core::Found source, core_->find_unchecked(*dir, name));
  if (!source.node) return Error(ENOENT, "rename");
  TRY_ASSIGN(const Core::Found target,
             core_->find_unchecked(*new_dir, new_name));
  if (new_dir->has(kUnlinkedFlag)) return Error(ENOENT, "rename");
  if (source.node->is_dir() && is_above(core_->nodes, *source.node, *new_dir)) {
    return Error(EINVAL, "rename");
  }
  if (target.node && target.node->is_dir() &&
      is_above(core_->nodes, *target.node, *dir)) {
    const bool swap = (flags & RENAME_EXCHANGE) != 0;
    return Error(swap ? EINVAL : ENOTEMPTY, "rename");
  }
  Renamer renamer(*core_, hold);
  const Mover mover{*source.node, *dir, name};
  if ((flags & RENAME_EXCHANGE) != 0) {
    if (!target.node) return Error(ENOENT, "rename");
    if (target.node.get() == source.node.get()) return {};
    return renamer.exchange(mover, {*target.node, *new_dir, new_name});
  }
  if (!target.node) return renamer.move(mover, nullptr, *new_dir, new_name);
  if ((flags & RENAME_NOREPLACE) != 0) return Error(EEXIST, "rename");
  // Two names of one file: POSIX says nothing happens.
  if (target.node.get() == source.node.get()) return {};
  Mover victim{*target.node, *new_dir, new_name};
  return renamer.move(mover, &victim, *new_dir, new_name);
}

}  // namespace veneer::overlay
