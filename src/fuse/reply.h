// SPDX-License-Identifier: MIT
//
// The answer to one request.
//
// A request that is never answered blocks its caller for ever; one answered
// twice ends the connection. A Reply therefore owns its request: the first
// answer sends it, later ones are ignored, and a Reply dropped without an
// answer says EIO and logs it.
//
// This is the one place where an Error becomes the errno a program sees. One
// errno means something else to the kernel: ENOSYS says "this mount will never
// do that", for the whole mount, so only never() sends it and the ENOSYS of a
// layer below is sent as EOPNOTSUPP.
//
// An entry that is sent carries a lookup count to the kernel. If it does not
// arrive (the caller was killed meanwhile), the count is given back here.
//
// Threads: a Reply belongs to one thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "fuse/cache_policy.h"
#include "overlay/filesystem.h"
#include "overlay/types.h"
#include "veneer/attr.h"
#include "veneer/result.h"

struct fuse_entry_param;
struct fuse_file_info;
struct fuse_req;
struct stat;
struct statvfs;

namespace veneer::fuse {

using overlay::Entry;

/// The errno to be sent for `error`: between 1 and 511, never ENOSYS.
int errno_of(const Error& error);

/// What stat(2) is to show.
struct stat to_stat(const Attr& attr);

/// What all replies of a mount have in common. It outlives them.
struct ReplyContext {
  overlay::Filesystem& filesystem;
  CachePolicy cache;
  /// Told apart from the ids of an earlier mount by file handles.
  std::uint32_t generation = 0;

  fuse_entry_param to_entry_param(const Entry& entry) const;
};

class Reply {
 public:
  /// Takes over `request`.
  Reply(fuse_req* request, ReplyContext& context)
      : request_(request), context_(context) {}
  ~Reply();
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  /// Who asks. Requires that no answer was sent yet, as everything here.
  overlay::Caller caller() const;
  /// Whether the caller is in group `gid`, or root.
  bool caller_is_in_group(gid_t gid) const;
  bool came_by_io_uring() const;
  fuse_req* request() const { return request_; }
  bool is_sent() const { return request_ == nullptr; }

  void error(int code);
  void error(const Error& failure) { error(errno_of(failure)); }
  /// The kernel shall never ask this again, and manage by itself.
  void never();

  /// Success, or the error.
  void done(const Result<void>& result);
  /// FORGET has no answer.
  void none();

  void entry(const Result<Entry>& result);
  /// No such name, to be remembered as such.
  void no_entry();
  void created(const Result<Entry>& result, fuse_file_info& info);
  void opened(const fuse_file_info& info);

  void attr(const Result<Attr>& result);
  /// Attributes that are about to change: the kernel is to ask again.
  void attr_for_now(const Result<Attr>& result);
  void statx(const Result<Attr>& result);
  void statfs(const Result<void>& result, struct statvfs& value);
  void link_target(const Result<std::string>& result);

  void written(const Result<std::size_t>& result);
  void offset(const Result<std::uint64_t>& result);
  /// True if the bytes have reached the kernel.
  bool bytes(std::span<const std::byte> data);

  /// A value asked for with room for `room` bytes; none: only its size.
  void sized_value(std::string_view value, std::size_t room);
  void ioctl(int result, std::span<const std::byte> data = {});

 private:
  fuse_req* take();

  fuse_req* request_;
  ReplyContext& context_;
};

}  // namespace veneer::fuse
