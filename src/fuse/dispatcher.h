// SPDX-License-Identifier: MIT
//
// From the kernel's words to the merged tree's, one short method per message.
//
// A method decodes, calls the operation of the same name, and replies; what an
// operation means is in overlay/. It runs inside a guard: whatever it throws
// becomes ENOMEM or EIO, and a reply it forgets becomes EIO (fuse/reply.h).
// Rights have been checked by the kernel before (default_permissions).
//
// Reads and writes name a node, not a handle: OPEN and OPENDIR are answered
// once with "never ask", after which opening, closing and reading what is
// cached cost no message at all.
//
// Lookup counts: every entry that is sent gives the kernel one; FORGET brings
// them back. An entry that does not arrive is given back at once.
//
// Threads: every method from any thread.

#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "fuse/control.h"
#include "fuse/messages.h"
#include "fuse/reply.h"
#include "overlay/filesystem.h"

struct fuse_conn_info;
struct fuse_file_info;
struct fuse_forget_data;
struct fuse_lowlevel_ops;

namespace veneer::fuse {

struct DispatcherOptions {
  CacheOptions cache;
  /// FSYNC is answered once with "never ask": nothing is ever synced.
  bool never_syncs = false;
  /// The text that `veneer status` reads; none: it is told there is no such.
  std::function<std::string()> status;
  /// Called when the kernel has agreed to serve this mount.
  std::function<void()> on_ready;
};

class Dispatcher {
 public:
  /// `filesystem` outlives this object.
  Dispatcher(overlay::Filesystem& filesystem, DispatcherOptions options);

  /// The table for fuse_session_new(), whose user data is a Dispatcher.
  static fuse_lowlevel_ops operations();

  const MessageCounts& messages() const { return messages_; }
  const CachePolicy& cache() const { return context_.cache; }
  /// Whether a request has come by io_uring; asked for is not yet granted.
  bool uses_io_uring() const {
    return uses_io_uring_.load(std::memory_order_relaxed);
  }

 private:
  template <Message kMessage, auto kMethod>
  struct Handler;

  void init(fuse_conn_info& connection);

  // ops_name.cc: names to nodes, names come and go
  void lookup(Reply& reply, std::uint64_t dir, const char* name);
  void forget(Reply& reply, std::uint64_t id, std::uint64_t count);
  void forget_multi(Reply& reply, std::size_t count, fuse_forget_data* data);
  void mknod(Reply& reply, std::uint64_t dir, const char* name, mode_t mode,
             dev_t rdev);
  void mkdir(Reply& reply, std::uint64_t dir, const char* name, mode_t mode);
  void symlink(Reply& reply, const char* target, std::uint64_t dir,
               const char* name);
  void link(Reply& reply, std::uint64_t id, std::uint64_t dir,
            const char* name);
  void create(Reply& reply, std::uint64_t dir, const char* name, mode_t mode,
              fuse_file_info* info);
  void tmpfile(Reply& reply, std::uint64_t dir, mode_t mode,
               fuse_file_info* info);
  void unlink(Reply& reply, std::uint64_t dir, const char* name);
  void rmdir(Reply& reply, std::uint64_t dir, const char* name);
  void rename(Reply& reply, std::uint64_t dir, const char* name,
              std::uint64_t new_dir, const char* new_name, unsigned flags);

  // ops_attr.cc: attributes
  void getattr(Reply& reply, std::uint64_t id, fuse_file_info* info);
  void statx(Reply& reply, std::uint64_t id, int flags, int mask,
             fuse_file_info* info);
  void setattr(Reply& reply, std::uint64_t id, struct stat* value, int to_set,
               fuse_file_info* info);
  void clear_privileges(Reply& reply, std::uint64_t id);
  void readlink(Reply& reply, std::uint64_t id);
  void statfs(Reply& reply, std::uint64_t id);
  void setxattr(Reply& reply, std::uint64_t id, const char* name,
                const char* value, std::size_t size, int flags);
  void getxattr(Reply& reply, std::uint64_t id, const char* name,
                std::size_t room);
  void listxattr(Reply& reply, std::uint64_t id, std::size_t room);
  void removexattr(Reply& reply, std::uint64_t id, const char* name);

  // ops_data.cc: what is in files
  void open(Reply& reply, std::uint64_t id, fuse_file_info* info);
  void flush(Reply& reply, std::uint64_t id, fuse_file_info* info);
  void release(Reply& reply, std::uint64_t id, fuse_file_info* info);
  void read(Reply& reply, std::uint64_t id, std::size_t size, off_t offset,
            fuse_file_info* info);
  void write(Reply& reply, std::uint64_t id, const char* data, std::size_t size,
             off_t offset, fuse_file_info* info);
  void fsync(Reply& reply, std::uint64_t id, int data_only,
             fuse_file_info* info);
  void fallocate(Reply& reply, std::uint64_t id, int mode, off_t offset,
                 off_t length, fuse_file_info* info);
  void lseek(Reply& reply, std::uint64_t id, off_t offset, int whence,
             fuse_file_info* info);
  void copy_file_range(Reply& reply, std::uint64_t from, off_t from_offset,
                       fuse_file_info* from_info, std::uint64_t to,
                       off_t to_offset, fuse_file_info* to_info,
                       std::size_t size, int flags);

  // ops_dir.cc: listings
  void opendir(Reply& reply, std::uint64_t id, fuse_file_info* info);
  void readdir(Reply& reply, std::uint64_t id, std::size_t room, off_t cookie,
               fuse_file_info* info);
  void readdirplus(Reply& reply, std::uint64_t id, std::size_t room,
                   off_t cookie, fuse_file_info* info);

  // ops_ioctl.cc: chattr(1), and our own control channel
  void ioctl(Reply& reply, std::uint64_t id, unsigned command, void* argument,
             fuse_file_info* info, unsigned flags, const void* in,
             std::size_t in_size, std::size_t out_size);
  void answer_status(Reply& reply, std::uint64_t id, const void* in,
                     std::size_t in_size, std::size_t out_size);

  overlay::Filesystem& filesystem_;
  /// The node that lost its capabilities last; see clear_privileges().
  std::atomic<std::uint64_t> capability_removed_{0};
  const DispatcherOptions options_;
  ReplyContext context_;
  MessageCounts messages_;
  StatusPages status_pages_;
  std::atomic<bool> uses_io_uring_{false};
};

/// The kernel's number for a node, as the overlay has it.
inline overlay::NodeId node(std::uint64_t id) { return overlay::NodeId{id}; }

}  // namespace veneer::fuse
