// SPDX-License-Identifier: MIT
//
// Calls on attributes: mode, owner, times, extended attributes, ACLs.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "test/differential/executor.h"
#include "test/differential/random.h"

namespace veneer::testing::differential {
namespace {

void put_le(std::string& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out += static_cast<char>(value >> (8 * i) & 0xff);
  }
}

// linux/posix_acl_xattr.h: version, then {tag, permissions, id} in tag order.
std::string acl_of(std::uint64_t seed) {
  constexpr std::uint32_t kVersion = 2;
  constexpr std::uint32_t kNoId = 0xffffffff;
  const auto bits = [seed](unsigned i) {
    return static_cast<std::uint32_t>(mix(seed + i) & 7);
  };
  std::string acl;
  const auto entry = [&acl](std::uint32_t tag, std::uint32_t perm,
                            std::uint32_t id) {
    put_le(acl, tag, 2);
    put_le(acl, perm, 2);
    put_le(acl, id, 4);
  };
  put_le(acl, kVersion, 4);
  entry(0x01, bits(0) | 4, kNoId);  // owner
  if (seed % 3 != 0) entry(0x02, bits(1), 1000);
  entry(0x04, bits(2), kNoId);  // owning group
  if (seed % 3 == 2) entry(0x08, bits(3), 1001);
  if (seed % 3 != 0) entry(0x10, bits(4), kNoId);  // mask
  entry(0x20, bits(5), kNoId);                     // others
  if (seed % 16 == 15) acl.pop_back();             // not an ACL at all
  return acl;
}

// VFS_CAP_REVISION_2 with cap_net_raw, as setcap(8) writes it.
std::string capability() {
  std::string value;
  put_le(value, 0x02000001, 4);
  put_le(value, 0x00002000, 4);
  for (int i = 0; i < 3; ++i) put_le(value, 0, 4);
  return value;
}

std::string value_of(const Op& op) {
  const auto seed = static_cast<std::uint64_t>(op.seed);
  if (op.kind == OpKind::kSetacl) return acl_of(seed);
  if (op.name == "security.capability") return capability();
  if (op.name == "trusted.overlay.opaque") return "y";
  return pattern(seed, static_cast<std::size_t>(op.len));
}

std::string sorted_names(const std::string& list) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < list.size();) {
    names.emplace_back(list.c_str() + at);
    at += names.back().size() + 1;
  }
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += " " + name;
  return text;
}

}  // namespace

std::optional<StatView> view_of(int dirfd, const char* path, bool follow) {
  struct statx raw{};
  const int flags =
      (follow ? 0 : AT_SYMLINK_NOFOLLOW) | (*path == '\0' ? AT_EMPTY_PATH : 0);
  if (statx(dirfd, path, flags, STATX_BASIC_STATS, &raw) != 0) {
    return std::nullopt;
  }
  return StatView{.mode = raw.stx_mode,
                  .uid = raw.stx_uid,
                  .gid = raw.stx_gid,
                  .nlink = raw.stx_nlink,
                  .size = raw.stx_size,
                  .ino = raw.stx_ino,
                  .rdev = makedev(raw.stx_rdev_major, raw.stx_rdev_minor),
                  .dev = makedev(raw.stx_dev_major, raw.stx_dev_minor),
                  .mtime = raw.stx_mtime.tv_sec,
                  .mtime_ns = raw.stx_mtime.tv_nsec,
                  .atime = raw.stx_atime.tv_sec,
                  .atime_ns = raw.stx_atime.tv_nsec};
}

Outcome Executor::chmod(const Op& op) {
  const auto mode = static_cast<mode_t>(op.mode);
  if (op.fd != kNone) return outcome(fchmod(slot(op.fd), mode));
  return outcome(fchmodat(dir_of(op.at), op.path.c_str(), mode, 0));
}

Outcome Executor::chown(const Op& op) {
  const auto uid = static_cast<uid_t>(op.uid);
  const auto gid = static_cast<gid_t>(op.gid);
  if (op.fd != kNone) return outcome(fchown(slot(op.fd), uid, gid));
  return outcome(fchownat(dir_of(op.at), op.path.c_str(), uid, gid,
                          static_cast<int>(op.flags)));
}

Outcome Executor::utimens(const Op& op) {
  const timespec times[2] = {{op.atime, op.atime_ns}, {op.mtime, op.mtime_ns}};
  const bool by_fd = op.fd != kNone;
  const int dir = by_fd ? slot(op.fd) : dir_of(op.at);
  const char* path = op.path.c_str();
  const int done = by_fd ? futimens(dir, times)
                         : utimensat(dir, path, times, AT_SYMLINK_NOFOLLOW);
  Outcome out = outcome(done);
  if (done == 0) {
    out.stat = view_of(dir, by_fd ? "" : path, false);
    out.times_matter = op.atime_ns < 1000000000 && op.mtime_ns < 1000000000;
  }
  return out;
}

Outcome Executor::stat(const Op& op) {
  const bool by_fd = op.fd != kNone;
  Outcome out;
  out.stat = by_fd ? view_of(slot(op.fd), "", true)
                   : view_of(dir_of(op.at), op.path.c_str(), op.flags != 0);
  if (!out.stat) return outcome(-1);
  return out;
}

Outcome Executor::statfs(const Op&) {
  struct statfs status{};
  Outcome out = outcome(::statfs(".", &status));
  out.detail = "namelen=" + std::to_string(status.f_namelen);
  return out;
}

// chattr(1): changes the flags asked for, and tells all of them after.
Outcome Executor::setflags(const Op& op) {
  const int fd = slot(op.fd);
  int flags = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return outcome(-1);
  flags ^= static_cast<int>(op.flags);
  if (ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0) return outcome(-1);
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return outcome(-1);
  return {.detail = std::to_string(flags)};
}

Outcome Executor::xattr(const Op& op) {
  const bool by_fd = op.fd != kNone;
  const int fd = slot(op.fd);
  // The l-forms know no directory descriptor.
  if (!by_fd && op.at != kNone && fchdir(dir_of(op.at)) != 0) {
    return outcome(-1);
  }
  const char* path = op.path.c_str();
  const char* name = op.name.c_str();
  const auto flags = static_cast<int>(op.flags);
  if (op.kind == OpKind::kRemovexattr) {
    return outcome(by_fd ? fremovexattr(fd, name) : lremovexattr(path, name));
  }
  if (op.kind == OpKind::kSetxattr || op.kind == OpKind::kSetacl) {
    const std::string value = value_of(op);
    return outcome(
        by_fd ? fsetxattr(fd, name, value.data(), value.size(), flags)
              : lsetxattr(path, name, value.data(), value.size(), flags));
  }
  std::string buffer(static_cast<std::size_t>(op.len), '\0');
  char* data = buffer.empty() ? nullptr : buffer.data();
  const bool list = op.kind == OpKind::kListxattr;
  const ssize_t size =
      list ? (by_fd ? flistxattr(fd, data, buffer.size())
                    : llistxattr(path, data, buffer.size()))
           : (by_fd ? fgetxattr(fd, name, data, buffer.size())
                    : lgetxattr(path, name, data, buffer.size()));
  Outcome out = outcome(size);
  if (size >= 0 && data != nullptr) {
    buffer.resize(static_cast<std::size_t>(size));
    out.detail = list ? sorted_names(buffer) : escape(buffer);
  }
  return out;
}

}  // namespace veneer::testing::differential
