// SPDX-License-Identifier: MIT
//
// A LayerFS layer as a layer of an overlay.
//
// A node is a FileId with the name it was first reached by. A directory's node
// holds the directory's entries once they were asked for, up to a bound in all,
// so a lookup is a search in memory and two short reads; beyond the bound the
// reader's cache has them.
//
// What the format does not say: the owner is the view's; a link count is that
// of the layer the inode is from, and 2 and the directories in it for a
// directory; blocks follow from the size; there is one time.
//
// Errors are logged here, with the file they are about: who asks over a mount
// gets no more than EIO.
//
// Threads: thread-safe.

#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "layerfs/layer_reader.h"
#include "veneer/layer.h"

namespace veneer::layerfs {

/// How much the directories held by nodes take together.
struct HeldBytes : RefCounted {
  explicit HeldBytes(std::size_t bytes) : most(bytes) {}
  /// False if there is no room for them.
  bool take(std::size_t bytes) {
    if (now.fetch_add(bytes, std::memory_order_relaxed) + bytes <= most) {
      return true;
    }
    give_back(bytes);
    return false;
  }
  void give_back(std::size_t bytes) {
    now.fetch_sub(bytes, std::memory_order_relaxed);
  }
  std::atomic<std::size_t> now{0};
  const std::size_t most;
};

class LayerfsNode;
using LayerfsNodeRef = Ref<const LayerfsNode>;

class LayerfsNode : public LayerNode {
 public:
  LayerfsNode(FileId file_id, Kind what, LayerfsNodeRef above,
              std::string its_name, Ref<HeldBytes> bound)
      : id(file_id),
        kind(what),
        parent(std::move(above)),
        name(std::move(its_name)),
        held(std::move(bound)) {}
  /// A chain of ancestors of any length goes without recursion.
  ~LayerfsNode() override;

  const FileId id;
  const Kind kind;
  LayerfsNodeRef parent;  ///< null for the root
  const std::string name;
  const Ref<HeldBytes> held;
  /// The entries of a directory, held by the node; null until they are.
  mutable std::atomic<const DirFile*> entries{nullptr};
};

class LayerfsLayer : public Layer {
 public:
  /// Reads the root's attributes.
  static Result<std::unique_ptr<LayerfsLayer>> open(
      std::shared_ptr<LayerReader> reader, const ViewOptions& options);

  const Child& root() const override { return root_; }
  Result<std::optional<Child>> lookup(const LayerNode& dir, Name name) override;
  Result<void> read_dir(
      const LayerNode& dir,
      const std::function<void(const DirEntry&)>& sink) override;
  Result<Attr> get_attr(const LayerNode& node) override;
  Result<std::string> read_link(const LayerNode& node) override;
  Result<std::optional<std::string>> get_xattr(
      const LayerNode& node, const std::string& name) override;
  Result<std::string> list_xattrs(const LayerNode& node) override;
  Result<FileData> open_data(const LayerNode& node) override;
  Result<unsigned> get_flags(const LayerNode& node) override;
  Result<void> get_fsxattr(const LayerNode& node, fsxattr& out) override;
  /// In the kernel's form, with the layer's identity for the file system's.
  std::string origin_record(const LayerNode& node) override;
  std::optional<Attr> resolve_origin(std::string_view record) override;
  std::string path_of(const LayerNode& node) const override;
  Result<void> stat_fs(struct statvfs& out) override;
  bool may_hold_markers() const override { return false; }

  /// For those who need more than an overlay does.
  LayerReader& reader() const { return *reader_; }
  static FileId id_of(const LayerNode& node) { return layerfs(node).id; }

 private:
  LayerfsLayer(std::shared_ptr<LayerReader> reader, const ViewOptions& options);

  static const LayerfsNode& layerfs(const LayerNode& node) {
    return static_cast<const LayerfsNode&>(node);
  }
  Result<Attr> attr_of(FileId id, const InodeRecord& inode);
  Result<DirFileRef> entries_of(const LayerfsNode& dir);
  Error logged(Error error);

  const std::shared_ptr<LayerReader> reader_;
  const uid_t uid_;
  const gid_t gid_;
  const std::uint64_t dev_;
  const Ref<HeldBytes> held_;
  std::atomic<unsigned> complaints_{0};
  Child root_;
};

}  // namespace veneer::layerfs
