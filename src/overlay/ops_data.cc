// SPDX-License-Identifier: MIT
//
// Data: read, write, fallocate, lseek, copy_file_range, fsync.
//
// Copy-up of data happens here, at the first write, not at open: opening for
// writing and writing nothing copies nothing. Rights were checked when the
// caller opened the file, so none are checked again.

#include <sys/stat.h>

#include "overlay/core.h"
#include "overlay/filesystem.h"
#include "sys/copy_data.h"
#include "sys/file.h"
#include "sys/file_data.h"
#include "sys/xattr.h"

namespace veneer::overlay {

// The file, ready to be written to by `caller`.
Result<FileData> Core::own_data(const Caller& caller, Node& node) {
  if (node.has(kImmutableFlag)) return Error(EPERM, "write");
  if (!node.data_is_upper()) {
    const SharedTopology hold(topology);
    TRY(ensure_upper(node, Need::kData, hold));
  }
  if (node.has(kSetIdFlag) && caller.uid != 0) {
    TRY(kill_set_ids(caller, node));
  }
  return data_for_write(node);
}

Result<void> Core::kill_set_ids(const Caller& caller, Node& node) {
  TRY_ASSIGN(const Attr attr, upper->get_attr(*node.upper()));
  const bool outsider = caller.is_outsider(attr.gid);
  // A group bit that gives no rights stays with a member of the group; the next
  // writer may be none.
  constexpr mode_t kBits = S_ISUID | S_ISGID | S_IXGRP;
  if ((attr.mode & kBits) == S_ISGID && !outsider) return {};
  TRY(upper->set_attr(*node.upper(),
                      SetAttr{.kill_suid = true, .outsider = outsider}));
  TRY_ASSIGN(const Attr left, upper->get_attr(*node.upper()));
  node.set(kSetIdFlag, (left.mode & (S_ISUID | S_ISGID)) != 0);
  return {};
}

// Pages, whenever the kernel gets round to them. Who changed them took no
// capability away, on no file system, yet that of the upper takes one at each
// write. copy_mu keeps those from coming back that were removed.
Result<std::size_t> Core::write_back(Node& node, const FileData& data,
                                     std::uint64_t offset,
                                     std::span<const std::byte> bytes,
                                     WriteKind kind) {
  const MutexLock lock(node.copy_mu);
  std::optional<std::string> capability;
  if (!node.has(kNoXattrsFlag)) {
    TRY_ASSIGN(capability, sys::get_xattr_fd(data.fd, kCapability));
  }
  std::optional<timespec> mtime;
  if (kind == WriteKind::kHeldBack) {
    TRY_ASSIGN(const Attr attr, sys::stat_fd(data.fd));
    mtime = attr.mtime;
  }
  TRY_ASSIGN(const std::size_t written,
             sys::pwrite_some(data.fd, bytes.data(), bytes.size(), offset));
  // Without the right to give it, it is lost, which is the safe side.
  if (capability) {
    ignore_error(sys::set_xattr_fd(data.fd, kCapability, *capability));
  }
  // The kernel tells a new time by itself, or has told it when the file was
  // made in the same tick.
  if (mtime) {
    const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, *mtime};
    ignore_error(sys::utimens_fd(data.fd, times));
  }
  return written;
}

Result<FileData> Filesystem::data(NodeId id) {
  TRY_ASSIGN(const NodeRef node, core_->get_file(id));
  return core_->data_for_read(*node);
}

Result<ReadBytes> Filesystem::read(NodeId id, std::uint64_t offset,
                                   std::span<std::byte> room) {
  ReadBytes read;
  TRY_ASSIGN(read.source, data(id));
  TRY_ASSIGN(read.bytes, sys::read_data(read.source, offset, room));
  core_->stats.bytes_read.fetch_add(read.bytes.size(),
                                    std::memory_order_relaxed);
  return read;
}

Result<std::size_t> Filesystem::write(const Caller& caller, NodeId id,
                                      std::uint64_t offset,
                                      std::span<const std::byte> bytes,
                                      WriteKind kind) {
  if (!core_->upper) return Error(EROFS, "write");
  TRY_ASSIGN(const NodeRef node, core_->get_file(id));
  TRY_ASSIGN(const FileData data, core_->own_data(caller, *node));
  if (node->has(kAppendFlag)) {
    TRY_ASSIGN(const Attr attr, sys::stat_fd(data.fd));
    if (offset < attr.size) return Error(EPERM, "write");
  }
  core_->stats.bytes_written.fetch_add(bytes.size(), std::memory_order_relaxed);
  if (kind == WriteKind::kHeldBack ||
      (kind == WriteKind::kMapping && !node->has(kNoXattrsFlag))) {
    return core_->write_back(*node, data, offset, bytes, kind);
  }
  return sys::pwrite_some(data.fd, bytes.data(), bytes.size(), offset);
}

Result<void> Filesystem::fallocate(const Caller& caller, NodeId id, int mode,
                                   std::uint64_t offset, std::uint64_t length) {
  if (!core_->upper) return Error(EROFS, "fallocate");
  TRY_ASSIGN(const NodeRef node, core_->get_file(id));
  if (node->has(kAppendFlag) && mode != 0) return Error(EPERM, "fallocate");
  TRY_ASSIGN(const FileData data, core_->own_data(caller, *node));
  return sys::fallocate_fd(data.fd, mode, offset, length);
}

Result<std::uint64_t> Filesystem::seek(NodeId id, std::uint64_t offset,
                                       int whence) {
  TRY_ASSIGN(const NodeRef node, core_->get_file(id));
  TRY_ASSIGN(const FileData data, core_->data_for_read(*node));
  if (data.fd < 0 || data.offset != 0 || data.length) {
    // No holes are known of: all is data up to the end.
    TRY_ASSIGN(const Attr attr, core_->attr_of(*node));
    if (offset >= attr.size) return Error(ENXIO, "lseek");
    return whence == SEEK_DATA ? offset : attr.size;
  }
  return sys::seek_fd(data.fd, static_cast<std::int64_t>(offset), whence);
}

Result<std::size_t> Filesystem::copy_file_range(
    const Caller& caller, NodeId from, std::uint64_t from_offset, NodeId to,
    std::uint64_t to_offset, std::size_t size) {
  if (!core_->upper) return Error(EROFS, "copy_file_range");
  TRY_ASSIGN(const NodeRef source, core_->get_file(from));
  TRY_ASSIGN(const NodeRef target, core_->get_file(to));
  if (target->has(kAppendFlag)) return Error(EPERM, "copy_file_range");
  TRY_ASSIGN(const FileData out, core_->own_data(caller, *target));
  TRY_ASSIGN(const FileData in, core_->data_for_read(*source));
  if (in.fd < 0 || in.length) return Error(EOPNOTSUPP, "copy_file_range");
  return sys::copy_file_range(in.fd, in.offset + from_offset, out.fd, to_offset,
                              size);
}

Result<void> Filesystem::fsync(NodeId id, bool data_only) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  if (core_->options.fsync == FsyncPolicy::kVolatile ||
      node->upper() == nullptr) {
    return {};
  }
  if (node->is_regular() && node->data_is_upper()) {
    TRY_ASSIGN(const FileData data, core_->data_for_read(*node));
    return data_only ? sys::fdatasync_fd(data.fd) : sys::fsync_fd(data.fd);
  }
  // A directory without a name has nothing left to keep.
  if (node->has(kUnlinkedFlag)) return {};
  return core_->upper->sync(*node->upper(), data_only);
}

}  // namespace veneer::overlay
