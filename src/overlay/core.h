// SPDX-License-Identifier: MIT
//
// What the operations share: the layers, the nodes, and the three things that
// are done again and again: find a name, list a directory, copy an object up.
//
// filesystem.h is the face of this; the operations are in ops_*.cc, what they
// share is here and in lookup.cc, dir_listing.cc and copy_up.cc.
//
// Locks: see filesystem.h. A function that needs a directory's mutex held says
// so by REQUIRES; one that needs the topology held takes a TopologyHold.

#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "overlay/data_cache.h"
#include "overlay/inode_numbers.h"
#include "overlay/listing.h"
#include "overlay/merge.h"
#include "overlay/node_table.h"
#include "overlay/types.h"

namespace veneer::overlay {

/// Proof that no ancestor is renamed meanwhile. Only the functions that take
/// the lock make one.
class TopologyHold {
 private:
  friend class SharedTopology;
  friend class ExclusiveTopology;
  TopologyHold() = default;
};

class SCOPED_CAPABILITY SharedTopology : public TopologyHold {
 public:
  explicit SharedTopology(Mutex& mu) ACQUIRE_SHARED(mu) : lock_(mu) {}
  // NOLINTNEXTLINE(modernize-use-equals-default): it is there to be annotated.
  ~SharedTopology() RELEASE_GENERIC() {}

 private:
  ReaderLock lock_;
};

class SCOPED_CAPABILITY ExclusiveTopology : public TopologyHold {
 public:
  explicit ExclusiveTopology(Mutex& mu) ACQUIRE(mu) : lock_(mu) {}
  // NOLINTNEXTLINE(modernize-use-equals-default): it is there to be annotated.
  ~ExclusiveTopology() RELEASE() {}

 private:
  WriterLock lock_;
};

/// What a write takes away, writeback excepted.
inline constexpr const char* kCapability = "security.capability";

/// How much of an object the coming operation must own.
enum class Need : std::uint8_t {
  kMetadata,  ///< chmod, rename, link: the data may stay below
  kData,      ///< write, fallocate
  kNoData,    ///< truncation to nothing
};

/// What stands at a name of the upper directory itself.
enum class UpperEntry : std::uint8_t { kNone, kWhiteout, kObject };

class Core {
 public:
  Core(std::vector<std::unique_ptr<Layer>> lower_layers,
       std::unique_ptr<UpperLayer> upper_layer, const Options& opts);
  /// Puts the root in.
  Result<void> start();

  Layer& layer(LayerIndex index) {
    return index == kUpperLayer ? *upper : *lowers[index - 1U];
  }

  // -- nodes by id
  /// ESTALE if it is gone.
  Result<NodeRef> get(NodeId id);
  /// ENOTDIR as well.
  Result<NodeRef> get_dir(NodeId id);
  /// EINVAL, EISDIR if it has no data.
  Result<NodeRef> get_file(NodeId id);

  // -- lookup.cc
  struct Found {
    NodeRef node;  ///< null: no such name
    std::optional<Attr> attr;
  };
  /// What `name` in `dir` is. `attr` is set where it came for free.
  Result<Found> find(Node& dir, Name name) REQUIRES(dir.dir->mu);
  /// The same for callers whose lock the analysis cannot follow.
  Result<Found> find_unchecked(Node& dir, Name name) NO_THREAD_SAFETY_ANALYSIS {
    return find(dir, name);
  }
  /// Adds up what the user sees.
  Result<Attr> attr_of(Node& node);
  Attr shown_attr(Node& node, Attr attr);
  /// A lower layer shows something at this name.
  Result<bool> lower_has(Node& dir, Name name) REQUIRES(dir.dir->mu);
  Result<UpperEntry> upper_entry(Node& dir, Name name);
  /// Makes a node of what was just created on the upper.
  NodeRef adopt_created(Node& dir, Name name, Child child);
  std::uint64_t number_of(LayerIndex index, const Child& child);
  std::uint64_t number_of(Merge& merge);
  /// The number of an entry that was only listed; `device` is that of the
  /// directory it was listed in.
  std::uint64_t number_of_entry(Node& dir, const ListingItem& item,
                                std::uint64_t device);

  // -- dir_listing.cc
  Result<std::shared_ptr<Listing>> listing_of(Node& dir) REQUIRES(dir.dir->mu);
  std::shared_ptr<Listing> kept_listing(Node& dir) REQUIRES(dir.dir->mu) {
    return dir.dir->listing.lock();
  }
  /// Names that come and go are carried over into a kept listing.
  void note_added(Node& dir, Name name, const Node& child, std::uint64_t ino)
      REQUIRES(dir.dir->mu);
  void note_removed(Node& dir, Name name) REQUIRES(dir.dir->mu);

  // -- copy_up.cc
  /// Ensures that `node`, and every ancestor, is on the upper. `length`: only
  /// so much of the data will be wanted.
  /// Fails  EROFS  the mount has no upper; others from the upper's file
  /// system; the node is then unchanged.
  Result<void> ensure_upper(Node& node, Need need, const TopologyHold& hold,
                            std::optional<std::uint64_t> length = {});
  /// Gives a metacopy its data. Requires its copy_mu.
  Result<void> bring_data_up(Node& node);
  /// Ensures that this name of a copied-up file is there on the upper.
  Result<void> ensure_alias(Node& node, Node& dir, Name name);
  /// Records the link count before an operation that changes the upper's.
  Result<void> begin_nlink_change(Node& node);
  /// After it: `by` is +1 or -1. Clears the index when none is left.
  void end_nlink_change(Node& node, int by);
  Result<void> mark_impure(Node& dir);
  /// Says on the node where layers below continue when it is not called `name`
  /// in `dir` any more.
  Result<void> redirect(Node& node, Node& dir, Name name);
  /// The lower file has other names that must stay the same file.
  bool wants_index(Node& node);

  // -- ops_names.cc: what removing and renaming over share
  Result<void> prepare_removal(Node& victim, Node& dir, Name name,
                               const TopologyHold& hold);
  Result<void> keep_reachable(Node& victim, Node& dir, Name name);
  void forget_name(Node& victim, Node& dir, Name name) REQUIRES(dir.dir->mu);

  // -- data
  /// The file, ready to be written to: copied up, set-id bits cleared.
  Result<FileData> own_data(const Caller& caller, Node& node);
  Result<void> kill_set_ids(const Caller& caller, Node& node);
  /// Writes what the kernel held; capabilities stay.
  Result<std::size_t> write_back(Node& node, const FileData& data,
                                 std::uint64_t offset,
                                 std::span<const std::byte> bytes,
                                 WriteKind kind);
  Result<FileData> data_for_read(Node& node);
  Result<FileData> data_for_write(Node& node);

  const Options options;
  Stats stats;
  const std::unique_ptr<UpperLayer> upper;
  const std::vector<std::unique_ptr<Layer>> lowers;

  Mutex topology{Rank::kTopology};
  InodeNumbers numbers;
  DataCache files;
  ListingCache listings;
  NodeTable nodes;

 private:
  Result<Merge> merge_at(Node& dir, Name name, LayerIndex first);
  Result<void> merge_from_roots(LayerIndex from, Trail trail, Merge& merge);
  Result<std::optional<Child>> walk(Layer& layer, Trail& trail, bool& ends);
  Result<void> apply_index(Merge& merge);
  bool wants_listing(Node& dir);
  NodeRef find_known(Node& dir, Name name, const Child& top, bool on_upper);
  static void set_parts(Node& node, const Merge& merge);
  Result<Found> make_node(Node& dir, Name name, Merge& merge);
  void set_flags(Node& node, const Marks& marks, const Attr& attr);
  std::optional<Attr> origin_attr(const Marks& marks);
  Result<std::uint32_t> indexed_nlink(const Child& child);

  Result<void> copy_up_one(Node& node, Need need,
                           std::optional<std::uint64_t> length);
  Result<CopySpec> copy_spec(Node& node, const Attr& attr, Need need,
                             std::optional<std::uint64_t> length);
  std::string path_below(Node& dir, Name name);
  Result<LayerNodeRef> publish_copy(Node& node, const Attr& attr,
                                    const CopySpec& spec);
};

}  // namespace veneer::overlay
