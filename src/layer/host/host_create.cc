// SPDX-License-Identifier: MIT
//
// The upper's new objects. One is made where it is to be, with the rights of
// whom it is to belong to, so that the file system itself gives it what its
// directory hands down. What cannot be made so (a device, an object that
// replaces a whiteout) is built in the work directory and handed the same.

#include <fcntl.h>
#include <sys/stat.h>

#include "layer/host/acl.h"
#include "layer/host/host_upper.h"
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

}  // namespace

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

// What a directory gives to an object that is made in it.
struct HostUpper::Inheritance {
  mode_t mode = 0;
  std::optional<gid_t> gid;
  std::optional<std::string> access_acl;
  std::optional<std::string> default_acl;
};

Result<HostUpper::Inheritance> HostUpper::inherit(HostNode& parent,
                                                  const NewObject& what) {
  TRY_ASSIGN(const Attr above, tree_.stat(parent));
  Inheritance given{.mode = what.mode & kPermissions};
  if ((above.mode & S_ISGID) != 0) {
    given.gid = above.gid;
    if (S_ISDIR(what.mode)) given.mode |= S_ISGID;
  }
  if (S_ISLNK(what.mode)) return given;
  TRY_ASSIGN(const sys::UniqueFd fd, tree_.open(parent, O_PATH | O_DIRECTORY));
  auto found = sys::get_xattr_fd(fd.get(), kDefaultAcl);
  const std::optional<std::string> default_acl =
      found ? *std::move(found) : std::nullopt;
  if (!default_acl) return given;
  auto acl = inherit_acl(*default_acl, given.mode);
  if (acl) {
    given.mode = acl->mode | (given.mode & ~mode_t{0777});
    given.access_acl = std::move(acl->access);
  }
  if (S_ISDIR(what.mode)) given.default_acl = default_acl;
  return given;
}

// Gives what has been made at `name` of the work directory all but its name.
Result<void> HostUpper::dress(const std::string& name, const NewObject& what,
                              const Inheritance& given) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             sys::open_at(work_->fd(), name.c_str(), O_PATH | O_NOFOLLOW));
  if (traits_.privileged) {
    TRY(sys::chown_fd(fd.get(), what.uid, given.gid.value_or(what.gid)));
  }
  if (!S_ISLNK(what.mode)) TRY(sys::chmod_fd(fd.get(), given.mode));
  if (given.access_acl) {
    TRY(sys::set_xattr_fd(fd.get(), kAccessAcl, *given.access_acl));
  }
  if (given.default_acl) {
    TRY(sys::set_xattr_fd(fd.get(), kDefaultAcl, *given.default_acl));
  }
  if (what.number) record_number(work_->fd(), name.c_str(), *what.number);
  return {};
}

// Marks the directory at `name` of the work directory.
Result<void> HostUpper::make_opaque(const std::string& name) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             sys::open_at(work_->fd(), name.c_str(), O_PATH | O_DIRECTORY));
  if (!traits_.kernel_form) {
    return make_marker(fd.get(), kOpaqueMarker.substr(kMarkerPrefix.size()));
  }
  return sys::set_xattr_fd(fd.get(), own_name(options_.xattrs, kOpaque).c_str(),
                           "y");
}

// Builds in the work directory what the directory would have given the object,
// had it been made there: group, group bit and ACL.
Result<std::string> HostUpper::build_aside(HostNode& parent,
                                           const NewObject& what, bool opaque) {
  TRY(sys::clear_thread_umask());
  TRY_ASSIGN(const Inheritance given, inherit(parent, what));
  std::string name = work_->fresh_name();
  NewObject plain = what;
  plain.mode = (what.mode & S_IFMT) | (given.mode & ~kSetIds);
  sys::UniqueFd file;
  TRY(make_plain(work_->fd(), name.c_str(), plain, file));
  auto done = dress(name, what, given);
  if (done && opaque) done = make_opaque(name);
  if (!done) {
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

}  // namespace veneer::layer
