// SPDX-License-Identifier: MIT
//
// Names come: mkdir(2), mknod(2), symlink(2), open(2) with O_CREAT, link(2).
// And go: unlink(2), rmdir(2).
//
// A removal has two halves: the upper entry goes, and the layers below must
// not show through where it stood. One after the other would expose a state
// that no caller asked for, so the upper does both in a single rename.

#include <sys/stat.h>

#include "overlay/core.h"
#include "overlay/filesystem.h"

namespace veneer::overlay {
namespace {

Result<void> may_add_to(const Node& dir) {
  if (dir.has(kUnlinkedFlag)) return Error(ENOENT, "create");
  if (dir.has(kImmutableFlag)) return Error(EPERM, "create");
  return {};
}

Result<void> may_remove_from(const Node& dir, const Node& victim) {
  if (dir.has(kImmutableFlag | kAppendFlag) ||
      victim.has(kImmutableFlag | kAppendFlag)) {
    return Error(EPERM, "remove");
  }
  return {};
}

NewObject new_object(const Caller& caller, const Node& dir, mode_t mode,
                     dev_t rdev, std::string_view target) {
  NewObject what;
  // The directory's default ACL takes the mask's place.
  what.mode = dir.has(kDefaultAclFlag) || S_ISLNK(mode)
                  ? mode
                  : mode & ~(caller.umask & 0777);
  what.uid = caller.uid;
  what.gid = caller.gid;
  what.rdev = rdev;
  what.target = target;
  return what;
}

}  // namespace

Result<Entry> Filesystem::make(const Caller& caller, NodeId dir_id, Name name,
                               mode_t mode, dev_t rdev,
                               std::string_view target) {
  if (!core_->upper) return Error(EROFS, "create");
  if (name.size() > 255) return Error(ENAMETOOLONG, "create");
  // Nobody but the overlay makes whiteouts.
  if (S_ISCHR(mode) && rdev == 0) return Error(EPERM, "create");
  if (core_->upper->is_reserved(name)) return Error(EINVAL, "create");
  TRY_ASSIGN(const NodeRef dir, core_->get_dir(dir_id));
  TRY(may_add_to(*dir));

  const SharedTopology hold(core_->topology);
  const MutexLock lock(dir->dir->mu);
  // A directory of the upper alone says so itself.
  if (!dir->dir->lowers.empty()) {
    TRY_ASSIGN(const Core::Found present, core_->find(*dir, name));
    if (present.node) return Error(EEXIST, "create");
  }
  TRY(core_->ensure_upper(*dir, Need::kMetadata, hold));

  NewObject what = new_object(caller, *dir, mode, rdev, target);
  if (core_->numbers.mode() == InodeMode::kPersistent) {
    std::string path = core_->upper->path_of(*dir->upper());
    if (!path.empty()) path.push_back('/');
    what.number = core_->numbers.reserve(path.append(name));
    TRY(core_->mark_impure(*dir));
  }
  auto child = core_->upper->create(*dir->upper(), name, what);
  if (!child && child.error().code() == EEXIST) {
    TRY_ASSIGN(const UpperEntry entry, core_->upper_entry(*dir, name));
    if (entry == UpperEntry::kObject) return Error(EEXIST, "create");
    child = core_->upper->create_over_whiteout(*dir->upper(), name, what);
  }
  if (!child) return child.error();
  if (what.number) child->marks.number = what.number;
  const Attr attr = child->attr;
  const NodeRef node = core_->adopt_created(*dir, name, *std::move(child));
  core_->note_added(*dir, name, *node, attr.ino);
  core_->nodes.count_lookup(*node);
  return Entry{node->id, core_->shown_attr(*node, attr)};
}

Result<Entry> Filesystem::make_unnamed(const Caller& caller, NodeId dir_id,
                                       mode_t mode) {
  if (!core_->upper) return Error(EROFS, "tmpfile");
  TRY_ASSIGN(const NodeRef dir, core_->get_dir(dir_id));
  TRY(may_add_to(*dir));
  const SharedTopology hold(core_->topology);
  TRY(core_->ensure_upper(*dir, Need::kMetadata, hold));
  TRY_ASSIGN(Child child,
             core_->upper->create_unnamed(
                 *dir->upper(), new_object(caller, *dir, mode, 0, {})));
  const Attr attr = child.attr;
  const NodeRef node = core_->adopt_created(*dir, {}, std::move(child));
  core_->nodes.count_lookup(*node);
  return Entry{node->id, core_->shown_attr(*node, attr)};
}

Result<Entry> Filesystem::link(const Caller&, NodeId id, NodeId dir_id,
                               Name name) {
  if (!core_->upper) return Error(EROFS, "link");
  if (name.size() > 255) return Error(ENAMETOOLONG, "link");
  if (core_->upper->is_reserved(name)) return Error(EINVAL, "link");
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  TRY_ASSIGN(const NodeRef dir, core_->get_dir(dir_id));
  if (node->is_dir()) return Error(EPERM, "link");
  if (node->has(kImmutableFlag | kAppendFlag)) return Error(EPERM, "link");
  TRY(may_add_to(*dir));

  const SharedTopology hold(core_->topology);
  const MutexLock lock(dir->dir->mu);
  TRY_ASSIGN(const Core::Found present, core_->find(*dir, name));
  if (present.node) return Error(EEXIST, "link");
  TRY(core_->ensure_upper(*dir, Need::kMetadata, hold));
  TRY(core_->ensure_upper(*node, Need::kMetadata, hold));
  {
    const MutexLock single(node->copy_mu);
    const bool unnamed = !core_->nodes.has_edges(*node);
    if (node->has(kMetacopyFlag)) {
      // Without a name left, nothing says where below its data are.
      const auto place = core_->nodes.place_of(*node);
      TRY(place ? core_->redirect(*node, *place->dir, place->name)
                : core_->bring_data_up(*node));
    }
    if (node->lower || node->has(kIndexedFlag)) TRY(core_->mark_impure(*dir));
    TRY(core_->begin_nlink_change(*node));
    TRY_ASSIGN(const UpperEntry entry, core_->upper_entry(*dir, name));
    TRY(core_->upper->link(*node->upper(), *dir->upper(), name,
                           entry == UpperEntry::kWhiteout));
    core_->end_nlink_change(*node, +1);
    if (unnamed) {
      core_->upper->relocate(*node->upper(), *dir->upper(), name);
      if (core_->numbers.mode() == InodeMode::kPersistent) {
        ignore_error(core_->upper->set_number(*node->upper(), node->number));
        TRY(core_->mark_impure(*dir));
      }
    }
    core_->nodes.add_edge(*dir, name, *node);
    node->set(kUnlinkedFlag, false);
  }
  TRY_ASSIGN(const Attr real, core_->upper->get_attr(*node->upper()));
  core_->nodes.add_key(*node, {real.dev, real.ino, true});
  core_->note_added(*dir, name, *node, real.ino);
  TRY_ASSIGN(const Attr attr, core_->attr_of(*node));
  core_->nodes.count_lookup(*node);
  return Entry{node->id, attr};
}

Result<void> Filesystem::unlink(const Caller&, NodeId dir_id, Name name) {
  if (!core_->upper) return Error(EROFS, "unlink");
  TRY_ASSIGN(const NodeRef dir, core_->get_dir(dir_id));
  const SharedTopology hold(core_->topology);
  const MutexLock lock(dir->dir->mu);
  TRY_ASSIGN(const Core::Found found, core_->find(*dir, name));
  if (!found.node) return Error(ENOENT, "unlink");
  Node& victim = *found.node;
  if (victim.is_dir()) return Error(EISDIR, "unlink");
  TRY(may_remove_from(*dir, victim));
  TRY(core_->ensure_upper(*dir, Need::kMetadata, hold));
  TRY(core_->prepare_removal(victim, *dir, name, hold));

  const MutexLock single(victim.copy_mu);
  TRY_ASSIGN(const bool covers, core_->lower_has(*dir, name));
  TRY(core_->begin_nlink_change(victim));
  if (victim.upper() != nullptr) {
    TRY(core_->keep_reachable(victim, *dir, name));
    TRY(core_->upper->unlink(*dir->upper(), name, covers));
  } else {
    TRY(core_->upper->add_whiteout(*dir->upper(), name));
  }
  core_->forget_name(victim, *dir, name);
  return {};
}

Result<void> Filesystem::remove_dir(const Caller&, NodeId dir_id, Name name) {
  if (!core_->upper) return Error(EROFS, "rmdir");
  TRY_ASSIGN(const NodeRef dir, core_->get_dir(dir_id));
  const SharedTopology hold(core_->topology);
  const MutexLock lock(dir->dir->mu);
  TRY_ASSIGN(const Core::Found found, core_->find(*dir, name));
  if (!found.node) return Error(ENOENT, "rmdir");
  Node& victim = *found.node;
  if (!victim.is_dir()) return Error(ENOTDIR, "rmdir");
  TRY(may_remove_from(*dir, victim));
  const MutexLock inner(victim.dir->mu);
  TRY_ASSIGN(const auto listing, core_->listing_of(victim));
  if (!listing->empty()) return Error(ENOTEMPTY, "rmdir");
  TRY(core_->ensure_upper(*dir, Need::kMetadata, hold));

  TRY_ASSIGN(const bool covers, core_->lower_has(*dir, name));
  if (victim.upper() != nullptr) {
    TRY(core_->upper->pin(*victim.upper()));
    TRY(core_->upper->remove_dir(*dir->upper(), name, covers));
  } else {
    TRY(core_->upper->add_whiteout(*dir->upper(), name));
  }
  core_->forget_name(victim, *dir, name);
  return {};
}

// --- What removing and renaming over share ----------------------------------

// A lower file with other names is copied to the index first: its link count
// has to be kept somewhere, and the other names must stay one file.
Result<void> Core::prepare_removal(Node& victim, Node& dir, Name name,
                                   const TopologyHold& hold) {
  if (victim.upper() != nullptr) return ensure_alias(victim, dir, name);
  if (!wants_index(victim)) return {};
  TRY_ASSIGN(const Attr attr,
             layer(victim.lower_layer).get_attr(*victim.lower));
  if (attr.nlink < 2) return {};
  TRY(ensure_upper(victim, Need::kMetadata, hold));
  return ensure_alias(victim, dir, name);
}

// The upper reaches an object by a name. If that is the one about to go,
// another known one takes its place, else a descriptor.
Result<void> Core::keep_reachable(Node& victim, Node& dir, Name name) {
  if (!upper->is_reached_by(*victim.upper(), *dir.upper(), name)) return {};
  // An indexed file's other names may not be on the upper at all.
  if (victim.has(kIndexedFlag)) return upper->pin(*victim.upper());
  for (const Place& place : nodes.places_of(victim)) {
    if (place.dir.get() == &dir && place.name == name) continue;
    if (place.dir->upper() == nullptr) continue;
    upper->relocate(*victim.upper(), *place.dir->upper(), place.name);
    return {};
  }
  return upper->pin(*victim.upper());
}

void Core::forget_name(Node& victim, Node& dir, Name name) {
  end_nlink_change(victim, -1);
  const NodeRef keep = nodes.remove_edge(dir, name);
  if (!nodes.has_edges(victim)) victim.set(kUnlinkedFlag);
  note_removed(dir, name);
}

}  // namespace veneer::overlay
