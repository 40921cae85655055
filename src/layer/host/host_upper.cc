// SPDX-License-Identifier: MIT
//
// The upper's names: remove, link, rename. New objects are in host_create.cc,
// copies and the index in host_copy.cc, attributes and marks in host_marks.cc.

#include "layer/host/host_upper.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/thread_umask.h"
#include "sys/xattr.h"

namespace veneer::layer {
namespace {

constexpr mode_t kMarkerMode = 0444;

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
