// SPDX-License-Identifier: MIT

#include "fuse/reply.h"

#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/log.h"
#include "fuse/libfuse.h"

namespace veneer::fuse {

namespace {

// Codes from here on are the kernel's own, never a program's.
constexpr int kFirstInternalErrno = 512;

#ifdef VENEER_FUSE_HAS_STATX
statx_timestamp to_statx_time(const timespec& time) {
  statx_timestamp out{};
  out.tv_sec = time.tv_sec;
  out.tv_nsec = static_cast<std::uint32_t>(time.tv_nsec);
  return out;
}

struct statx to_statx(const Attr& attr) {
  struct statx out{};
  out.stx_mask = STATX_BASIC_STATS;
  out.stx_blksize = attr.blksize;
  out.stx_nlink = attr.nlink;
  out.stx_uid = attr.uid;
  out.stx_gid = attr.gid;
  out.stx_mode = static_cast<std::uint16_t>(attr.mode);
  out.stx_ino = attr.ino;
  out.stx_size = attr.size;
  out.stx_blocks = attr.blocks;
  out.stx_rdev_major = major(attr.rdev);
  out.stx_rdev_minor = minor(attr.rdev);
  out.stx_atime = to_statx_time(attr.atime);
  out.stx_mtime = to_statx_time(attr.mtime);
  out.stx_ctime = to_statx_time(attr.ctime);
  if (attr.has_btime) {
    out.stx_mask |= STATX_BTIME;
    out.stx_btime = to_statx_time(attr.btime);
  }
  return out;
}
#endif

}  // namespace

int errno_of(const Error& error) {
  const int code = error.code();
  if (code == ENOSYS) return EOPNOTSUPP;
  return code > 0 && code < kFirstInternalErrno ? code : EIO;
}

struct stat to_stat(const Attr& attr) {
  struct stat out{};
  out.st_ino = attr.ino;
  out.st_mode = attr.mode;
  out.st_nlink = attr.nlink;
  out.st_uid = attr.uid;
  out.st_gid = attr.gid;
  out.st_rdev = attr.rdev;
  out.st_size = static_cast<off_t>(attr.size);
  out.st_blocks = static_cast<blkcnt_t>(attr.blocks);
  out.st_blksize = static_cast<blksize_t>(attr.blksize);
  out.st_atim = attr.atime;
  out.st_mtim = attr.mtime;
  out.st_ctim = attr.ctime;
  return out;
}

fuse_entry_param ReplyContext::to_entry_param(const Entry& entry) const {
  fuse_entry_param out{};
  out.ino = raw(entry.id);
  // The kernel makes the root itself, with generation 0.
  out.generation = entry.id == overlay::kRootId ? 0 : generation;
  out.attr = to_stat(entry.attr);
  out.attr_timeout = cache.attr_timeout();
  out.entry_timeout = cache.entry_timeout();
  return out;
}

Reply::~Reply() {
  if (is_sent()) return;
  log_error("a request was dropped without an answer");
  error(EIO);
}

fuse_req* Reply::take() { return std::exchange(request_, nullptr); }

overlay::Caller Reply::caller() const {
  const fuse_ctx* context = fuse_req_ctx(request_);
  return {.uid = context->uid,
          .gid = context->gid,
          .pid = context->pid,
          .umask = context->umask,
          .in_group = [this](gid_t gid) { return caller_is_in_group(gid); }};
}

bool Reply::caller_is_in_group(gid_t gid) const {
  const fuse_ctx* context = fuse_req_ctx(request_);
  if (context->uid == 0 || context->gid == gid) return true;

  std::vector<gid_t> groups(64);
  int count = fuse_req_getgroups(request_, static_cast<int>(groups.size()),
                                 groups.data());
  if (count > static_cast<int>(groups.size())) {
    groups.resize(static_cast<std::size_t>(count));
    count = fuse_req_getgroups(request_, count, groups.data());
  }
  const auto known = std::clamp<std::size_t>(
      static_cast<std::size_t>(std::max(count, 0)), 0, groups.size());
  const auto end = groups.begin() + static_cast<std::ptrdiff_t>(known);
  return std::find(groups.begin(), end, gid) != end;
}

bool Reply::came_by_io_uring() const {
#ifdef VENEER_FUSE_HAS_IO_URING
  return fuse_req_is_uring(request_);
#else
  return false;
#endif
}

void Reply::error(int code) {
  if (!is_sent()) fuse_reply_err(take(), code);
}

void Reply::never() { error(ENOSYS); }

void Reply::done(const Result<void>& result) {
  if (!result) return error(result.error());
  error(0);
}

void Reply::none() {
  if (!is_sent()) fuse_reply_none(take());
}

void Reply::entry(const Result<Entry>& result) {
  if (!result) return error(result.error());
  if (is_sent()) return;
  const fuse_entry_param param = context_.to_entry_param(*result);
  if (fuse_reply_entry(take(), &param) != 0) {
    context_.filesystem.forget(result->id, 1);
  }
}

void Reply::no_entry() {
  if (is_sent()) return;
  if (context_.cache.negative_timeout() <= 0) return error(ENOENT);
  fuse_entry_param param{};
  param.entry_timeout = context_.cache.negative_timeout();
  fuse_reply_entry(take(), &param);
}

void Reply::created(const Result<Entry>& result, fuse_file_info& info) {
  if (!result) return error(result.error());
  if (is_sent()) return;
  const fuse_entry_param param = context_.to_entry_param(*result);
  info.fh = 0;
  info.keep_cache = 1;
  if (fuse_reply_create(take(), &param, &info) != 0) {
    context_.filesystem.forget(result->id, 1);
  }
}

void Reply::opened(const fuse_file_info& info) {
  if (!is_sent()) fuse_reply_open(take(), &info);
}

void Reply::attr(const Result<Attr>& result) {
  if (!result) return error(result.error());
  if (is_sent()) return;
  const struct stat value = to_stat(*result);
  fuse_reply_attr(take(), &value, context_.cache.attr_timeout());
}

void Reply::attr_for_now(const Result<Attr>& result) {
  if (!result) return error(result.error());
  if (is_sent()) return;
  const struct stat value = to_stat(*result);
  fuse_reply_attr(take(), &value, 0);
}

void Reply::statx(const Result<Attr>& result) {
#ifdef VENEER_FUSE_HAS_STATX
  if (!result) return error(result.error());
  if (is_sent()) return;
  struct statx value = to_statx(*result);
  fuse_reply_statx(take(), 0, &value, context_.cache.attr_timeout());
#else
  ignore_error(Result<Attr>(result));
  never();
#endif
}

void Reply::statfs(const Result<void>& result, struct statvfs& value) {
  if (!result) return error(result.error());
  if (!is_sent()) fuse_reply_statfs(take(), &value);
}

void Reply::link_target(const Result<std::string>& result) {
  if (!result) return error(result.error());
  if (!is_sent()) fuse_reply_readlink(take(), result->c_str());
}

void Reply::written(const Result<std::size_t>& result) {
  if (!result) return error(result.error());
  if (!is_sent()) fuse_reply_write(take(), *result);
}

void Reply::offset(const Result<std::uint64_t>& result) {
  if (!result) return error(result.error());
  if (!is_sent()) fuse_reply_lseek(take(), static_cast<off_t>(*result));
}

bool Reply::bytes(std::span<const std::byte> data) {
  if (is_sent()) return false;
  return fuse_reply_buf(take(), reinterpret_cast<const char*>(data.data()),
                        data.size()) == 0;
}

void Reply::sized_value(std::string_view value, std::size_t room) {
  if (is_sent()) return;
  if (room == 0) {
    fuse_reply_xattr(take(), value.size());
  } else if (value.size() > room) {
    error(ERANGE);
  } else {
    fuse_reply_buf(take(), value.data(), value.size());
  }
}

void Reply::ioctl(int result, std::span<const std::byte> data) {
  if (!is_sent()) fuse_reply_ioctl(take(), result, data.data(), data.size());
}

}  // namespace veneer::fuse
