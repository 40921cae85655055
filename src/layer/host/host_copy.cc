// SPDX-License-Identifier: MIT
//
// Copies of lower objects on the upper, and the inode index.
//
// Order of a copy: data, marks, owner, xattrs, mode, times, sync, publish. Data
// come first because writing would clear capabilities, mode after owner because
// chown clears set-id bits, and after the xattrs because user.* ones cannot be
// set on what forbids writing; times after all that changes them. In the
// kernel: fs/overlayfs/copy_up.c.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <algorithm>

#include "layer/host/host_upper.h"
#include "layer/host/origin_record.h"
#include "sys/file.h"
#include "sys/file_data.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/thread_umask.h"
#include "sys/xattr.h"

namespace veneer::layer {
namespace {

// Best effort: another file system may know other flags.
Result<void> add_flags(int fd, unsigned flags) {
  TRY_ASSIGN(const sys::UniqueFd readable,
             sys::reopen(fd, O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(const unsigned now, sys::get_flags(readable.get()));
  return sys::set_flags(readable.get(), now | flags);
}

}  // namespace

// Something in the work directory, or a file without a name.
class HostUpper::StagedEntry : public Staged {
 public:
  StagedEntry(WorkDir& work, std::string name, sys::SharedFd fd)
      : work_(work), name_(std::move(name)), fd_(std::move(fd)) {}
  ~StagedEntry() override {
    if (!name_.empty()) work_.discard(name_);
  }

  LayerNodeRef node() const override { return node_; }
  int fd() const { return fd_->get(); }
  const sys::SharedFd& shared_fd() const { return fd_; }
  HostNodeRef host_node() const { return node_; }
  void set_node(HostNodeRef node) { node_ = std::move(node); }

  /// Its name from now on, in one step. `dir` holds nothing of that name.
  Result<void> move_to(int dir, const char* name) {
    if (name_.empty()) return sys::link_fd(fd(), dir, name);
    TRY(sys::rename_at(work_.fd(), name_.c_str(), dir, name, RENAME_NOREPLACE));
    name_.clear();
    return {};
  }

 private:
  WorkDir& work_;
  std::string name_;
  sys::SharedFd fd_;
  HostNodeRef node_;
};

Result<void> HostUpper::copy_xattrs(int fd, const CopySpec& spec) {
  for (const auto& [name, value] : spec.xattrs) {
    auto set = sys::set_xattr_fd(fd, stored_name(options_.xattrs, name).c_str(),
                                 value);
    if (set) continue;
    // What this file system or an unprivileged owner cannot hold is left out,
    // as the kernel does; a full disk is not.
    const int code = set.error().code();
    const bool refused =
        code == EOPNOTSUPP || (code == EPERM && !name.starts_with("user."));
    if (!refused) return set;
  }
  return {};
}

Result<void> HostUpper::write_marks(int fd, const CopySpec& spec) {
  if (!traits_.kernel_form || options_.xattrs == XattrNamespace::kNone) {
    return {};
  }
  const auto set = [&](std::string_view suffix, std::string_view value) {
    return sys::set_xattr_fd(fd, own_name(options_.xattrs, suffix).c_str(),
                             value);
  };
  // Without its mark a metacopy would be a file of zeros.
  if (spec.metacopy) TRY(set(kMetacopy, {}));
  if (spec.redirect) TRY(set(kRedirect, *spec.redirect));
  if (spec.nlink) TRY(set(kNlink, encode_nlink(*spec.nlink)));
  if (spec.immutable || spec.append_only) {
    TRY(set(kProtattr, encode_protection(spec.immutable, spec.append_only)));
  }
  // user.* names are refused on symbolic links and devices; those then have
  // another inode number after the next mount, and nothing else is lost.
  auto identity = set(kOrigin, spec.origin);
  if (identity && !S_ISDIR(spec.attr.mode)) {
    identity = set(kBase, encode_state(spec.attr));
  }
  if (identity && spec.number) {
    identity = set(kNumber, encode_number(*spec.number));
  }
  if (!identity && identity.error().code() != EPERM &&
      identity.error().code() != EOPNOTSUPP) {
    return identity;
  }
  return {};
}

Result<void> HostUpper::finish_copy(int fd, const CopySpec& spec) {
  const bool is_link = S_ISLNK(spec.attr.mode);
  if (traits_.privileged) {
    TRY(sys::chown_fd(fd, spec.attr.uid, spec.attr.gid));
  }
  TRY(copy_xattrs(fd, spec));
  if (!is_link) TRY(sys::chmod_fd(fd, spec.attr.mode & 07777));
  const timespec times[2] = {spec.attr.atime, spec.attr.mtime};
  TRY(sys::utimens_fd(fd, times));
  if (spec.flags != 0) ignore_error(add_flags(fd, spec.flags));
  return {};
}

Result<StagedPtr> HostUpper::stage(const CopySpec& spec) {
  TRY(sys::clear_thread_umask());
  const mode_t type = spec.attr.mode & S_IFMT;
  std::string name;
  sys::UniqueFd fd;
  if (type == S_IFREG && traits_.tmpfile) {
    TRY_ASSIGN(fd, sys::open_tmpfile(work_->fd(), O_RDWR, 0600));
  } else {
    name = work_->fresh_name();
    switch (type) {
      case S_IFREG: {
        TRY_ASSIGN(fd, sys::open_at(work_->fd(), name.c_str(),
                                    O_RDWR | O_CREAT | O_EXCL, 0600));
        break;
      }
      case S_IFDIR: {
        TRY(sys::make_dir_at(work_->fd(), name.c_str(), 0700));
        break;
      }
      case S_IFLNK: {
        TRY(sys::symlink_at(spec.target.c_str(), work_->fd(), name.c_str()));
        break;
      }
      default: {
        TRY(sys::make_node_at(work_->fd(), name.c_str(), type | 0600,
                              spec.attr.rdev));
      }
    }
    if (!fd) {
      auto opened =
          sys::open_at(work_->fd(), name.c_str(), O_PATH | O_NOFOLLOW);
      if (!opened) {
        work_->discard(name);
        return opened.error();
      }
      fd = *std::move(opened);
    }
  }
  auto staged = std::make_unique<StagedEntry>(*work_, std::move(name),
                                              sys::share(std::move(fd)));
  if (type == S_IFREG) {
    if (spec.data) {
      TRY(sys::copy_data(*spec.data, staged->fd(), spec.length));
    } else if (spec.length > 0) {
      TRY(sys::truncate_fd(staged->fd(), spec.length));
    }
  }
  TRY(write_marks(staged->fd(), spec));
  TRY(finish_copy(staged->fd(), spec));
  if (spec.sync_data && type == S_IFREG) TRY(sys::fsync_fd(staged->fd()));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(staged->fd()));
  staged->set_node(make_ref<HostNode>(nullptr, std::string(), attr));
  return StagedPtr(std::move(staged));
}

Result<LayerNodeRef> HostUpper::publish(StagedPtr staged, LayerNode& dir_node,
                                        Name name) {
  auto& entry = static_cast<StagedEntry&>(*staged);
  TRY_ASSIGN(const sys::SharedFd fd, dir(dir_node));
  TRY_ASSIGN(const Attr before, sys::stat_fd(fd->get()));
  const std::string path(name);
  // A directory that moves is written to itself: its ".." changes.
  TRY(lifting(fd->get(), [&] {
    return lifting(entry.fd(),
                   [&] { return entry.move_to(fd->get(), path.c_str()); });
  }));
  // Nobody changed this directory, as far as its users can tell.
  const timespec times[2] = {before.atime, before.mtime};
  ignore_error(sys::utimens_fd(fd->get(), times));
  const HostNodeRef node = entry.host_node();
  tree_.relocate(*node, HostNodeRef(&host(dir_node)), name);
  return LayerNodeRef(node);
}

Result<LayerNodeRef> HostUpper::publish_unnamed(StagedPtr staged) {
  auto& entry = static_cast<StagedEntry&>(*staged);
  const HostNodeRef node = entry.host_node();
  tree_.pin(*node, entry.shared_fd());
  return LayerNodeRef(node);
}

// --- The inode index --------------------------------------------------------

Result<std::optional<Child>> HostUpper::find_in_index(std::string_view origin) {
  const std::string name = to_hex(origin);
  if (!index_node_ || origin.empty() || name.size() > 255) {
    return std::optional<Child>();
  }
  TRY_ASSIGN(const std::optional<Attr> attr,
             sys::find_at(work_->index_fd(), name.c_str()));
  if (!attr || S_ISDIR(attr->mode) || S_ISCHR(attr->mode)) {
    return std::optional<Child>();
  }
  return make_child(*index_node_, work_->index_fd(), name, *attr);
}

Result<LayerNodeRef> HostUpper::publish_in_index(StagedPtr staged,
                                                 std::string_view origin) {
  if (!index_node_) return Error(EOPNOTSUPP, "index");
  auto& entry = static_cast<StagedEntry&>(*staged);
  const std::string name = to_hex(origin);
  TRY(entry.move_to(work_->index_fd(), name.c_str()));
  const HostNodeRef node = entry.host_node();
  tree_.relocate(*node, index_node_, name);
  return LayerNodeRef(node);
}

Result<void> HostUpper::remove_from_index(std::string_view origin) {
  if (!index_node_) return {};
  return sys::unlink_at(work_->index_fd(), to_hex(origin).c_str());
}

}  // namespace veneer::layer
