// SPDX-License-Identifier: MIT
//
// Wrappers of the calls on one file. Where an O_PATH descriptor is not good
// enough for a call, /proc/self/fd has a path to the same file.

#include "sys/file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "sys/call.h"
#include "sys/fault.h"
#include "sys/open.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

namespace veneer::sys {
namespace {

// Linux 6.9; older headers lack it.
struct FsUuid {
  std::uint8_t length;
  std::uint8_t bytes[16];
};
constexpr unsigned long kGetFsUuid = _IOR(0x15, 0, FsUuid);

constexpr int kHere = AT_EMPTY_PATH;
constexpr unsigned kMask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;

int empty_path_flag(const char* name) { return *name == '\0' ? kHere : 0; }

timespec to_timespec(const struct statx_timestamp& time) {
  return {.tv_sec = time.tv_sec, .tv_nsec = time.tv_nsec};
}

Attr to_attr(const struct statx& from) {
  Attr attr;
  attr.dev = makedev(from.stx_dev_major, from.stx_dev_minor);
  attr.ino = from.stx_ino;
  attr.mode = from.stx_mode;
  attr.nlink = from.stx_nlink;
  attr.uid = from.stx_uid;
  attr.gid = from.stx_gid;
  attr.rdev = makedev(from.stx_rdev_major, from.stx_rdev_minor);
  attr.size = from.stx_size;
  attr.blocks = from.stx_blocks;
  attr.blksize = from.stx_blksize;
  attr.atime = to_timespec(from.stx_atime);
  attr.mtime = to_timespec(from.stx_mtime);
  attr.ctime = to_timespec(from.stx_ctime);
  attr.has_btime = (from.stx_mask & STATX_BTIME) != 0;
  if (attr.has_btime) attr.btime = to_timespec(from.stx_btime);
  if ((from.stx_mask & STATX_MNT_ID) != 0) attr.mnt_id = from.stx_mnt_id;
  attr.attributes = from.stx_attributes;
  return attr;
}

// The kernel's struct file_handle, and room for its bytes.
class HandleBuffer {
 public:
  HandleBuffer() { get()->handle_bytes = MAX_HANDLE_SZ; }
  struct file_handle* get() {
    return reinterpret_cast<struct file_handle*>(room_);
  }

 private:
  alignas(struct file_handle) char room_[sizeof(struct file_handle) +
                                         MAX_HANDLE_SZ];
};

// Makes `call` with `fd`, and if that is an O_PATH descriptor which the call
// refuses, with a readable one for the same file.
template <typename Call>
int with_readable(int fd, Call&& call) {
  const int result = call(fd);
  if (result >= 0 || errno != EBADF) return result;
  const auto readable = reopen(fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (readable) return call(readable->get());
  errno = readable.error().code();
  return -1;
}

}  // namespace

// --- What it is ---

Result<Attr> stat_at(int dir, const char* name) {
  struct statx found;
  if (::statx(dir, name,
              AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | empty_path_flag(name),
              kMask, &found) != 0) {
    return last_error("statx");
  }
  return to_attr(found);
}

Result<Attr> stat_fd(int fd) { return stat_at(fd, ""); }

Result<std::optional<Attr>> find_at(int dir, const char* name) {
  auto found = stat_at(dir, name);
  if (found) return std::optional<Attr>(*found);
  if (found.error().code() == ENOENT) return std::optional<Attr>();
  return std::move(found).error();
}

Result<std::string> read_link_at(int dir, const char* name) {
  char buffer[1024];
  const ssize_t length = ::readlinkat(dir, name, buffer, sizeof(buffer));
  if (length < 0) return last_error("readlinkat");
  if (static_cast<std::size_t>(length) < sizeof(buffer)) {
    return std::string(buffer, static_cast<std::size_t>(length));
  }
  std::string target;
  for (std::size_t room = PATH_MAX;; room *= 2) {
    target.resize(room);
    const ssize_t all = ::readlinkat(dir, name, target.data(), room);
    if (all < 0) return last_error("readlinkat");
    if (static_cast<std::size_t>(all) == room) continue;  // perhaps cut off
    target.resize(static_cast<std::size_t>(all));
    return target;
  }
}

// --- What is in it ---

Result<std::size_t> pread_full(int fd, void* buffer, std::size_t size,
                               std::uint64_t offset) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = retry_interrupted([&] {
      return ::pread(fd, static_cast<char*>(buffer) + done, size - done,
                     static_cast<off_t>(offset + done));
    });
    if (count < 0) return last_error("pread");
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Result<std::size_t> pwrite_some(int fd, const void* buffer, std::size_t size,
                                std::uint64_t offset) {
  TRY(fault::before_mutation("pwrite"));
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = retry_interrupted([&] {
      return ::pwrite(fd, static_cast<const char*>(buffer) + done, size - done,
                      static_cast<off_t>(offset + done));
    });
    if (count < 0 && done == 0) return last_error("pwrite");
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Result<std::size_t> pwrite_full(int fd, const void* buffer, std::size_t size,
                                std::uint64_t offset) {
  std::size_t done = 0;
  do {
    // Where the write stopped short, asking for the rest brings the reason.
    TRY_ASSIGN(const std::size_t count,
               pwrite_some(fd, static_cast<const char*>(buffer) + done,
                           size - done, offset + done));
    if (count == 0 && done < size) return Error(EIO, "pwrite");
    done += count;
  } while (done < size);
  return done;
}

Result<void> truncate_fd(int fd, std::uint64_t size) {
  TRY(fault::before_mutation("ftruncate"));
  return check(retry_interrupted(
                   [&] { return ::ftruncate(fd, static_cast<off_t>(size)); }),
               "ftruncate");
}

Result<void> fallocate_fd(int fd, int mode, std::uint64_t offset,
                          std::uint64_t length) {
  TRY(fault::before_mutation("fallocate"));
  return check(retry_interrupted([&] {
                 return ::fallocate(fd, mode, static_cast<off_t>(offset),
                                    static_cast<off_t>(length));
               }),
               "fallocate");
}

Result<std::uint64_t> seek_fd(int fd, std::int64_t offset, int whence) {
  const off_t position = ::lseek(fd, offset, whence);
  if (position < 0) return last_error("lseek");
  return static_cast<std::uint64_t>(position);
}

Result<void> fsync_fd(int fd) {
  TRY(fault::before_mutation("fsync"));
  return check(retry_interrupted([&] { return ::fsync(fd); }), "fsync");
}

Result<void> fdatasync_fd(int fd) {
  TRY(fault::before_mutation("fdatasync"));
  return check(retry_interrupted([&] { return ::fdatasync(fd); }), "fdatasync");
}

Result<void> sync_fs(int fd) {
  TRY(fault::before_mutation("syncfs"));
  return check(::syncfs(fd), "syncfs");
}

// --- Changing what it is ---

Result<void> chmod_fd(int fd, mode_t mode) {
  TRY(fault::before_mutation("fchmod"));
  static const bool has_fchmodat2 =
      is_implemented([] { return ::syscall(SYS_fchmodat2, -1, "", 0, kHere); });
  if (has_fchmodat2 && !fault::is_old_kernel()) {
    return check(::syscall(SYS_fchmodat2, fd, "", mode, kHere), "fchmodat2");
  }
  if (::fchmod(fd, mode) == 0) return {};
  if (errno != EBADF) return last_error("fchmod");
  // Some filesystems would change the link's own mode by way of /proc.
  TRY_ASSIGN(const Attr attr, stat_fd(fd));
  if (S_ISLNK(attr.mode)) return Error(EOPNOTSUPP, "chmod");
  return check(::chmod(ProcFdPath(fd).c_str(), mode), "chmod");
}

Result<void> chown_at(int dir, const char* name, uid_t uid, gid_t gid) {
  TRY(fault::before_mutation("fchownat"));
  return check(::fchownat(dir, name, uid, gid,
                          AT_SYMLINK_NOFOLLOW | empty_path_flag(name)),
               "fchownat");
}

Result<void> chown_fd(int fd, uid_t uid, gid_t gid) {
  return chown_at(fd, "", uid, gid);
}

Result<void> utimens_fd(int fd, const timespec times[2]) {
  TRY(fault::before_mutation("utimensat"));
  if (!fault::is_old_kernel()) {
    if (::utimensat(fd, "", times, kHere) == 0) return {};
    // Before Linux 5.8 the flag is unknown.
    if (errno != EINVAL) return last_error("utimensat");
  }
  return check(::utimensat(AT_FDCWD, ProcFdPath(fd).c_str(), times, 0),
               "utimensat");
}

Result<unsigned> get_flags(int fd) {
  int flags = 0;  // the kernel writes an int, whatever the request's name says
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) {
    return last_error("FS_IOC_GETFLAGS");
  }
  return static_cast<unsigned>(flags);
}

Result<void> set_flags(int fd, unsigned flags) {
  TRY(fault::before_mutation("FS_IOC_SETFLAGS"));
  return check(::ioctl(fd, FS_IOC_SETFLAGS, &flags), "FS_IOC_SETFLAGS");
}

Result<fsxattr> get_fsxattr(int fd) {
  fsxattr value = {};
  if (::ioctl(fd, FS_IOC_FSGETXATTR, &value) < 0) {
    return last_error("FS_IOC_FSGETXATTR");
  }
  return value;
}

Result<void> set_fsxattr(int fd, const fsxattr& value) {
  TRY(fault::before_mutation("FS_IOC_FSSETXATTR"));
  return check(::ioctl(fd, FS_IOC_FSSETXATTR, &value), "FS_IOC_FSSETXATTR");
}

// --- The filesystem under it ---

Result<struct statvfs> stat_fs(int fd) {
  struct statvfs found;
  if (retry_interrupted([&] { return ::fstatvfs(fd, &found); }) < 0) {
    return last_error("fstatvfs");
  }
  return found;
}

Result<std::array<std::uint8_t, 16>> fs_uuid(int fd) {
  FsUuid found = {};
  if (with_readable(fd, [&](int readable) {
        return ::ioctl(readable, kGetFsUuid, &found);
      }) < 0) {
    return last_error("FS_IOC_GETFSUUID");
  }
  std::array<std::uint8_t, 16> uuid;
  if (found.length != uuid.size()) return Error(EOPNOTSUPP, "FS_IOC_GETFSUUID");
  std::ranges::copy(found.bytes, uuid.begin());
  return uuid;
}

// --- A name for it that survives renames ---

Result<FileHandle> file_handle(int dir, const char* name) {
  HandleBuffer buffer;
  FileHandle handle;
  if (::name_to_handle_at(dir, name, buffer.get(), &handle.mount_id,
                          empty_path_flag(name)) < 0) {
    return last_error("name_to_handle_at");
  }
  handle.type = buffer.get()->handle_type;
  handle.bytes.assign(reinterpret_cast<const char*>(buffer.get()->f_handle),
                      buffer.get()->handle_bytes);
  return handle;
}

Result<UniqueFd> open_handle(int mount_fd, const FileHandle& handle,
                             int flags) {
  if (handle.bytes.size() > MAX_HANDLE_SZ) {
    return Error(EINVAL, "open_by_handle_at");
  }
  HandleBuffer buffer;
  buffer.get()->handle_type = handle.type;
  buffer.get()->handle_bytes = static_cast<unsigned>(handle.bytes.size());
  std::ranges::copy(handle.bytes, buffer.get()->f_handle);
  const int fd = with_readable(mount_fd, [&](int readable) {
    return retry_interrupted([&] {
      return ::open_by_handle_at(readable, buffer.get(), flags | O_CLOEXEC);
    });
  });
  if (fd < 0) return last_error("open_by_handle_at");
  return UniqueFd(fd);
}

// --- Keeping others out ---

Result<void> lock_dir(int fd) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return {};
  return Error(errno == EWOULDBLOCK ? EBUSY : errno, "flock");
}

Result<void> share_dir(int fd) {
  if (::flock(fd, LOCK_SH | LOCK_NB) == 0) return {};
  return Error(errno == EWOULDBLOCK ? EBUSY : errno, "flock");
}

}  // namespace veneer::sys
