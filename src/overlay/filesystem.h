// SPDX-License-Identifier: MIT
//
// The merged tree: every operation a local file system answers, over layers.
//
// This is the facade. An operation reads as: locks, look up, permit, act,
// remember; anything with a loop or a decision tree lives in a file of its own
// (merge, lookup, dir_listing, copy_up, inode_numbers, node_table). No FUSE
// word is used here and no path of this machine.
//
// Identity. A node is an inode, not a path: copy-up changes where its bytes
// live and nothing else. Reads and writes name a node, never an open handle, so
// whoever wrote last is seen by all. A node whose last name is gone stays
// readable and writable until the kernel forgets it.
//
// Locks, top to bottom (a thread may only go down):
//   1 topology_    shared by namespace operations and copy-up; exclusive for
//                  rename, so that no ancestor moves meanwhile
//   2 Dir::mu      one directory's names, on disk and in memory; parent first
//   3 copy_mu      single flight of a node's copy-up, and xattrs
//   4 NodeTable    memory only: ids, edges, lookup counts
// read, write to an already copied file and getattr take none of 1-3, but for
// writeback to a file with xattrs, which takes 3.
//
// Threads: every method from any thread. Errors: errno values as the system
// call of the same name would give.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "overlay/types.h"
#include "veneer/layer.h"
#include "veneer/result.h"

struct statvfs;
struct fsxattr;

namespace veneer::overlay {

class Node;
class NodeTable;
class InodeNumbers;
class DataCache;
class Core;

/// What was read: in the caller's room, or in memory that `source` keeps.
struct ReadBytes {
  std::span<const std::byte> bytes;
  FileData source;
};

/// One entry of a listing. `cookie` is what a later call continues after.
struct ListedEntry {
  Name name;
  std::uint64_t ino = 0;
  std::uint8_t type = 0;  ///< DT_*
  std::uint64_t cookie = 0;
};

class Filesystem {
 public:
  /// `lowers`: topmost first. No upper: everything that would write is EROFS.
  static Result<std::unique_ptr<Filesystem>> make(
      std::vector<std::unique_ptr<Layer>> lowers,
      std::unique_ptr<UpperLayer> upper, const Options& options);
  ~Filesystem();

  // -- names to nodes ------------------------------------------------------
  /// nullopt: no such name (a negative answer may be cached for ever).
  Result<std::optional<Entry>> lookup(NodeId dir, Name name);
  /// For file handles: "." (the node itself; ESTALE if it is gone) and "..".
  Result<Entry> lookup_self(NodeId id);
  Result<Entry> lookup_parent(NodeId dir);
  /// The kernel gives back `count` lookup counts.
  void forget(NodeId id, std::uint64_t count);

  // -- attributes ----------------------------------------------------------
  Result<Attr> get_attr(NodeId id);
  Result<Attr> set_attr(const Caller& caller, NodeId id,
                        const SetAttr& changes);
  Result<std::string> read_link(NodeId id);
  Result<void> stat_fs(struct statvfs& out);
  /// ENODATA as nullopt.
  Result<std::optional<std::string>> get_xattr(const Caller& caller, NodeId id,
                                               const std::string& name);
  Result<std::string> list_xattrs(const Caller& caller, NodeId id);
  Result<void> set_xattr(const Caller& caller, NodeId id,
                         const std::string& name, std::string_view value,
                         int flags);
  Result<void> remove_xattr(const Caller& caller, NodeId id,
                            const std::string& name);
  Result<unsigned> get_flags(NodeId id);
  Result<void> set_flags(const Caller& caller, NodeId id, unsigned flags);
  Result<void> get_fsxattr(NodeId id, fsxattr& out);
  Result<void> set_fsxattr(const Caller& caller, NodeId id,
                           const fsxattr& value);

  // -- names come and go ---------------------------------------------------
  /// mkdir, mknod (regular files too), symlink: by the type in `mode`.
  /// The caller's umask is applied here, or the directory's default ACL.
  Result<Entry> make(const Caller& caller, NodeId dir, Name name, mode_t mode,
                     dev_t rdev, std::string_view target);
  Result<Entry> make_unnamed(const Caller& caller, NodeId dir, mode_t mode);
  Result<Entry> link(const Caller& caller, NodeId id, NodeId dir, Name name);
  Result<void> unlink(const Caller& caller, NodeId dir, Name name);
  Result<void> remove_dir(const Caller& caller, NodeId dir, Name name);
  /// flags: RENAME_NOREPLACE, RENAME_EXCHANGE; others are EINVAL.
  Result<void> rename(const Caller& caller, NodeId dir, Name name,
                      NodeId new_dir, Name new_name, unsigned flags);

  // -- data ----------------------------------------------------------------
  /// As many bytes as `room` has, fewer only at the end of the file.
  Result<ReadBytes> read(NodeId id, std::uint64_t offset,
                         std::span<std::byte> room);
  /// Where the bytes of a regular file are now.
  Result<FileData> data(NodeId id);
  /// Bytes written. Clears set-id bits unless the caller is privileged, and
  /// capabilities unless it is writeback.
  Result<std::size_t> write(const Caller& caller, NodeId id,
                            std::uint64_t offset,
                            std::span<const std::byte> data,
                            WriteKind kind = WriteKind::kCall);
  Result<void> fallocate(const Caller& caller, NodeId id, int mode,
                         std::uint64_t offset, std::uint64_t length);
  Result<std::uint64_t> seek(NodeId id, std::uint64_t offset, int whence);
  Result<std::size_t> copy_file_range(const Caller& caller, NodeId from,
                                      std::uint64_t from_offset, NodeId to,
                                      std::uint64_t to_offset,
                                      std::size_t size);
  Result<void> fsync(NodeId id, bool data_only);

  // -- listings ------------------------------------------------------------
  /// Entries after `cookie` (0: from the start; "." and ".." come first) until
  /// `sink` returns false (that entry was not taken). Cookies are the same in
  /// every listing of the directory, for ever.
  Result<void> read_dir(NodeId dir, std::uint64_t cookie,
                        const std::function<bool(const ListedEntry&)>& sink);

  const Stats& stats() const;
  /// For status: the number of nodes in memory and of open descriptors cached.
  std::size_t nodes_in_memory() const;
  bool read_only() const;
  /// Before unmount: syncs the upper as the policy asks.
  Result<void> shut_down();

 private:
  explicit Filesystem(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace veneer::overlay
