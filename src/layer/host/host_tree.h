// SPDX-License-Identifier: MIT
//
// Reaching the objects of a directory on this machine by descriptor.
//
// A HostNode knows its parent and its name and holds no descriptor. What is
// asked of it is asked relative to its parent's directory descriptor; those
// are kept in a bounded cache, and a chain that is not cached is opened in one
// openat2 from the nearest one that is. Nothing here follows a symbolic link
// or leaves the root.
//
// In a layer that changes (the upper) a name may lead elsewhere by the time it
// is used. So there each answer is checked against the inode number that the
// node was made with; a mismatch is tried once more with moves() held, under
// which no name changes. A node that loses its last name is pinned: it keeps
// one descriptor, and is reached by that.
//
// Locks: moves() is held exclusively around a change of names and the
// relocate() that follows it. It is a leaf, and the one leaf that is held over
// a system call: nothing else is taken under it but names_mu_.

#pragma once

#include <memory>
#include <string>

#include "base/lru_map.h"
#include "base/mutex.h"
#include "sys/fd.h"
#include "veneer/layer.h"

namespace veneer::layer {

class HostNode;
using HostNodeRef = Ref<HostNode>;

class HostNode : public LayerNode {
 public:
  HostNode(HostNodeRef parent, std::string name, const Attr& attr)
      : dev_(attr.dev),
        ino_(attr.ino),
        parent_(std::move(parent)),
        name_(std::move(name)) {}
  /// A chain of ancestors of any length goes without recursion.
  ~HostNode() override;

  /// Directory: may hold xattr whiteouts (its `opaque` is "x").
  std::atomic<bool> xattr_whiteouts{false};
  /// Directory: has been listed, and holds no `.wh.` marker.
  std::atomic<bool> no_markers{false};

 private:
  friend class HostTree;
  // Guarded by HostTree::names_mu_:
  std::uint64_t dev_;
  std::uint64_t ino_;
  HostNodeRef parent_;
  std::string name_;
  sys::SharedFd pinned_;
};

class HostTree {
 public:
  /// `root`: an O_PATH descriptor. `changes`: names may move, so check.
  HostTree(sys::UniqueFd root, const Attr& attr, bool changes,
           std::size_t cached_dirs);

  const HostNodeRef& root() const { return root_; }
  int root_fd() const { return root_fd_->get(); }

  /// The directory itself, O_PATH, from the cache where possible.
  Result<sys::SharedFd> dir_fd(const HostNode& dir);
  /// The object, opened with `flags`. With O_PATH anything may be opened.
  Result<sys::UniqueFd> open(const HostNode& node, int flags);
  Result<Attr> stat(const HostNode& node);
  std::string path_of(const HostNode& node) const;

  /// Held exclusively while names change.
  Mutex& moves() { return moves_; }
  void relocate(HostNode& node, HostNodeRef parent, Name name);
  bool is_at(const HostNode& node, const HostNode& parent, Name name) const;
  /// The node now stands for another inode at the same place.
  void replace(HostNode& node, const Attr& attr);
  void pin(HostNode& node, sys::SharedFd fd);
  bool is_pinned(const HostNode& node) const;

 private:
  struct Location {
    HostNodeRef parent;
    std::string name;
    sys::SharedFd pinned;
    std::uint64_t dev, ino;
  };
  Location locate(const HostNode& node) const;
  bool matches(const Location& location, const Attr& attr) const;
  template <typename T, typename Ask>
  Result<T> ask(const HostNode& node, const Ask& once);
  sys::SharedFd known_dir(const HostNode& dir);
  Result<sys::SharedFd> dir_fd_once(const HostNode& dir);
  Result<sys::SharedFd> open_below(int parent, const HostNode& dir);
  Result<sys::UniqueFd> open_once(const Location& at, int flags);
  Result<Attr> stat_once(const Location& at);

  const sys::SharedFd root_fd_;
  const HostNodeRef root_;
  const bool changes_;
  Mutex moves_{Rank::kHandles};
  mutable Mutex names_mu_{Rank::kLeaf};
  Mutex cache_mu_{Rank::kLeaf};
  // The reference keeps the key from being reused.
  LruMap<const HostNode*, std::pair<Ref<const HostNode>, sys::SharedFd>> cache_
      GUARDED_BY(cache_mu_);
};

}  // namespace veneer::layer
