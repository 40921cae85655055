// SPDX-License-Identifier: MIT
//
// What the sources have in common: from what was found of an object to a node
// of the tree, and from a file's bytes to its digest and the store.
//
// Threads: an Intake is thread-safe; a ContentReader is of one thread.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "base/verity_digest.h"
#include "composefs/source.h"
#include "composefs/tree.h"
#include "veneer/attr.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// An object of a source.
struct Found {
  std::string name;
  NodeAttributes attributes;
  std::string text;  ///< inline content, or a symbolic link's target
  std::optional<Digest256> digest;
  std::vector<std::pair<std::string, std::string>> xattrs;
  /// Which file it is, if it has other names.
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
};

/// What the image keeps of `attr`.
NodeAttributes attributes_of(const Attr& attr, const SourceOptions& options);

/// Whether the options want the xattr.
bool wants_xattr(std::string_view name, const SourceOptions& options);

/// Gives a node its content, target and xattrs.
/// Fails  ERANGE        the xattrs are too large
///        ENAMETOOLONG  the target is
Result<void> fill_node(Tree& tree, NodeIndex node, const Found& found);
Result<void> set_node_xattrs(Tree& tree, NodeIndex node, const Found& found);

class Intake {
 public:
  explicit Intake(const SourceOptions& options)
      : options_(options), tree_(std::make_unique<Tree>()) {}

  const SourceOptions& options() const { return options_; }

  /// Adds objects below `parent`; the first of all is the root. Returns their
  /// nodes.
  /// Fails  ERANGE        an object's xattrs are too large
  ///        ENAMETOOLONG  a symbolic link's target is
  ///        ECANCELED
  Result<std::vector<NodeIndex>> add(NodeIndex parent,
                                     std::span<const Found> found);

  /// What errors call the entry `name` of `dir`.
  std::string path(NodeIndex dir, std::string_view name);

  /// The tree, finished. `name` is what errors call the source.
  Result<TreePtr> finish(const std::string& name);

 private:
  struct Alias {
    std::uint64_t dev = 0;
    std::uint64_t ino = 0;
    NodeIndex node = kNoNode;
    std::string path;
  };

  Result<NodeIndex> add_one(NodeIndex parent, const Found& found)
      REQUIRES(mutex_);
  void link_aliases() REQUIRES(mutex_);
  std::string path_locked(NodeIndex dir, std::string_view name) const
      REQUIRES(mutex_);

  const SourceOptions& options_;
  Mutex mutex_{Rank::kLeaf};
  TreePtr tree_ GUARDED_BY(mutex_);
  std::vector<Alias> aliases_ GUARDED_BY(mutex_);
};

/// Where a file's bytes are: in memory, or `size` bytes of `fd`.
struct Content {
  int fd = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::optional<std::span<const std::byte>> bytes;
};

class ContentReader {
 public:
  explicit ContentReader(const SourceOptions& options) : options_(options) {}

  /// Sets text or digest of `found`, and fills the store. What has no bytes
  /// gets neither.
  /// Fails  EAGAIN  it is not as long as `content` says
  Result<void> read(const Content& content, Found& found);

 private:
  Result<Digest256> hash(const Content& content, ObjectContent& object);

  const SourceOptions& options_;
  VerityHasher hasher_;
  std::vector<std::byte> buffer_;
};

}  // namespace veneer::composefs
