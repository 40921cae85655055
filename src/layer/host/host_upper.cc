// SPDX-License-Identifier: MIT
//
// The upper's names: create, remove, link, rename. Copies and the index are in
// host_copy.cc, attributes and marks in host_marks.cc.

#include "layer/host/host_upper.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "layer/host/acl.h"
#include "sys/credentials.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/thread_umask.h"
#include "sys/xattr.h"

namespace veneer::layer {
namespace {

constexpr mode_t kSetIds = S_ISUID | S_ISGID;
constexpr mode_t kPermissions = 07777;
constexpr mode_t kMarkerMode = 0444;

std::string marker_of(Name name) {
  return std::string(kMarkerPrefix).append(name);
}

}  // namespace

HostUpper::HostUpper(sys::UniqueFd root, sys::UniqueFd readable,
                     const Attr& attr, const HostOptions& options,
                     const UpperTraits& traits, std::unique_ptr<WorkDir> work,
                     std::vector<sys::UniqueFd> locks)
    : HostReads(std::move(root), std::move(readable), attr, options),
      traits_(traits),
      work_(std::move(work)),
      locks_(std::move(locks)) {
  if (!has_index()) return;
  auto index = sys::duplicate(work_->index_fd());
  if (!index) return;
  index_node_ = make_ref<HostNode>(nullptr, std::string(), Attr{});
  tree_.pin(*index_node_, sys::share(*std::move(index)));
}

// --- Creating ---------------------------------------------------------------

// Makes the object in `dir`, as the process itself.
Result<void> HostUpper::make_plain(int dir, const char* name,
                                   const NewObject& what, sys::UniqueFd& file) {
  const mode_t permissions = what.mode & kPermissions;
  switch (what.mode & S_IFMT) {
    case S_IFREG: {
      TRY_ASSIGN(file, sys::open_at(dir, name, O_RDWR | O_CREAT | O_EXCL,
                                    permissions));
      return {};
    }
    case S_IFDIR:
      return sys::make_dir_at(dir, name, permissions);
    case S_IFLNK:
      return sys::symlink_at(what.target.c_str(), dir, name);
    default:
      return sys::make_node_at(dir, name, what.mode, what.rdev);
  }
}

// Makes it with the rights of whom it is to belong to.
Result<void> HostUpper::make_here(int dir, const char* name,
                                  const NewObject& what, sys::UniqueFd& file) {
  TRY(sys::clear_thread_umask());
  if (!traits_.privileged) return make_plain(dir, name, what, file);
  const sys::ScopedCredentials as_owner(what.uid, what.gid);
  TRY(as_owner.status());
  return make_plain(dir, name, what, file);
}

// What has just appeared at `name`.
Result<Child> HostUpper::created(HostNode& parent, int dir_fd, Name name,
                                 sys::UniqueFd file) {
  Child child;
  const std::string path(name);
  if (file) {
    TRY_ASSIGN(child.attr, sys::stat_fd(file.get()));
  } else {
    TRY_ASSIGN(child.attr, sys::stat_at(dir_fd, path.c_str()));
  }
  if (S_ISDIR(child.attr.mode)) {
    bool xattr_whiteouts = false;
    TRY_ASSIGN(child.marks,
               read_marks(dir_fd, path.c_str(), child.attr, xattr_whiteouts));
  }
  child.node = make_ref<HostNode>(HostNodeRef(&parent), path, child.attr);
  if (file) {
    const int fd = file.get();
    child.data = FileData{.fd = fd,
                          .offset = 0,
                          .length = {},
                          .bytes = {},
                          .owner = sys::share(std::move(file))};
  }
  return child;
}

// Best effort: symbolic links and devices may refuse user.* names. Without it
// the number is that of the path, which is the same until the object moves.
void HostUpper::record_number(int dir_fd, const char* name,
                              std::uint64_t number) {
  if (options_.xattrs == XattrNamespace::kNone) return;
  ignore_error(sys::set_xattr_at(dir_fd, name,
                                 own_name(options_.xattrs, kNumber).c_str(),
                                 encode_number(number)));
}

Result<Child> HostUpper::create(LayerNode& dir_node, Name name,
                                const NewObject& what) {
  HostNode& parent = host(dir_node);
  TRY_ASSIGN(const sys::SharedFd fd, dir(dir_node));
  const std::string path(name);
  if (has_marker(fd->get(), name)) return Error(EEXIST, "create");
  const bool device = S_ISCHR(what.mode) || S_ISBLK(what.mode);
  sys::UniqueFd file;
  // Devices need rights that their owner may not have, and are built aside. So
  // is what the owner may make here by a group that is not the first of its
  // groups.
  bool aside = device && traits_.privileged;
  if (!aside) {
    auto made = make_here(fd->get(), path.c_str(), what, file);
    aside = !made && made.error().code() == EACCES && traits_.privileged;
    if (!made && !aside) return made.error();
  }
  if (aside) {
    TRY_ASSIGN(const std::string temporary, build_aside(parent, what, false));
    auto moved = sys::rename_at(work_->fd(), temporary.c_str(), fd->get(),
                                path.c_str(), RENAME_NOREPLACE);
    if (!moved) {
      work_->discard(temporary);
      return moved.error();
    }
    return created(parent, fd->get(), name, {});
  }
  if (what.number) record_number(fd->get(), path.c_str(), *what.number);
  // The file system drops set-id bits that it thinks the owner may not have;
  // the caller's rights were checked above us.
  if (file && (what.mode & kSetIds) != 0) {
    TRY_ASSIGN(const Attr made, sys::stat_fd(file.get()));
    TRY(sys::chmod_fd(file.get(),
                      (made.mode & kPermissions) | (what.mode & kSetIds)));
  }
  return created(parent, fd->get(), name, std::move(file));
}

// Builds in the work directory what the directory would have given the object,
// had it been made there: group, group bit and ACL.
Result<std::string> HostUpper::build_aside(HostNode& parent,
                                           const NewObject& what, bool opaque) {
  TRY(sys::clear_thread_umask());
  TRY_ASSIGN(const Attr above, tree_.stat(parent));
  TRY_ASSIGN(const sys::UniqueFd parent_fd,
             tree_.open(parent, O_PATH | O_DIRECTORY));
  std::string name = work_->fresh_name();
  const mode_t type = what.mode & S_IFMT;
  mode_t mode = what.mode & kPermissions;
  const bool inherits_group = (above.mode & S_ISGID) != 0;
  if (inherits_group && type == S_IFDIR) mode |= S_ISGID;

  std::optional<InheritedAcl> acl;
  std::optional<std::string> default_acl;
  if (type != S_IFLNK) {
    auto found = sys::get_xattr_fd(parent_fd.get(), kDefaultAcl);
    if (found) default_acl = *std::move(found);
    if (default_acl) acl = inherit_acl(*default_acl, mode);
    if (acl) mode = acl->mode | (mode & ~mode_t{0777});
  }

  NewObject plain = what;
  plain.mode = type | (mode & ~kSetIds);
  sys::UniqueFd file;
  TRY(make_plain(work_->fd(), name.c_str(), plain, file));
  const auto finish = [&]() -> Result<void> {
    TRY_ASSIGN(const sys::UniqueFd fd,
               sys::open_at(work_->fd(), name.c_str(), O_PATH | O_NOFOLLOW));
    if (traits_.privileged) {
      TRY(sys::chown_fd(fd.get(), what.uid,
                        inherits_group ? above.gid : what.gid));
    }
    if (type != S_IFLNK) TRY(sys::chmod_fd(fd.get(), mode));
    if (acl && acl->access) {
      TRY(sys::set_xattr_fd(fd.get(), kAccessAcl, *acl->access));
    }
    if (default_acl && type == S_IFDIR) {
      TRY(sys::set_xattr_fd(fd.get(), kDefaultAcl, *default_acl));
    }
    if (what.number) {
      record_number(work_->fd(), name.c_str(), *what.number);
    }
    if (!opaque) return {};
    if (traits_.kernel_form) {
      return sys::set_xattr_fd(fd.get(),
                               own_name(options_.xattrs, kOpaque).c_str(), "y");
    }
    TRY_ASSIGN(const sys::UniqueFd inside,
               sys::open_at(work_->fd(), name.c_str(), O_PATH | O_DIRECTORY));
    return make_marker(inside.get(), kOpaqueMarker.substr(4));
  };
  if (auto done = finish(); !done) {
    work_->discard(name);
    return done.error();
  }
  return name;
}

Result<Child> HostUpper::create_over_whiteout(LayerNode& dir_node, Name name,
                                              const NewObject& what) {
  HostNode& parent = host(dir_node);
  TRY_ASSIGN(const sys::SharedFd fd, dir(dir_node));
  const bool is_dir = S_ISDIR(what.mode);
  const std::string path(name);
  TRY_ASSIGN(const std::string temporary, build_aside(parent, what, is_dir));
  const bool marker = has_marker(fd->get(), name);
  const bool swap = !marker && is_dir;
  const unsigned flags = swap     ? RENAME_EXCHANGE
                         : marker ? RENAME_NOREPLACE
                                  : 0U;
  auto moved = sys::rename_at(work_->fd(), temporary.c_str(), fd->get(),
                              path.c_str(), flags);
  if (!moved || swap) work_->discard(temporary);
  TRY(std::move(moved));
  if (marker) drop_marker(fd->get(), name);
  return created(parent, fd->get(), name, {});
}

Result<Child> HostUpper::create_unnamed(LayerNode& dir_node,
                                        const NewObject& what) {
  if (!traits_.tmpfile) return Error(EOPNOTSUPP, "tmpfile");
  TRY(sys::clear_thread_umask());
  TRY_ASSIGN(const sys::SharedFd fd, dir(dir_node));
  const auto open_plain = [&] {
    return sys::open_tmpfile(fd->get(), O_RDWR, what.mode & kPermissions);
  };
  const auto open_as = [&](uid_t uid, gid_t gid) -> Result<sys::UniqueFd> {
    if (!traits_.privileged) return open_plain();
    const sys::ScopedCredentials as_owner(uid, gid);
    TRY(as_owner.status());
    return open_plain();
  };
  auto file = open_as(what.uid, what.gid);
  if (!file && file.error().code() == EACCES && traits_.privileged) {
    // By a group that is not the first of its owner's groups.
    file = open_as(0, what.gid);
    if (file) TRY(sys::chown_fd(file->get(), what.uid, what.gid));
  }
  if (!file) return file.error();
  Child child;
  TRY_ASSIGN(child.attr, sys::stat_fd(file->get()));
  auto node = make_ref<HostNode>(nullptr, std::string(), child.attr);
  const sys::SharedFd shared = sys::share(*std::move(file));
  tree_.pin(*node, shared);
  child.node = std::move(node);
  child.data = FileData{.fd = shared->get(),
                        .offset = 0,
                        .length = {},
                        .bytes = {},
                        .owner = shared};
  return child;
}

// --- Removing ---------------------------------------------------------------

bool HostUpper::has_marker(int dir_fd, Name name) const {
  return options_.markers && name.size() <= 251 &&
         is_marker(dir_fd, marker_of(name));
}

Result<void> HostUpper::make_marker(int dir_fd, Name name) {
  auto made = sys::open_at(dir_fd, marker_of(name).c_str(),
                           O_WRONLY | O_CREAT | O_EXCL, kMarkerMode);
  if (!made && made.error().code() != EEXIST) return made.error();
  return {};
}

// Best effort: the entry beside it has been published, and the marker of a name
// that is here hides nothing that could be seen.
void HostUpper::drop_marker(int dir_fd, Name name) {
  ignore_error(sys::unlink_at(dir_fd, marker_of(name).c_str()));
}

Result<void> HostUpper::unlink(LayerNode& dir_node, Name name, bool whiteout) {
  TRY_ASSIGN(const sys::SharedFd fd, dir(dir_node));
  const std::string path(name);
  if (!whiteout) return sys::unlink_at(fd->get(), path.c_str());
  if (!traits_.kernel_form) {
    // A marker beside the entry it will outlive changes nothing: what is here
    // wins over what is below.
    TRY(make_marker(fd->get(), name));
    auto gone = sys::unlink_at(fd->get(), path.c_str());
    if (!gone && gone.error().code() != ENOENT) return gone;
    return {};
  }
  TRY_ASSIGN(const std::string temporary, work_->make_whiteout());
  auto moved =
      sys::rename_at(work_->fd(), temporary.c_str(), fd->get(), path.c_str());
  if (!moved) work_->discard(temporary);
  return moved;
}

Result<void> HostUpper::remove_dir(LayerNode& dir_node, Name name,
                                   bool whiteout) {
  TRY_ASSIGN(const sys::SharedFd fd, dir(dir_node));
  const std::string path(name);
  if (!whiteout) {
    auto gone = sys::remove_dir_at(fd->get(), path.c_str());
    if (gone || gone.error().code() != ENOTEMPTY) return gone;
  }
  std::string temporary;
  unsigned flags = RENAME_NOREPLACE;
  if (whiteout && traits_.kernel_form) {
    TRY_ASSIGN(temporary, work_->make_whiteout());
    flags = RENAME_EXCHANGE;
  } else {
    temporary = work_->fresh_name();
    if (whiteout) TRY(make_marker(fd->get(), name));
  }
  TRY_ASSIGN(const sys::UniqueFd victim,
             sys::open_at(fd->get(), path.c_str(), O_PATH | O_NOFOLLOW));
  auto moved = lifting(victim.get(), [&] {
    return sys::rename_at(fd->get(), path.c_str(), work_->fd(),
                          temporary.c_str(), flags);
  });
  work_->discard(temporary);
  return moved;
}

Result<void> HostUpper::add_whiteout(LayerNode& dir_node, Name name) {
  TRY_ASSIGN(const sys::SharedFd fd, dir(dir_node));
  if (!traits_.kernel_form) return make_marker(fd->get(), name);
  return work_->link_whiteout(fd->get(), std::string(name).c_str());
}

Result<void> HostUpper::clear_dir(LayerNode& dir_node, Name name,
                                  LayerNode& node) {
  TRY_ASSIGN(const sys::SharedFd fd, dir(dir_node));
  TRY_ASSIGN(const Attr attr, tree_.stat(host(node)));
  CopySpec like;
  like.attr = attr;
  TRY_ASSIGN(const std::string xattrs, list_xattrs(node));
  for_each_name(xattrs, [&](std::string_view xattr) {
    auto value = get_xattr(node, std::string(xattr));
    if (value && *value) like.xattrs.emplace_back(xattr, **value);
  });
  TRY(sys::clear_thread_umask());
  const std::string temporary = work_->fresh_name();
  TRY(sys::make_dir_at(work_->fd(), temporary.c_str(), 0700));
  const auto swap = [&]() -> Result<void> {
    TRY_ASSIGN(
        const sys::UniqueFd fresh,
        sys::open_at(work_->fd(), temporary.c_str(), O_RDONLY | O_DIRECTORY));
    if (traits_.kernel_form) {
      TRY(sys::set_xattr_fd(fresh.get(),
                            own_name(options_.xattrs, kOpaque).c_str(), "y"));
    } else {
      // A marker inside would be in the way of what is renamed over it; one
      // beside it says the same.
      TRY(make_marker(fd->get(), name));
    }
    TRY(finish_copy(fresh.get(), like));
    const WriterLock moving(tree_.moves());
    TRY(sys::rename_at(work_->fd(), temporary.c_str(), fd->get(),
                       std::string(name).c_str(), RENAME_EXCHANGE));
    TRY_ASSIGN(const Attr now, sys::stat_fd(fresh.get()));
    tree_.replace(host(node), now);
    return {};
  };
  auto done = swap();
  work_->discard(temporary);
  return done;
}

// --- Linking and renaming ---------------------------------------------------

Result<void> HostUpper::link(LayerNode& node, LayerNode& dir_node, Name name,
                             bool over_whiteout) {
  TRY_ASSIGN(const sys::SharedFd fd, dir(dir_node));
  TRY_ASSIGN(const sys::UniqueFd source, open_path(node));
  const std::string path(name);
  const bool marker = over_whiteout && has_marker(fd->get(), name);
  if (!over_whiteout || marker) {
    TRY(lifting(fd->get(), [&] {
      return sys::link_fd(source.get(), fd->get(), path.c_str());
    }));
    if (marker) drop_marker(fd->get(), name);
    return {};
  }
  const std::string temporary = work_->fresh_name();
  TRY(sys::link_fd(source.get(), work_->fd(), temporary.c_str()));
  auto moved =
      sys::rename_at(work_->fd(), temporary.c_str(), fd->get(), path.c_str());
  if (!moved) work_->discard(temporary);
  return moved;
}

Result<void> HostUpper::rename_kernel(int dir_fd, const char* name, int new_dir,
                                      const char* new_name, RenameHow how) {
  unsigned flags = 0;
  // Swapping with the whiteout at the new name leaves one at the old.
  const bool swap = how.over_whiteout && (how.leave_whiteout || how.directory);
  if (how.exchange || swap) {
    flags = RENAME_EXCHANGE;
  } else if (how.leave_whiteout) {
    flags = RENAME_WHITEOUT;
  }
  TRY(sys::rename_at(dir_fd, name, new_dir, new_name, flags));
  // One that nobody asked for hides nothing; a crash may leave it.
  if (swap && !how.leave_whiteout) {
    ignore_error(sys::unlink_at(dir_fd, name));
  }
  return {};
}

Result<void> HostUpper::rename_dotwh(int dir_fd, const char* name, int new_dir,
                                     const char* new_name, RenameHow how) {
  if (how.exchange) {
    return sys::rename_at(dir_fd, name, new_dir, new_name, RENAME_EXCHANGE);
  }
  if (how.leave_whiteout) TRY(make_marker(dir_fd, name));
  return sys::rename_at(dir_fd, name, new_dir, new_name, 0);
}

Result<void> HostUpper::rename(LayerNode& dir_node, Name name, LayerNode& node,
                               LayerNode& new_dir, Name new_name,
                               LayerNode* other, RenameHow how) {
  TRY_ASSIGN(const sys::SharedFd from, dir(dir_node));
  TRY_ASSIGN(const sys::SharedFd to, dir(new_dir));
  const std::string path(name);
  const std::string new_path(new_name);
  const bool marker = how.over_whiteout && has_marker(to->get(), new_name);
  if (marker) how.over_whiteout = false;
  const bool moves = is_reached_by(node, dir_node, name);
  const bool other_moves = how.exchange && other != nullptr &&
                           is_reached_by(*other, new_dir, new_name);
  const WriterLock moving(tree_.moves());
  if (traits_.kernel_form) {
    TRY(rename_kernel(from->get(), path.c_str(), to->get(), new_path.c_str(),
                      how));
  } else {
    TRY(rename_dotwh(from->get(), path.c_str(), to->get(), new_path.c_str(),
                     how));
  }
  if (moves) {
    tree_.relocate(host(node), HostNodeRef(&host(new_dir)), new_name);
  }
  if (other_moves) {
    tree_.relocate(host(*other), HostNodeRef(&host(dir_node)), name);
  }
  // Until now the marker stood beside the name it hid nothing of.
  if (marker) drop_marker(to->get(), new_name);
  return {};
}

bool HostUpper::is_reached_by(LayerNode& node, LayerNode& dir_node, Name name) {
  return tree_.is_at(host(node), host(dir_node), name);
}

void HostUpper::relocate(LayerNode& node, LayerNode& dir_node, Name name) {
  tree_.relocate(host(node), HostNodeRef(&host(dir_node)), name);
}

Result<void> HostUpper::pin(LayerNode& node) {
  if (tree_.is_pinned(host(node))) return {};
  TRY_ASSIGN(sys::UniqueFd fd, open_path(node));
  tree_.pin(host(node), sys::share(std::move(fd)));
  return {};
}

bool HostUpper::is_reserved(Name name) const {
  return !traits_.kernel_form &&
         (name.starts_with(kMarkerPrefix) || name.size() > 251);
}

}  // namespace veneer::layer
