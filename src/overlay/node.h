// SPDX-License-Identifier: MIT
//
// A node: one object of the merged tree, as long as anyone refers to it.
//
// A node is an inode, not a path. It knows where its bytes are (an upper
// object, a lower one, or metadata above and data below) and keeps its number
// for life. Names are edges between nodes and live in the node table.
//
// Who keeps a node alive: lookup counts that the kernel holds, its children's
// edges, NodeRefs of running operations, and for a while the table itself, so
// that file handles and the next lookup find it. When none is left the table
// drops it (see node_table.h).
//
// Each field states its guard. Fields without one never change after the node
// is in the table.

#pragma once

#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "base/mutex.h"
#include "overlay/types.h"
#include "veneer/layer.h"

namespace veneer::overlay {

class Listing;
class Node;

/// An object of one layer's file system, for finding other names of it.
struct ObjectKey {
  std::uint64_t device;
  std::uint64_t inode;
  /// A lower file may have a name on the upper, too (cp -al makes such); what
  /// is done to one must not be looked for at the other.
  bool on_upper = false;
  friend bool operator==(const ObjectKey&, const ObjectKey&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const ObjectKey& key) {
    return H::combine(std::move(state), key.device, key.inode, key.on_upper);
  }
};

/// Which layer: 0 is the upper (there or not), 1 the topmost lower.
using LayerIndex = std::uint16_t;
inline constexpr LayerIndex kUpperLayer = 0;

/// A directory's part in one lower layer.
struct LowerPart {
  LayerIndex layer;
  LayerNodeRef node;
};

/// A name: `child` is called so in `parent`. Owned by the node table.
struct Edge {
  Node* parent;
  Node* child;
  Edge* next;  ///< the child's other names
  std::uint16_t length;

  Name name() const {
    return {reinterpret_cast<const char*>(this + 1), length};
  }
};

/// Another one in each process, unlike hash_name(): who chooses the names must
/// not be able to choose the hashes.
struct EdgeHash {
  using is_transparent = void;
  std::size_t operator()(Name name) const { return absl::HashOf(name); }
  std::size_t operator()(const Edge* edge) const {
    return absl::HashOf(edge->name());
  }
};
struct EdgeEqual {
  using is_transparent = void;
  static Name name_of(Name name) { return name; }
  static Name name_of(const Edge* edge) { return edge->name(); }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return name_of(a) == name_of(b);
  }
};

/// What only directories have.
struct Dir {
  /// Rank 2: this directory's names, on disk and in memory.
  Mutex mu{Rank::kDir};
  /// Merged below the upper, topmost first.
  std::vector<LowerPart> lowers;
  /// The merged listing while it is kept; GUARDED_BY(mu).
  std::weak_ptr<Listing> listing;
  /// GUARDED_BY(NodeTable::mu_).
  absl::flat_hash_set<Edge*, EdgeHash, EdgeEqual> children;
};

/// Bits of Node::flags.
enum NodeFlag : std::uint32_t {
  kMetacopyFlag = 1U << 0,  ///< on the upper, but its data are below
  kUnlinkedFlag = 1U << 1,  ///< has lost its last name
  kIndexedFlag = 1U << 2,   ///< its upper object is in the inode index
  kImmutableFlag = 1U << 3,
  kAppendFlag = 1U << 4,
  kNoXattrsFlag = 1U << 5,  ///< certain to have no xattr
  kDefaultAclFlag = 1U << 6,
  kSetIdFlag = 1U << 7,   ///< may have set-id bits that a write clears
  kImpureFlag = 1U << 8,  ///< upper directory may hold numbered objects
  kMergedFlag = 1U << 9,  ///< directory: more than one layer has a part
};

class Node {
 public:
  Node(mode_t mode, std::uint64_t ino) : number(ino), type(mode & S_IFMT) {
    if (S_ISDIR(mode)) dir = std::make_unique<Dir>();
  }
  ~Node() {
    if (LayerNode* node = upper_.load(std::memory_order_relaxed)) {
      node->drop_ref();
    }
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  bool is_dir() const { return type == S_IFDIR; }
  bool is_regular() const { return type == S_IFREG; }

  /// The upper object, null until copy-up. Set once; may be read freely.
  LayerNode* upper() const { return upper_.load(std::memory_order_acquire); }
  /// Requires copy_mu, or that nobody else knows the node yet.
  void set_upper(const LayerNodeRef& node) {
    node->add_ref();
    upper_.store(node.get(), std::memory_order_release);
  }

  bool has(std::uint32_t flag) const {
    return (flags_.load(std::memory_order_acquire) & flag) != 0;
  }
  void set(std::uint32_t flag, bool on = true) {
    if (on) {
      flags_.fetch_or(flag, std::memory_order_acq_rel);
    } else {
      flags_.fetch_and(~flag, std::memory_order_acq_rel);
    }
  }

  /// The data are on the upper, so a write may go there.
  bool data_is_upper() const {
    return upper() != nullptr && !has(kMetacopyFlag);
  }

  NodeId id{};
  const std::uint64_t number;  ///< st_ino
  const mode_t type;

  /// Non-directories: the topmost lower object, which gave the attributes
  /// before copy-up, and the one that has the data (the same but for
  /// metacopies). Null for what was born on the upper.
  LayerNodeRef lower;
  LayerNodeRef lower_data;
  LayerIndex lower_layer = 0;
  LayerIndex data_layer = 0;

  /// The redirect that the upper object carries, if it does. Changed with the
  /// topology held exclusively, or a file's with copy_mu.
  std::unique_ptr<std::string> redirect;

  /// Link count of an indexed node.
  std::atomic<std::uint32_t> nlink{0};

  /// Rank 3: single flight of copy-up, and of changes to xattrs.
  Mutex copy_mu{Rank::kCopy};
  std::unique_ptr<Dir> dir;

 private:
  friend class NodeTable;
  friend class NodeRef;

  std::atomic<LayerNode*> upper_{nullptr};
  std::atomic<std::uint32_t> flags_{0};
  std::atomic<std::uint32_t> refs_{0};
  // GUARDED_BY(NodeTable::mu_):
  Edge* edges_ = nullptr;
  std::uint64_t lookups_ = 0;
  bool lingers_ = false;
  std::unique_ptr<std::vector<ObjectKey>> keys_;
};

}  // namespace veneer::overlay
