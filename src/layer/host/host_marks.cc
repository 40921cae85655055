// SPDX-License-Identifier: MIT
//
// The upper's objects: attributes, xattrs, marks, data to write to.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <algorithm>

#include "layer/host/host_upper.h"
#include "sys/copy_data.h"
#include "sys/file.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::layer {
namespace {

constexpr const char* kCapability = "security.capability";

// A directory's bits are no privileges. What else has them loses them, be it a
// FIFO: chown(2) asks no further.
Result<bool> drops_privileges(int fd, const SetAttr& changes) {
  if (!changes.kill_suid) return false;
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd));
  return !S_ISDIR(attr.mode) && !S_ISLNK(attr.mode);
}

// As setattr_should_drop_suidgid() in the kernel's fs/attr.c.
Result<void> kill_set_ids(int fd, bool outsider) {
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd));
  mode_t mode = attr.mode & 07777 & ~mode_t{S_ISUID};
  if ((mode & S_IXGRP) != 0 || outsider) mode &= ~mode_t{S_ISGID};
  if (mode == (attr.mode & 07777)) return {};
  return sys::chmod_fd(fd, mode);
}

}  // namespace

// An unprivileged owner whose file forbids writing opens it by lifting that
// for a moment: who may write was decided when the caller opened it.
Result<sys::UniqueFd> HostUpper::open_writable(LayerNode& node) {
  auto fd = tree_.open(host(node), O_RDWR);
  if (fd || fd.error().code() != EACCES) return fd;
  TRY_ASSIGN(const sys::UniqueFd path, open_path(node));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(path.get()));
  TRY(sys::chmod_fd(path.get(), (attr.mode & 07777) | S_IRUSR | S_IWUSR));
  fd = tree_.open(host(node), O_RDWR);
  TRY(sys::chmod_fd(path.get(), attr.mode & 07777));
  return fd;
}

// Likewise for marks of the user's namespace, which count as writing, and for
// names in a directory that its owner made read-only.
Result<void> HostUpper::lifting(int fd,
                                const std::function<Result<void>()>& change) {
  auto done = change();
  if (done || done.error().code() != EACCES || traits_.privileged) return done;
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd));
  if (S_ISLNK(attr.mode)) return done;
  TRY(sys::chmod_fd(fd, (attr.mode & 07777) | S_IRWXU));
  done = change();
  TRY(sys::chmod_fd(fd, attr.mode & 07777));
  return done;
}

Result<FileData> HostUpper::open_for_write(LayerNode& node) {
  TRY_ASSIGN(sys::UniqueFd fd, open_writable(node));
  FileData data;
  data.fd = fd.get();
  data.owner = sys::share(std::move(fd));
  return data;
}

Result<void> HostUpper::set_attr(LayerNode& node, const SetAttr& changes) {
  TRY_ASSIGN(const sys::UniqueFd fd, open_path(node));
  if (changes.size) {
    TRY_ASSIGN(const sys::UniqueFd writable, open_writable(node));
    TRY_ASSIGN(const Attr now, sys::stat_fd(writable.get()));
    // ftruncate(2) would touch a file that has this size already; whether it
    // is to be touched, the caller says.
    if (now.size != *changes.size) {
      TRY(sys::truncate_fd(writable.get(), *changes.size));
    }
  }
  if (changes.uid || changes.gid) {
    TRY(sys::chown_fd(fd.get(), changes.uid.value_or(static_cast<uid_t>(-1)),
                      changes.gid.value_or(static_cast<gid_t>(-1))));
  }
  TRY_ASSIGN(const bool drops, drops_privileges(fd.get(), changes));
  if (drops) {
    TRY(kill_set_ids(fd.get(), changes.outsider));
    auto gone = sys::remove_xattr_fd(fd.get(), kCapability);
    if (!gone && gone.error().code() != ENODATA &&
        gone.error().code() != EOPNOTSUPP && gone.error().code() != EPERM) {
      return gone;
    }
  }
  if (changes.mode) TRY(sys::chmod_fd(fd.get(), *changes.mode & 07777));
  if (changes.atime || changes.mtime) {
    constexpr timespec kOmit{.tv_sec = 0, .tv_nsec = UTIME_OMIT};
    const timespec times[2] = {changes.atime.value_or(kOmit),
                               changes.mtime.value_or(kOmit)};
    TRY(sys::utimens_fd(fd.get(), times));
  }
  return {};
}

Result<void> HostUpper::set_xattr(LayerNode& node, const std::string& name,
                                  std::string_view value, int flags) {
  TRY_ASSIGN(const sys::UniqueFd fd, open_path(node));
  return sys::set_xattr_fd(fd.get(), stored_name(options_.xattrs, name).c_str(),
                           value, flags);
}

Result<void> HostUpper::remove_xattr(LayerNode& node, const std::string& name) {
  TRY_ASSIGN(const sys::UniqueFd fd, open_path(node));
  return sys::remove_xattr_fd(fd.get(),
                              stored_name(options_.xattrs, name).c_str());
}

Result<void> HostUpper::set_flags(LayerNode& node, unsigned flags) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             tree_.open(host(node), O_RDONLY | O_NONBLOCK));
  return sys::set_flags(fd.get(), flags);
}

Result<void> HostUpper::set_fsxattr(LayerNode& node, const fsxattr& value) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             tree_.open(host(node), O_RDONLY | O_NONBLOCK));
  return sys::set_fsxattr(fd.get(), value);
}

Result<void> HostUpper::set_mark(LayerNode& node, std::string_view suffix,
                                 std::string_view value) {
  if (!traits_.kernel_form) return Error(EOPNOTSUPP, "mark");
  TRY_ASSIGN(const sys::UniqueFd fd, open_path(node));
  const std::string name = own_name(options_.xattrs, suffix);
  return lifting(fd.get(), [&] {
    return sys::set_xattr_fd(fd.get(), name.c_str(), value);
  });
}

Result<Marks> HostUpper::get_marks(LayerNode& node) {
  TRY_ASSIGN(const sys::UniqueFd fd, open_path(node));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd.get()));
  bool xattr_whiteouts = false;
  return read_marks(fd.get(), "", attr, xattr_whiteouts);
}

Result<void> HostUpper::set_opaque(LayerNode& node) {
  if (traits_.kernel_form) return set_mark(node, kOpaque, "y");
  TRY_ASSIGN(const sys::SharedFd fd, dir(node));
  TRY_ASSIGN(const Attr before, sys::stat_fd(fd->get()));
  TRY(make_marker(fd->get(), kOpaqueMarker.substr(kMarkerPrefix.size())));
  // Nothing that the user sees in it has changed.
  const timespec times[2] = {before.atime, before.mtime};
  ignore_error(sys::utimens_fd(fd->get(), times));
  return {};
}

Result<void> HostUpper::set_impure(LayerNode& node) {
  if (!traits_.kernel_form) return {};
  return set_mark(node, kImpure, "y");
}

Result<void> HostUpper::set_redirect(LayerNode& node,
                                     std::string_view redirect) {
  // One that would not be read again loses what it points at.
  if (!is_valid_redirect(redirect)) return Error(E2BIG, "redirect");
  return set_mark(node, kRedirect, redirect);
}

Result<void> HostUpper::set_nlink(LayerNode& node, Marks::Nlink nlink) {
  return set_mark(node, kNlink, encode_nlink(nlink));
}

Result<void> HostUpper::set_number(LayerNode& node, std::uint64_t number) {
  if (!traits_.kernel_form) return {};
  return set_mark(node, kNumber, encode_number(number));
}

Result<void> HostUpper::set_protection(LayerNode& node, bool immutable,
                                       bool append_only) {
  if (immutable || append_only) {
    return set_mark(node, kProtattr, encode_protection(immutable, append_only));
  }
  TRY_ASSIGN(const sys::UniqueFd fd, open_path(node));
  const std::string name = own_name(options_.xattrs, kProtattr);
  auto gone = lifting(
      fd.get(), [&] { return sys::remove_xattr_fd(fd.get(), name.c_str()); });
  if (!gone && gone.error().code() != ENODATA) return gone;
  return {};
}

// In place: the mark is there until all data are, so a crash in between
// leaves a metacopy whose data are still taken from below.
Result<void> HostUpper::fill_metacopy(LayerNode& node, const FileData& data,
                                      std::uint64_t length, bool sync) {
  TRY_ASSIGN(const sys::UniqueFd fd, open_writable(node));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd.get()));
  TRY_ASSIGN(const auto capability, sys::get_xattr_fd(fd.get(), kCapability));
  // Until now the file is one hole of that size.
  if (data.fd >= 0 && data.offset == 0) {
    TRY(sys::copy_range(data.fd, fd.get(), length));
  } else {
    TRY(sys::pwrite_full(fd.get(), data.bytes.data(),
                         std::min<std::uint64_t>(length, data.bytes.size()),
                         0));
  }
  TRY(sys::truncate_fd(fd.get(), attr.size));
  if (capability) {
    TRY(sys::set_xattr_fd(fd.get(), kCapability, *capability));
  }
  const timespec times[2] = {attr.atime, attr.mtime};
  TRY(sys::utimens_fd(fd.get(), times));
  if (sync) TRY(sys::fsync_fd(fd.get()));
  const std::string name = own_name(options_.xattrs, kMetacopy);
  return lifting(fd.get(),
                 [&] { return sys::remove_xattr_fd(fd.get(), name.c_str()); });
}

Result<void> HostUpper::sync(LayerNode& node, bool data_only) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             tree_.open(host(node), O_RDONLY | O_NONBLOCK));
  return data_only ? sys::fdatasync_fd(fd.get()) : sys::fsync_fd(fd.get());
}

Result<void> HostUpper::sync_all() { return sys::sync_fs(readable_.get()); }

}  // namespace veneer::layer
