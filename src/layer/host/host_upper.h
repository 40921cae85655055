// SPDX-License-Identifier: MIT
//
// A directory on this machine as the upper layer: the half that writes.
//
// Each call is one commit point. What can be done by one system call on the
// upper is; anything else is built in the work directory and published by one
// rename or link. The whiteout form is one of two, chosen at mount:
//
//   kernel  character device 0:0; opaque, redirect, metacopy, origin, nlink
//           and index as the kernel's overlayfs writes them
//   dotwh   empty files `.wh.NAME` and `.wh..wh..opq`, for file systems where
//           devices or xattrs are refused; no redirects, no metacopies
//
// In the second form a change that needs two entries orders them so that what
// a crash leaves reads the same as before or after (see each place).
//
// New objects get their owner by acting as them for the moment of creation,
// so the directory's default ACL, its group bit and quotas apply as they would
// without an overlay.

#pragma once

#include "layer/host/host_reads.h"
#include "layer/host/work_dir.h"

namespace veneer::layer {

struct UpperTraits {
  bool kernel_form = true;
  bool tmpfile = true;
  bool privileged = true;  ///< may give files away
};

class HostUpper : public HostReads<UpperLayer> {
 public:
  HostUpper(sys::UniqueFd root, sys::UniqueFd readable, const Attr& attr,
            const HostOptions& options, const UpperTraits& traits,
            std::unique_ptr<WorkDir> work, std::vector<sys::UniqueFd> locks);

  Result<Child> create(LayerNode& dir, Name name,
                       const NewObject& what) override;
  Result<Child> create_over_whiteout(LayerNode& dir, Name name,
                                     const NewObject& what) override;
  Result<Child> create_unnamed(LayerNode& dir, const NewObject& what) override;

  Result<void> unlink(LayerNode& dir, Name name, bool whiteout) override;
  Result<void> remove_dir(LayerNode& dir, Name name, bool whiteout) override;
  Result<void> add_whiteout(LayerNode& dir, Name name) override;
  Result<void> link(LayerNode& node, LayerNode& dir, Name name,
                    bool over_whiteout) override;
  Result<void> rename(LayerNode& dir, Name name, LayerNode& node,
                      LayerNode& new_dir, Name new_name, LayerNode* other,
                      RenameHow how) override;
  Result<void> clear_dir(LayerNode& dir, Name name, LayerNode& node) override;

  Result<StagedPtr> stage(const CopySpec& spec) override;
  Result<LayerNodeRef> publish(StagedPtr staged, LayerNode& dir,
                               Name name) override;
  Result<LayerNodeRef> publish_unnamed(StagedPtr staged) override;

  bool has_index() const override { return work_->index_fd() >= 0; }
  Result<std::optional<Child>> find_in_index(std::string_view origin) override;
  Result<LayerNodeRef> publish_in_index(StagedPtr staged,
                                        std::string_view origin) override;
  Result<void> remove_from_index(std::string_view origin) override;

  bool is_reached_by(LayerNode& node, LayerNode& dir, Name name) override;
  void relocate(LayerNode& node, LayerNode& dir, Name name) override;
  Result<void> pin(LayerNode& node) override;

  Result<FileData> open_for_write(LayerNode& node) override;
  Result<void> set_attr(LayerNode& node, const SetAttr& changes) override;
  Result<void> set_xattr(LayerNode& node, const std::string& name,
                         std::string_view value, int flags) override;
  Result<void> remove_xattr(LayerNode& node, const std::string& name) override;
  Result<void> set_flags(LayerNode& node, unsigned flags) override;
  Result<void> set_fsxattr(LayerNode& node, const fsxattr& value) override;

  bool can_redirect() const override { return traits_.kernel_form; }
  bool can_metacopy() const override { return traits_.kernel_form; }
  Result<Marks> get_marks(LayerNode& node) override;
  Result<void> set_opaque(LayerNode& dir) override;
  Result<void> set_impure(LayerNode& dir) override;
  Result<void> set_redirect(LayerNode& node,
                            std::string_view redirect) override;
  Result<void> set_nlink(LayerNode& node, Marks::Nlink nlink) override;
  Result<void> set_number(LayerNode& node, std::uint64_t number) override;
  Result<void> set_protection(LayerNode& node, bool immutable,
                              bool append_only) override;
  Result<void> fill_metacopy(LayerNode& node, const FileData& data,
                             std::uint64_t length, bool sync) override;
  bool is_reserved(Name name) const override;
  Result<void> sync(LayerNode& node, bool data_only) override;
  Result<void> sync_all() override;

 private:
  class StagedEntry;

  Result<sys::SharedFd> dir(LayerNode& node) {
    return tree_.dir_fd(host(node));
  }
  Result<sys::UniqueFd> open_path(LayerNode& node) {
    return tree_.open(host(node), O_PATH | O_NOFOLLOW);
  }
  Result<sys::UniqueFd> open_writable(LayerNode& node);
  Result<void> lifting(int fd, const std::function<Result<void>()>& change);
  Result<void> set_mark(LayerNode& node, std::string_view suffix,
                        std::string_view value);
  Result<Child> created(HostNode& dir, int dir_fd, Name name,
                        sys::UniqueFd file);
  Result<void> make_plain(int dir, const char* name, const NewObject& what,
                          sys::UniqueFd& file);
  Result<void> make_here(int dir, const char* name, const NewObject& what,
                         sys::UniqueFd& file);
  struct Inheritance;
  Result<Inheritance> inherit(HostNode& dir, const NewObject& what);
  Result<void> dress(const std::string& name, const NewObject& what,
                     const Inheritance& given);
  Result<void> make_opaque(const std::string& name);
  Result<std::string> build_aside(HostNode& dir, const NewObject& what,
                                  bool opaque);
  void record_number(int dir, const char* name, std::uint64_t number);
  /// The whiteout of `name` is a `.wh.` file.
  bool has_marker(int dir, Name name) const;
  Result<void> make_marker(int dir, Name name);
  void drop_marker(int dir, Name name);
  Result<void> rename_kernel(int dir, const char* name, int new_dir,
                             const char* new_name, RenameHow how);
  Result<void> rename_dotwh(int dir, const char* name, int new_dir,
                            const char* new_name, RenameHow how);
  Result<void> copy_xattrs(int fd, const CopySpec& spec);
  Result<void> write_marks(int fd, const CopySpec& spec);
  Result<void> finish_copy(int fd, const CopySpec& spec);

  const UpperTraits traits_;
  const std::unique_ptr<WorkDir> work_;
  const std::vector<sys::UniqueFd> locks_;  // held for as long as we are
  HostNodeRef index_node_;
};

}  // namespace veneer::layer
