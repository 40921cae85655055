// SPDX-License-Identifier: MIT
//
// Entering the tree, becoming the caller, choosing the call.

#include "test/differential/executor.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace veneer::testing::differential {
namespace {

// Another user for a while, without any capability. Raw calls: the wrappers of
// libc would change all threads.
class ActAs {
 public:
  explicit ActAs(std::int64_t id) {
    syscall(SYS_capget, &header_, all_.data());
    syscall(SYS_setfsgid, id);
    syscall(SYS_setfsuid, id);
    auto none = all_;
    for (auto& part : none) part.effective = 0;
    syscall(SYS_capset, &header_, none.data());
  }
  ~ActAs() {
    syscall(SYS_capset, &header_, all_.data());
    syscall(SYS_setfsuid, 0);
    syscall(SYS_setfsgid, 0);
  }
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> all_{};
};

void enter(int dir_fd) {
  if (fchdir(dir_fd) != 0 || chroot(".") != 0) abort();
}

Outcome drop_caches() {
  const int fd = ::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return {};
  [[maybe_unused]] const auto written = ::write(fd, "2", 1);
  ::close(fd);
  return {};
}

}  // namespace

Outcome outcome(std::int64_t result) {
  Outcome out;
  out.result = result;
  if (result < 0) out.error = errno;
  return out;
}

Executor::Executor(int root_fd, int host_fd)
    : root_fd_(root_fd), host_fd_(host_fd) {
  slots_.fill(-1);
}

Executor::~Executor() { close_all(); }

void Executor::close_slot(int index) {
  int& fd = slots_.at(static_cast<std::size_t>(index));
  if (fd >= 0) ::close(fd);
  fd = -1;
}

std::vector<int> Executor::slots_of_same(int index) const {
  std::vector<int> same;
  const auto held = view_of(slot(index), "", true);
  for (int i = 0; held && i < kSlots; ++i) {
    const auto other = view_of(slot(i), "", true);
    if (other && other->ino == held->ino) same.push_back(i);
  }
  return same;
}

void Executor::close_all() {
  for (int i = 0; i < kSlots; ++i) close_slot(i);
}

// The kernel's word for it: no count of links tells, as merged directories have
// none worth the name.
bool Executor::holds_removed_special(int index) const {
  const auto stat = view_of(slot(index), "", true);
  if (!stat || stat->is_regular()) return false;
  std::string target(8192, '\0');
  const std::string link = "/proc/self/fd/" + std::to_string(slot(index));
  const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
  target.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return target.ends_with(" (deleted)");
}

void Executor::set_mtime(const Op& op, const StatView& as_in) {
  const timespec times[2] = {{0, UTIME_OMIT}, {as_in.mtime, as_in.mtime_ns}};
  enter(root_fd_);
  if (op.fd != kNone) {
    futimens(slot(op.fd), times);
  } else {
    utimensat(dir_of(op.at), op.path.c_str(), times, 0);
  }
  enter(host_fd_);
}

int Executor::slot(int index) const {
  return index == kNone ? -1 : slots_.at(static_cast<std::size_t>(index));
}

// A slot that holds nothing must not turn into AT_FDCWD.
int Executor::dir_of(int at) const {
  if (at == kNone) return AT_FDCWD;
  return slot(at) < 0 ? -1 : slot(at);
}

void Executor::keep(int index, int fd) {
  if (index == kNone) {
    ::close(fd);
    return;
  }
  close_slot(index);
  slots_.at(static_cast<std::size_t>(index)) = fd;
}

Outcome Executor::run(const Op& op) {
  if (op.kind == OpKind::kDropCaches) return drop_caches();
  enter(root_fd_);
  Outcome out;
  if (op.as != 0) {
    const ActAs another(op.as);
    out = dispatch(op);
  } else {
    out = dispatch(op);
  }
  enter(host_fd_);
  return out;
}

Outcome Executor::dispatch(const Op& op) {
  const int dir = dir_of(op.at);
  const char* path = op.path.c_str();
  const auto mode = static_cast<mode_t>(op.mode);
  switch (op.kind) {
    case OpKind::kMkfile:
      return mkfile(op);
    case OpKind::kOpen:
      return open(op);
    case OpKind::kClose: {
      if (slot(op.fd) < 0) return {.result = -1, .error = EBADF};
      // close(2) may report the error of an earlier write.
      int& fd = slots_.at(static_cast<std::size_t>(op.fd));
      return outcome(::close(std::exchange(fd, -1)));
    }
    case OpKind::kRead:
      return read(op);
    case OpKind::kWrite:
      return write(op);
    case OpKind::kTruncate:
    case OpKind::kFtruncate:
      return truncate(op);
    case OpKind::kUnlink:
      return outcome(unlinkat(dir, path, 0));
    case OpKind::kRmdir:
      return outcome(unlinkat(dir, path, AT_REMOVEDIR));
    case OpKind::kMkdir:
      return outcome(mkdirat(dir, path, mode));
    case OpKind::kRename:
      return rename(op);
    case OpKind::kLink:
    case OpKind::kLinkFd:
      return link(op);
    case OpKind::kSymlink:
      return symlink(op);
    case OpKind::kReadlink:
      return readlink(op);
    case OpKind::kMknod:
      return outcome(mknodat(dir, path, mode, static_cast<dev_t>(op.off)));
    case OpKind::kChmod:
      return chmod(op);
    case OpKind::kChown:
      return chown(op);
    case OpKind::kUtimens:
      return utimens(op);
    case OpKind::kSetxattr:
    case OpKind::kGetxattr:
    case OpKind::kListxattr:
    case OpKind::kRemovexattr:
    case OpKind::kSetacl:
      return xattr(op);
    case OpKind::kFallocate:
      return fallocate(op);
    case OpKind::kSeek:
      return seek(op);
    case OpKind::kCopyRange:
      return copy_range(op);
    case OpKind::kMmapWrite:
      return mmap_write(op);
    case OpKind::kMmapRead:
      return mmap_read(op);
    case OpKind::kFsync:
      return outcome(op.flags != 0 ? fdatasync(slot(op.fd))
                                   : fsync(slot(op.fd)));
    case OpKind::kReaddir:
      return readdir(op);
    case OpKind::kStat:
      return stat(op);
    case OpKind::kAccess:
      return outcome(
          faccessat(dir, path, static_cast<int>(op.mode), AT_EACCESS));
    case OpKind::kStatfs:
      return statfs(op);
    case OpKind::kSetflags:
      return setflags(op);
    case OpKind::kUmask:
      umask(mode);
      return {};
    case OpKind::kDropCaches:
    case OpKind::kCompare:
      break;
  }
  return {};
}

}  // namespace veneer::testing::differential
