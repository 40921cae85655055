// SPDX-License-Identifier: MIT

#include "finalize/clone_object.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <string>

#include "layer/host/overlay_xattrs.h"
#include "sys/copy_data.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::finalize {

namespace {

Result<void> clone_xattrs(int from, int to) {
  const auto names = sys::list_xattrs_fd(from);
  if (!names) {
    if (names.error().code() == EOPNOTSUPP) return {};
    return names.error();
  }
  Result<void> done;
  layer::for_each_name(*names, [&](std::string_view view) {
    if (!done) return;
    const std::string name(view);
    const auto value = sys::get_xattr_fd(from, name.c_str());
    if (!value) {
      done = value.error();
    } else if (*value) {
      done = sys::set_xattr_fd(to, name.c_str(), **value);
    }
  });
  return done;
}

// Where both have flags; a file system that has none has none to lose.
void clone_flags(int from, int to) {
  const auto readable = sys::reopen(from, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const auto other = sys::reopen(to, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (!readable || !other) return;
  const auto flags = sys::get_flags(readable->get());
  const auto now = sys::get_flags(other->get());
  if (!flags || !now || *flags == *now) return;
  ignore_error(sys::set_flags(other->get(), *flags));
}

Result<sys::UniqueFd> make_object(int from_dir, const char* name,
                                  const Attr& attr, int to_dir) {
  constexpr int kPath = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  switch (attr.mode & S_IFMT) {
    case S_IFREG: {
      TRY_ASSIGN(const sys::UniqueFd in,
                 sys::open_at(from_dir, name,
                              O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      TRY_ASSIGN(sys::UniqueFd out,
                 sys::open_at(
                     to_dir, name,
                     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
      TRY(sys::copy_range(in.get(), out.get(), attr.size));
      return out;
    }
    case S_IFLNK: {
      TRY_ASSIGN(const std::string target, sys::read_link_at(from_dir, name));
      TRY(sys::symlink_at(target.c_str(), to_dir, name));
      break;
    }
    default:
      TRY(sys::make_node_at(to_dir, name, (attr.mode & S_IFMT) | 0600,
                            attr.rdev));
  }
  return sys::open_at(to_dir, name, kPath);
}

}  // namespace

Result<void> clone_metadata(int from, int to, const Attr& attr) {
  TRY(sys::chown_fd(to, attr.uid, attr.gid));
  if (!S_ISLNK(attr.mode)) TRY(sys::chmod_fd(to, attr.mode & 07777));
  // After the owner, which clears capabilities, and after the mode, which is
  // part of an ACL; setting the ACL gives the same mode again.
  TRY(clone_xattrs(from, to));
  const timespec times[2] = {attr.atime, attr.mtime};
  TRY(sys::utimens_fd(to, times));
  if (S_ISREG(attr.mode) || S_ISDIR(attr.mode)) clone_flags(from, to);
  return {};
}

Result<void> clone_object(int from_dir, const char* name, const Attr& attr,
                          int to_dir) {
  TRY_ASSIGN(const sys::UniqueFd from,
             sys::open_at(from_dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  TRY_ASSIGN(const sys::UniqueFd to, make_object(from_dir, name, attr, to_dir));
  return clone_metadata(from.get(), to.get(), attr);
}

}  // namespace veneer::finalize
