// SPDX-License-Identifier: MIT
//
// Messages about attributes, the extended ones too.

#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>

#include "fuse/dispatcher.h"
#include "fuse/libfuse.h"

namespace veneer::fuse {

namespace {

constexpr unsigned long kLongestName = 255;
constexpr char kAccessAcl[] = "system.posix_acl_access";
constexpr char kSelinuxLabel[] = "security.selinux";

constexpr const char* kCapability = "security.capability";

timespec now() { return {.tv_sec = 0, .tv_nsec = UTIME_NOW}; }

// ls -l asks each file for its label, and the kernel asks us each time. Told
// "no labels here" instead of "none on this one", ls asks once for the mount.
int absent_xattr(const char* name) {
  return std::strcmp(name, kSelinuxLabel) == 0 ? EOPNOTSUPP : ENODATA;
}

// FUSE_SET_ATTR_CTIME is left out: the change time is the storage's to keep.
SetAttr to_set_attr(const struct stat& value, int to_set) {
  SetAttr changes;
  if (to_set & FUSE_SET_ATTR_MODE) changes.mode = value.st_mode;
  if (to_set & FUSE_SET_ATTR_UID) changes.uid = value.st_uid;
  if (to_set & FUSE_SET_ATTR_GID) changes.gid = value.st_gid;
  if (to_set & FUSE_SET_ATTR_SIZE) {
    changes.size = static_cast<std::uint64_t>(value.st_size);
  }
  if (to_set & FUSE_SET_ATTR_ATIME) changes.atime = value.st_atim;
  if (to_set & FUSE_SET_ATTR_MTIME) changes.mtime = value.st_mtim;
  if (to_set & FUSE_SET_ATTR_ATIME_NOW) changes.atime = now();
  if (to_set & FUSE_SET_ATTR_MTIME_NOW) changes.mtime = now();
#ifdef FUSE_SET_ATTR_KILL_SUID
  changes.kill_suid = (to_set & FUSE_SET_ATTR_KILL_SUID) != 0;
#endif
  return changes;
}

}  // namespace

void Dispatcher::getattr(Reply& reply, std::uint64_t id,
                         fuse_file_info* /*info*/) {
  reply.attr(filesystem_.get_attr(node(id)));
}

void Dispatcher::statx(Reply& reply, std::uint64_t id, int /*flags*/,
                       int /*mask*/, fuse_file_info* /*info*/) {
  reply.statx(filesystem_.get_attr(node(id)));
}

void Dispatcher::setattr(Reply& reply, std::uint64_t id, struct stat* value,
                         int to_set, fuse_file_info* info) {
  SetAttr changes = to_set_attr(*value, to_set);
  // ftruncate(2), which comes with a handle, and O_TRUNC touch the file even if
  // it has that size; truncate(2) does not, but to nothing it looks the same.
  if (changes.size && !changes.mtime &&
      (info != nullptr || *changes.size == 0)) {
    changes.mtime = now();
  }
  if (!changes.any()) return clear_privileges(reply, id);
  reply.attr(filesystem_.set_attr(reply.caller(), node(id), changes));
}

// SETATTR of nothing is how the kernel asks for privileges to be dropped: by
// chown(2), which takes set-id bits even where it changes no owner; before the
// write of one who may not keep them; and after it has removed a file's
// capabilities for a write, which of root's then takes no more. Of who is not
// the owner only a write can be meant, and that drops them itself: whoever may
// not write must not get them dropped.
void Dispatcher::clear_privileges(Reply& reply, std::uint64_t id) {
  const overlay::Caller caller = reply.caller();
  std::uint64_t expected = id;
  if (capability_removed_.compare_exchange_strong(expected, 0) &&
      caller.uid == 0) {
    return reply.attr(filesystem_.get_attr(node(id)));
  }
  const Result<Attr> attr = filesystem_.get_attr(node(id));
  if (!attr) return reply.error(attr.error());
  if (caller.uid != 0 && caller.uid != attr->uid) {
    return reply.attr_for_now(attr);
  }
  reply.attr(
      filesystem_.set_attr(caller, node(id), SetAttr{.kill_suid = true}));
}

void Dispatcher::readlink(Reply& reply, std::uint64_t id) {
  reply.link_target(filesystem_.read_link(node(id)));
}

void Dispatcher::statfs(Reply& reply, std::uint64_t /*id*/) {
  struct statvfs value{};
  const Result<void> result = filesystem_.stat_fs(value);
  value.f_namemax = kLongestName;
  reply.statfs(result, value);
}

void Dispatcher::setxattr(Reply& reply, std::uint64_t id, const char* name,
                          const char* value, std::size_t size, int flags) {
  const overlay::Caller caller = reply.caller();
  Result<void> result =
      filesystem_.set_xattr(caller, node(id), name, {value, size}, flags);

  // As chmod(2) does: an access ACL set by who is not in the file's group takes
  // the set-group-id bit away. The kernel knows, but libfuse does not say.
  if (result && std::strcmp(name, kAccessAcl) == 0) {
    const Result<Attr> attr = filesystem_.get_attr(node(id));
    if (attr && (attr->mode & S_ISGID) != 0 &&
        !reply.caller_is_in_group(attr->gid)) {
      SetAttr changes;
      changes.mode = attr->mode & ~static_cast<mode_t>(S_ISGID);
      const Result<Attr> set = filesystem_.set_attr(caller, node(id), changes);
      if (!set) result = set.error();
    }
  }
  reply.done(result);
}

void Dispatcher::getxattr(Reply& reply, std::uint64_t id, const char* name,
                          std::size_t room) {
  const Result<std::optional<std::string>> value =
      filesystem_.get_xattr(reply.caller(), node(id), name);
  if (!value) return reply.error(value.error());
  if (!*value) return reply.error(absent_xattr(name));
  reply.sized_value(**value, room);
}

void Dispatcher::listxattr(Reply& reply, std::uint64_t id, std::size_t room) {
  const Result<std::string> names =
      filesystem_.list_xattrs(reply.caller(), node(id));
  if (!names) return reply.error(names.error());
  reply.sized_value(*names, room);
}

void Dispatcher::removexattr(Reply& reply, std::uint64_t id, const char* name) {
  if (std::strcmp(name, kCapability) == 0) capability_removed_ = id;
  reply.done(filesystem_.remove_xattr(reply.caller(), node(id), name));
}

}  // namespace veneer::fuse
