// SPDX-License-Identifier: MIT

#include "layer/host/host_reads.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "layer/host/origin_record.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::layer {
namespace {

bool is_whiteout_device(const Attr& attr) {
  return S_ISCHR(attr.mode) && attr.rdev == 0;
}

// Marks that send the reader to other files of the layers below.
bool points_elsewhere(std::string_view suffix) {
  return suffix == kRedirect || suffix == kMetacopy;
}

std::uint8_t type_of(std::uint32_t mode) {
  return static_cast<std::uint8_t>((mode & S_IFMT) >> 12);
}

bool has_whiteout_xattr(const HostOptions& options, int dir_fd,
                        const char* name) {
  for (const auto ns : {XattrNamespace::kTrusted, XattrNamespace::kUser}) {
    if (ns != options.xattrs && !options.all_xattr_forms) continue;
    const auto value =
        sys::get_xattr_at(dir_fd, name, own_name(ns, kWhiteout).c_str());
    if (value && *value) return true;
  }
  return false;
}

}  // namespace

template <typename Base>
HostReads<Base>::HostReads(sys::UniqueFd root, sys::UniqueFd readable,
                           const Attr& attr, const HostOptions& options)
    : options_(options),
      tree_(std::move(root), attr, options.changes, options.cached_dirs),
      readable_(std::move(readable)) {
  root_.node = tree_.root();
  root_.attr = attr;
  bool xattr_whiteouts = false;
  if (auto marks = read_marks(tree_.root_fd(), "", attr, xattr_whiteouts)) {
    root_.marks = *std::move(marks);
  }
  root_.marks.opaque = false;
  root_.marks.redirect.reset();
  tree_.root()->xattr_whiteouts = xattr_whiteouts;
}

template <typename Base>
bool HostReads<Base>::is_marker(int dir_fd, const std::string& marker) const {
  const auto found = sys::find_at(dir_fd, marker.c_str());
  const auto attr = found ? *found : std::nullopt;
  return attr && S_ISREG(attr->mode) && attr->size == 0;
}

template <typename Base>
Result<std::optional<Child>> HostReads<Base>::lookup(const LayerNode& dir,
                                                     Name name) {
  const HostNode& parent = host(dir);
  if (name.size() > 255) return Error(ENAMETOOLONG, "lookup");
  TRY_ASSIGN(const sys::SharedFd fd, tree_.dir_fd(parent));
  TRY_ASSIGN(const std::optional<Attr> attr,
             sys::find_at(fd->get(), std::string(name).c_str()));
  if (attr) return make_child(parent, fd->get(), name, *attr);
  if (!options_.markers || parent.no_markers || name.size() > 251 ||
      !is_marker(fd->get(), marker_of(name))) {
    return std::optional<Child>();
  }
  Child whiteout;
  whiteout.marks.whiteout = true;
  return std::optional(std::move(whiteout));
}

template <typename Base>
Result<std::optional<Child>> HostReads<Base>::make_child(const HostNode& dir,
                                                         int dir_fd, Name name,
                                                         const Attr& attr) {
  Child child;
  child.attr = attr;
  const std::string path(name);
  if (is_whiteout_device(attr) ||
      (S_ISREG(attr.mode) && attr.size == 0 && dir.xattr_whiteouts &&
       has_whiteout_xattr(options_, dir_fd, path.c_str()))) {
    child.marks.whiteout = true;
    return std::optional(std::move(child));
  }
  if (options_.markers && name.starts_with(kMarkerPrefix) &&
      (name.starts_with(kHousekeeping) ||
       (S_ISREG(attr.mode) && attr.size == 0))) {
    return std::optional<Child>();
  }
  bool xattr_whiteouts = false;
  TRY_ASSIGN(child.marks,
             read_marks(dir_fd, path.c_str(), attr, xattr_whiteouts));
  auto node =
      make_ref<HostNode>(HostNodeRef(const_cast<HostNode*>(&dir)), path, attr);
  node->xattr_whiteouts = xattr_whiteouts;
  child.node = std::move(node);
  if (options_.markers && S_ISDIR(attr.mode) && !child.marks.opaque) {
    child.marks.opaque =
        is_marker(dir_fd, path + "/" + std::string(kOpaqueMarker)) ||
        (!dir.no_markers && path.size() <= 251 &&
         is_marker(dir_fd, marker_of(path)));
  }
  return std::optional(std::move(child));
}

template <typename Base>
Result<Marks> HostReads<Base>::read_marks(int dir_fd, const char* name,
                                          const Attr& attr,
                                          bool& xattr_whiteouts) {
  Marks marks;
  // A metacopy is one hole, whose zeros must not pass for data anywhere.
  const bool is_hole = S_ISREG(attr.mode) && attr.size > 0 && attr.blocks == 0;
  const bool wanted = S_ISDIR(attr.mode) || is_hole || !options_.bottom;
  if (!wanted) return marks;
  const auto list = sys::list_xattrs_at(dir_fd, name);
  if (!list) {
    // A file system without xattrs has no marks either.
    if (list.error().code() == EOPNOTSUPP) marks.no_xattrs = true;
    return marks;
  }
  marks.no_xattrs = list->empty();
  for_each_name(*list, [&](std::string_view stored) {
    if (stored == "system.posix_acl_default") marks.default_acl = true;
    const bool trusted = stored.starts_with(kTrustedPrefix);
    if (!trusted && !stored.starts_with(kUserPrefix)) return;
    const auto ns = trusted ? XattrNamespace::kTrusted : XattrNamespace::kUser;
    const std::string_view suffix = stored.substr(prefix_of(ns).size());
    const bool own = ns == options_.xattrs;
    if (!own && (!options_.all_xattr_forms || points_elsewhere(suffix))) return;
    const auto value =
        sys::get_xattr_at(dir_fd, name, std::string(stored).c_str());
    if (!value || !*value) return;
    decode_mark(suffix, **value, marks);
    if (suffix == kOpaque &&
        decode_opaque(**value) == Opacity::kXattrWhiteouts) {
      xattr_whiteouts = true;
    }
  });
  return marks;
}

template <typename Base>
Result<sys::UniqueFd> HostReads<Base>::open_quietly(const HostNode& node,
                                                    int flags) {
  if (options_.changes || options_.quiet) return tree_.open(node, flags);
  auto fd = tree_.open(node, flags | O_NOATIME);
  if (fd || fd.error().code() != EPERM) return fd;
  return tree_.open(node, flags);
}

namespace {

// Turns what a directory holds into what it says: the entries, and which of
// them are whiteouts, whatever their form.
class MarkerReader {
 public:
  MarkerReader(const HostOptions& options, int dir, bool xattr_whiteouts)
      : options_(options), dir_(dir), xattr_whiteouts_(xattr_whiteouts) {}

  // nullopt: housekeeping, or gone.
  std::optional<DirEntry> read(std::string_view name, std::uint64_t ino,
                               std::uint8_t type);
  bool found_marker() const { return found_marker_; }

 private:
  // Asked for at most once an entry, and of few.
  const std::optional<Attr>& attr(std::string_view name) {
    if (!attr_) {
      // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): see DirSink
      if (auto found = sys::find_at(dir_, name.data())) attr_ = *found;
    }
    return attr_;
  }
  bool is_empty_file(const DirEntry& entry, std::string_view name) {
    return entry.type == DT_REG && attr(name) && attr_->size == 0;
  }

  const HostOptions& options_;
  const int dir_;
  const bool xattr_whiteouts_;
  bool found_marker_ = false;
  std::optional<Attr> attr_;
};

std::optional<DirEntry> MarkerReader::read(std::string_view name,
                                           std::uint64_t ino,
                                           std::uint8_t type) {
  attr_.reset();
  DirEntry entry{.name = name, .ino = ino, .type = type};
  if (type == DT_UNKNOWN) {
    if (!attr(name)) return std::nullopt;
    entry.type = type_of(attr_->mode);
  }
  if (entry.type == DT_CHR) {
    entry.whiteout = attr(name) && is_whiteout_device(*attr_);
  }
  if (!options_.markers || !name.starts_with(kMarkerPrefix)) {
    if (xattr_whiteouts_ && is_empty_file(entry, name)) {
      // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): see DirSink
      entry.whiteout = has_whiteout_xattr(options_, dir_, name.data());
    }
    return entry;
  }
  found_marker_ = true;
  if (name.starts_with(kHousekeeping)) return std::nullopt;
  if (!is_empty_file(entry, name)) return entry;
  entry.name = name.substr(kMarkerPrefix.size());
  entry.whiteout = true;
  if (entry.name.empty() || entry.name == "." || entry.name == "..") {
    return std::nullopt;
  }
  return entry;
}

}  // namespace

template <typename Base>
Result<void> HostReads<Base>::read_dir(
    const LayerNode& dir, const std::function<void(const DirEntry&)>& sink) {
  const HostNode& node = host(dir);
  TRY_ASSIGN(const sys::UniqueFd fd,
             open_quietly(node, O_RDONLY | O_DIRECTORY));
  MarkerReader reader(options_, fd.get(), node.xattr_whiteouts);
  TRY(sys::read_dir(fd.get(), [&](std::string_view name, std::uint64_t ino,
                                  std::uint8_t type) {
    if (const auto entry = reader.read(name, ino, type)) sink(*entry);
  }));
  if (!options_.changes && !reader.found_marker()) {
    const_cast<HostNode&>(node).no_markers = true;
  }
  return {};
}

template <typename Base>
Result<Attr> HostReads<Base>::get_attr(const LayerNode& node) {
  return tree_.stat(host(node));
}

template <typename Base>
Result<std::string> HostReads<Base>::read_link(const LayerNode& node) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             tree_.open(host(node), O_PATH | O_NOFOLLOW));
  return sys::read_link_at(fd.get(), "");
}

template <typename Base>
Result<std::optional<std::string>> HostReads<Base>::get_xattr(
    const LayerNode& node, const std::string& name) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             tree_.open(host(node), O_PATH | O_NOFOLLOW));
  return sys::get_xattr_fd(fd.get(),
                           stored_name(options_.xattrs, name).c_str());
}

template <typename Base>
Result<std::string> HostReads<Base>::list_xattrs(const LayerNode& node) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             tree_.open(host(node), O_PATH | O_NOFOLLOW));
  TRY_ASSIGN(const std::string stored, sys::list_xattrs_fd(fd.get()));
  return shown_names(options_.xattrs, stored);
}

template <typename Base>
Result<FileData> HostReads<Base>::open_data(const LayerNode& node) {
  TRY_ASSIGN(sys::UniqueFd fd, open_quietly(host(node), O_RDONLY));
  FileData data;
  data.fd = fd.get();
  data.owner = sys::share(std::move(fd));
  return data;
}

template <typename Base>
Result<unsigned> HostReads<Base>::get_flags(const LayerNode& node) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             open_quietly(host(node), O_RDONLY | O_NONBLOCK));
  return sys::get_flags(fd.get());
}

template <typename Base>
Result<void> HostReads<Base>::get_fsxattr(const LayerNode& node, fsxattr& out) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             open_quietly(host(node), O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(out, sys::get_fsxattr(fd.get()));
  return {};
}

template <typename Base>
std::string HostReads<Base>::origin_record(const LayerNode& node) {
  const auto fd = tree_.open(host(node), O_PATH | O_NOFOLLOW);
  if (!fd) return {};
  const auto handle = sys::file_handle(fd->get(), "");
  if (!handle) return {};
  return encode_origin(
      {.uuid = options_.uuid, .type = handle->type, .fid = handle->bytes});
}

template <typename Base>
std::optional<Attr> HostReads<Base>::resolve_origin(std::string_view record) {
  const auto origin = decode_origin(record);
  if (!origin || origin->uuid != options_.uuid) return std::nullopt;
  sys::FileHandle handle;
  handle.type = origin->type;
  handle.bytes = origin->fid;
  const auto fd =
      sys::open_handle(readable_.get(), handle, O_PATH | O_NOFOLLOW);
  if (!fd) return std::nullopt;
  const auto attr = sys::stat_fd(fd->get());
  if (!attr || attr->dev != root_.attr.dev) return std::nullopt;
  return *attr;
}

template <typename Base>
std::string HostReads<Base>::path_of(const LayerNode& node) const {
  return tree_.path_of(host(node));
}

template <typename Base>
Result<void> HostReads<Base>::stat_fs(struct statvfs& out) {
  TRY_ASSIGN(out, sys::stat_fs(readable_.get()));
  return {};
}

template class HostReads<Layer>;
template class HostReads<UpperLayer>;

}  // namespace veneer::layer
