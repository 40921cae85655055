// SPDX-License-Identifier: MIT
//
// An image as a layer.
//
// What an image says is seen in one of three ways, by LayerOptions:
//
//   following, alone    the tree as the kernel's mount of the image shows it.
//                       The stubs of composefs (device 0:0) are not there;
//                       whiteouts that went into the image are empty files
//                       with the xattrs of a whiteout.
//   following, stacked  the same as a layer of an overlay: whiteouts, opaque
//                       directories and redirects of the image are Marks.
//   metadata            all is given as it is stored but for the names of
//                       xattrs, since an overlay of the kernel's interprets it.
//
// Of an image without the header of composefs nothing is hidden when it is
// alone; stacked it is read as a directory with the kernel's overlay xattrs.
//
// An inode is known by its nid, so hard links are one object. A directory must
// name itself and its parent in "." and "..", which makes the directories a
// tree whatever the image says.
//
// Cost: a lookup reads the blocks of a binary search, the inode and its xattrs:
// three or four reads of 4 KiB for a directory of some hundred names.
//
// Threads: thread-safe; there is no lock but the object reader's.

#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "composefs/image.h"
#include "composefs/image_origin.h"
#include "composefs/object_reader.h"
#include "composefs/xattr_view.h"
#include "veneer/composefs.h"
#include "veneer/layer.h"

namespace veneer::composefs {

class ComposefsNode;
using ComposefsNodeRef = Ref<const ComposefsNode>;

class ComposefsNode : public LayerNode {
 public:
  ComposefsNode(ComposefsNodeRef parent, Name name, Nid nid)
      : nid_(nid),
        depth_(parent ? parent->depth_ + 1 : 0),
        parent_(std::move(parent)),
        name_(name) {}
  /// A chain of ancestors of any length goes without recursion.
  ~ComposefsNode() override;

  Nid nid() const { return nid_; }
  std::uint32_t depth() const { return depth_; }
  const ComposefsNodeRef& parent() const { return parent_; }
  const std::string& name() const { return name_; }

  /// Of a directory; else null.
  std::unique_ptr<const Inode> dir;
  /// Directory: may hold whiteouts that are files with an xattr.
  bool xattr_whiteouts = false;

 private:
  const Nid nid_;
  const std::uint32_t depth_;
  ComposefsNodeRef parent_;
  const std::string name_;
};

class ComposefsLayer : public Layer {
 public:
  /// `objects` is null where none are opened. `digest` is the image's, if it
  /// has been checked.
  static Result<std::unique_ptr<ComposefsLayer>> make(
      std::shared_ptr<const Image> image, const LayerOptions& options,
      std::unique_ptr<ObjectReader> objects, std::optional<Digest256> digest);

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
  std::string origin_record(const LayerNode& node) override;
  std::optional<Attr> resolve_origin(std::string_view record) override;
  std::string path_of(const LayerNode& node) const override;
  Result<void> stat_fs(struct statvfs& out) override;
  bool may_hold_markers() const override { return false; }

 private:
  /// What the xattrs of an inode say at once.
  struct Seen {
    Marks marks;
    bool xattr_whiteouts = false;
    bool whiteout_xattr = false;
  };

  ComposefsLayer(std::shared_ptr<const Image> image,
                 const LayerOptions& options,
                 std::unique_ptr<ObjectReader> objects,
                 std::optional<Digest256> digest);
  Result<void> start();

  bool is_composefs() const { return image_->info().is_composefs; }
  bool is_stacked() const { return names_.view == XattrView::kOverlaid; }
  bool is_stub(const Inode& inode) const;
  bool is_whiteout(const Inode& inode) const;
  bool may_be_whiteout(const ComposefsNode& dir, const Inode& inode) const;

  Attr attr_of(const Inode& inode) const;
  Result<Seen> look_at_xattrs(const Inode& inode, Window& window) const;
  void take_mark(const StoredXattr& xattr, const Inode& inode,
                 Seen& seen) const;
  Result<void> check_dir(const Inode& dir, Nid parent) const;
  Result<std::optional<Child>> make_child(const ComposefsNode& dir, Name name,
                                          Nid nid);
  Result<bool> visit_entry(const ComposefsNode& dir, const DirItem& item,
                           DirEntry& entry) const;
  Result<FileData> open_external(const Inode& inode, std::string metacopy);
  Result<FileData> open_stored(const Inode& inode) const;
  const std::optional<ImageId>& image_id();

  const std::shared_ptr<const Image> image_;
  const LayerOptions options_;
  const XattrNames names_;
  const std::unique_ptr<ObjectReader> objects_;
  const std::uint64_t device_;
  Child root_;

  std::once_flag id_once_;
  std::optional<Digest256> digest_;
  std::optional<ImageId> id_;
};

}  // namespace veneer::composefs
