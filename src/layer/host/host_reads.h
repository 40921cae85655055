// SPDX-License-Identifier: MIT
//
// A directory on this machine as a layer: the half that reads.
//
// One implementation for lowers and for the upper: HostReads<Layer> is the
// lower, HostUpper derives from HostReads<UpperLayer> and adds the writes.
//
// Every form of "deleted" and "opaque" is read (design 2.6): character device
// 0:0, the xattr form in directories marked "x", and the aufs/OCI files
// `.wh.NAME` and `.wh..wh..opq`. An upper that records the kernel's form at
// its root holds no markers of the last kind, so names beginning with ".wh."
// are then ordinary names. Of a lower, both trusted.overlay.* and
// user.overlay.* are read where the process may; redirects and metacopies, by
// which a layer points at other files, only in the process's own namespace.

#pragma once

#include <memory>
#include <string>

#include "layer/host/host_tree.h"
#include "layer/host/overlay_xattrs.h"

namespace veneer::layer {

inline constexpr std::string_view kMarkerPrefix = ".wh.";
inline constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";
inline constexpr std::string_view kHousekeeping = ".wh..wh.";
inline std::string marker_of(Name name) {
  return std::string(kMarkerPrefix).append(name);
}

struct HostOptions {
  XattrNamespace xattrs = XattrNamespace::kNone;  ///< the process's own
  bool all_xattr_forms = true;  ///< the other namespace's marks count, too
  bool markers = true;          ///< `.wh.` files may be there
  bool bottom = false;          ///< nothing is below: few marks matter
  bool changes = false;         ///< it is the upper
  bool quiet = false;           ///< reading leaves no access time behind anyhow
  std::array<std::uint8_t, 16> uuid{};
  std::size_t cached_dirs = 1024;
};

template <typename Base>
class HostReads : public Base {
 public:
  /// `root`: O_PATH. `readable`: the same directory, open for reading.
  HostReads(sys::UniqueFd root, sys::UniqueFd readable, const Attr& attr,
            const HostOptions& options);

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
  bool may_hold_markers() const override { return options_.markers; }

 protected:
  bool is_marker(int dir_fd, const std::string& marker) const;
  static const HostNode& host(const LayerNode& node) {
    return static_cast<const HostNode&>(node);
  }
  static HostNode& host(LayerNode& node) {
    return static_cast<HostNode&>(node);
  }

  /// The child that stands at `name`, whose attributes are known.
  Result<std::optional<Child>> make_child(const HostNode& dir, int dir_fd,
                                          Name name, const Attr& attr);
  /// Reads the marks of (dir_fd, name).
  Result<Marks> read_marks(int dir_fd, const char* name, const Attr& attr,
                           bool& xattr_whiteouts);
  /// Opens for reading without an access time where that is asked for.
  Result<sys::UniqueFd> open_quietly(const HostNode& node, int flags);

  HostOptions options_;
  HostTree tree_;
  sys::UniqueFd readable_;
  Child root_;
};

using HostLayer = HostReads<Layer>;

extern template class HostReads<Layer>;
extern template class HostReads<UpperLayer>;

}  // namespace veneer::layer
