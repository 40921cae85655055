// SPDX-License-Identifier: MIT
//
// The tree that goes into an image, or came out of one: what a dump says, in
// memory.
//
// It is built by adding objects, each below a directory that was added before,
// and closed by finish(), which sorts the directories and finds out what the
// hard links lead to. From then on it does not change. A million files take
// some 150 bytes each: a record of 64, the name, and the digest; whatever files
// have in common (xattrs, digests) is kept once.
//
// Content is either in the tree (inline, up to kMaxInlineContent) or outside,
// with a payload that says where and a digest that says what.
//
// Threads: thread-compatible; immutable after finish().

#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "composefs/arena.h"
#include "composefs/interned.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// An object of a tree. The root is 0; others follow as they were added.
using NodeIndex = std::uint32_t;
inline constexpr NodeIndex kRootNode = 0;
inline constexpr NodeIndex kNoNode = 0xffffffff;

/// A set of xattrs; 0 is the empty one.
using XattrSetId = std::uint32_t;

/// How a regular file's content is named in the store.
enum class PayloadKind : std::uint8_t {
  kNone,
  kDigest,  ///< xx/yyyy, where xxyyyy are the 64 digits of a digest
  kText,    ///< another path
};

struct TreeNode {
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtime_nsec = 0;
  Arena::Ref name = 0;
  NodeIndex parent = kRootNode;
  std::uint32_t nlink = 1;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t rdev = 0;  ///< as an inode of the image has it
  XattrSetId xattrs = 0;
  /// Directory: the first of its children. Regular file: its content, or with
  /// a size and without content its digest's number. Symbolic link: the target.
  /// Hard link: the node; before finish() maybe the path.
  std::uint32_t data = 0;
  /// Directory: how many children. Regular file: the payload's number.
  std::uint32_t payload = 0;
  std::uint16_t mode = 0;  ///< type and permissions
  PayloadKind payload_kind = PayloadKind::kNone;
  bool is_inline : 1 = false;     ///< `data` is content
  bool is_link : 1 = false;       ///< another name of what `data` says
  bool is_path_link : 1 = false;  ///< `data` is still a path

  bool is_dropped() const { return mode == 0; }
  bool is_dir() const { return !is_link && S_ISDIR(mode); }
  bool is_regular() const { return !is_link && S_ISREG(mode); }
  bool is_symlink() const { return !is_link && S_ISLNK(mode); }
  bool is_device() const {
    return !is_link && (S_ISCHR(mode) || S_ISBLK(mode));
  }
  bool is_whiteout() const { return !is_link && S_ISCHR(mode) && rdev == 0; }
  /// A regular file whose content is outside.
  bool is_external() const { return is_regular() && size > 0 && !is_inline; }
};
static_assert(sizeof(TreeNode) == 64);

/// What is known of an object beside its place and content.
struct NodeAttributes {
  std::uint32_t mode = 0;
  std::uint32_t nlink = 1;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t rdev = 0;
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtime_nsec = 0;
};

struct TreeXattr {
  std::string_view name;
  std::string_view value;
};

/// What finish() does not accept, and where.
struct TreeFault {
  NodeIndex node = kRootNode;
  std::string what;
};

class Tree {
 public:
  Tree() : xattrs_(arena_), xattr_sets_(arena_), texts_(arena_) {}
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // --- Building ---
  // Fails  EFBIG  there are more objects or strings than a tree can hold

  /// The first node is the root: its parent and name mean nothing.
  Result<NodeIndex> add(NodeIndex parent, std::string_view name,
                        const NodeAttributes& attributes);
  /// Requires a regular file or a symbolic link. Sets the size as well.
  Result<void> set_content(NodeIndex node, std::string_view content);
  Result<void> set_target(NodeIndex node, std::string_view target);
  /// Where a regular file's content is; "" is nowhere.
  Result<void> set_payload(NodeIndex node, std::string_view payload);
  /// The digest, and with `as_payload` the payload too.
  void set_digest(NodeIndex node, const Digest256& digest, bool as_payload);
  /// Requires distinct names, none longer than 255.
  Result<void> set_xattrs(NodeIndex node, std::span<const TreeXattr> xattrs);
  /// Makes `node` another name of `target`, or of what `path` leads to.
  void set_link(NodeIndex node, NodeIndex target);
  Result<void> set_link(NodeIndex node, std::string_view path);
  TreeNode& edit(NodeIndex node) { return nodes_[node]; }
  /// Takes an object out again, and what is below it. Requires that no link
  /// leads to it.
  void drop(NodeIndex node);

  /// Sorts directories and resolves links. Names that stand twice in a
  /// directory, and links that lead nowhere, in circles, or to a directory, are
  /// faults; the tree is then good for nothing.
  std::optional<TreeFault> finish();

  // --- Looking ---

  std::uint32_t size() const {
    return static_cast<std::uint32_t>(nodes_.size());
  }
  const TreeNode& node(NodeIndex node) const { return nodes_[node]; }
  std::string_view name(const TreeNode& node) const {
    return arena_.get(node.name);
  }
  /// "/", "/etc/motd"
  std::string path(NodeIndex node) const;
  /// Sorted by name. Requires a directory, and finish().
  std::span<const NodeIndex> children(const TreeNode& dir) const {
    return std::span(children_).subspan(dir.data, dir.payload);
  }
  std::optional<NodeIndex> find(NodeIndex dir, std::string_view name) const;
  /// What a hard link leads to, another node itself.
  NodeIndex target(NodeIndex node) const {
    return nodes_[node].is_link ? nodes_[node].data : node;
  }

  /// Inline content, or a symbolic link's target.
  std::string_view text(const TreeNode& node) const {
    return arena_.get(node.data);
  }
  /// Of an external file, if there is one.
  const Digest256* digest(const TreeNode& node) const {
    return node.is_external() && node.data != 0 ? &digests_.get(node.data)
                                                : nullptr;
  }
  /// Of an external file; "" where there is none.
  std::string payload(const TreeNode& node) const;

  /// In the order they were set.
  template <typename Sink>
  void for_each_xattr(XattrSetId set, Sink&& sink) const {
    if (set == 0) return;
    const std::string_view ids = xattr_sets_.get(set);
    for (std::size_t at = 0; at < ids.size(); at += sizeof(std::uint32_t)) {
      std::uint32_t id;
      std::memcpy(&id, ids.data() + at, sizeof(id));
      sink(xattr(id));
    }
  }

  // Numbers of what is kept once, from 1 on.
  const InternedDigests& digests() const { return digests_; }
  std::uint32_t text_count() const { return texts_.size(); }
  std::string_view payload_text(std::uint32_t id) const {
    return texts_.get(id);
  }

 private:
  TreeXattr xattr(std::uint32_t id) const;
  void group_children();
  std::optional<TreeFault> sort_children();
  std::optional<TreeFault> resolve_links();
  std::optional<std::string> resolve_link(NodeIndex link);
  std::optional<NodeIndex> walk(std::string_view path) const;

  Arena arena_;
  ChunkedVector<TreeNode> nodes_;
  InternedStrings xattrs_;      // the name's length, the name, the value
  InternedStrings xattr_sets_;  // numbers of xattrs
  InternedStrings texts_;       // payloads
  InternedDigests digests_;
  std::vector<NodeIndex> children_;
};

using TreePtr = std::unique_ptr<Tree>;

/// "5a/5a5a...", the place of an object in a store.
std::string object_name(const Digest256& digest);
/// The digest that `path` was made of, if it was.
std::optional<Digest256> digest_from_object_name(std::string_view path);

}  // namespace veneer::composefs
