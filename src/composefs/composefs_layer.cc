// SPDX-License-Identifier: MIT
//
// The tree of an image: names, attributes and marks.

#include "composefs/composefs_layer.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "composefs/metacopy.h"

namespace veneer::composefs {
namespace {

// Deeper than this no path of the kernel's reaches.
constexpr std::uint32_t kDeepest = 2048;
constexpr std::uint32_t kLastNanosecond = 999'999'999;
// Devices of layers that have none; no file system has numbers like these.
constexpr std::uint64_t kFirstDevice = std::uint64_t{0xc0f5} << 48;

std::atomic<std::uint64_t> next_device{kFirstDevice};

const ComposefsNode& of(const LayerNode& node) {
  return static_cast<const ComposefsNode&>(node);
}

XattrNames names_for(const LayerOptions& options, bool is_composefs) {
  XattrNames names;
  names.is_composefs = is_composefs;
  names.own = options.trusted_xattrs ? OwnXattrs::kTrusted : OwnXattrs::kUser;
  if (options.mode == ServeMode::kMetadata) {
    names.view =
        options.trusted_xattrs ? XattrView::kForTrusted : XattrView::kForUser;
  } else if (options.stacked) {
    names.view = XattrView::kOverlaid;
  } else {
    names.view = is_composefs ? XattrView::kLogical : XattrView::kPlain;
  }
  return names;
}

std::uint8_t dirent_type(std::uint32_t mode) {
  return static_cast<std::uint8_t>((mode & S_IFMT) >> 12);
}

std::uint8_t dirent_type(FileType type) {
  switch (type) {
    case FileType::kRegular:
      return DT_REG;
    case FileType::kDirectory:
      return DT_DIR;
    case FileType::kCharDevice:
      return DT_CHR;
    case FileType::kBlockDevice:
      return DT_BLK;
    case FileType::kFifo:
      return DT_FIFO;
    case FileType::kSocket:
      return DT_SOCK;
    case FileType::kSymlink:
      return DT_LNK;
    case FileType::kUnknown:
      break;
  }
  return DT_UNKNOWN;
}

}  // namespace

ComposefsNode::~ComposefsNode() {
  ComposefsNodeRef next = std::move(parent_);
  while (next && next->is_last_ref()) {
    next = std::move(const_cast<ComposefsNode&>(*next).parent_);
  }
}

ComposefsLayer::ComposefsLayer(std::shared_ptr<const Image> image,
                               const LayerOptions& options,
                               std::unique_ptr<ObjectReader> objects,
                               std::optional<Digest256> digest)
    : image_(std::move(image)),
      options_(options),
      names_(names_for(options, image_->info().is_composefs)),
      objects_(std::move(objects)),
      device_(next_device.fetch_add(1)),
      digest_(digest) {}

Result<std::unique_ptr<ComposefsLayer>> ComposefsLayer::make(
    std::shared_ptr<const Image> image, const LayerOptions& options,
    std::unique_ptr<ObjectReader> objects, std::optional<Digest256> digest) {
  std::unique_ptr<ComposefsLayer> layer(new ComposefsLayer(
      std::move(image), options, std::move(objects), digest));
  TRY(layer->start());
  return layer;
}

Result<void> ComposefsLayer::start() {
  Window window(image_->file());
  TRY_ASSIGN(const Inode inode, image_->inode(image_->root(), window));
  TRY_ASSIGN(Seen seen, look_at_xattrs(inode, window));
  TRY(check_dir(inode, inode.nid));
  auto node = make_ref<ComposefsNode>(nullptr, "", inode.nid);
  node->dir = std::make_unique<const Inode>(inode);
  node->xattr_whiteouts = seen.xattr_whiteouts;
  root_.attr = attr_of(inode);
  root_.marks = std::move(seen.marks);
  // There is nothing that the root could hide or continue.
  root_.marks.opaque = false;
  root_.marks.redirect.reset();
  root_.node = std::move(node);
  return {};
}

// --- What objects are ---

// Entries that exist for overlays which have the store as an ordinary layer.
// From version 2 on there are none, and whiteouts are stored as what they are.
bool ComposefsLayer::is_stub(const Inode& inode) const {
  if (options_.mode == ServeMode::kMetadata || !is_composefs()) return false;
  if (!inode.is_null_device()) return false;
  return !is_stacked() || image_->info().header.composefs_version < 2;
}

bool ComposefsLayer::is_whiteout(const Inode& inode) const {
  return is_stacked() && inode.is_null_device();
}

bool ComposefsLayer::may_be_whiteout(const ComposefsNode& dir,
                                     const Inode& inode) const {
  return dir.xattr_whiteouts && inode.is_regular() && inode.size == 0;
}

Attr ComposefsLayer::attr_of(const Inode& inode) const {
  Attr attr;
  attr.dev = device_;
  attr.ino = inode.nid;
  attr.mode = inode.mode;
  // A count of none is what a file has that was removed.
  attr.nlink = std::max(inode.nlink, std::uint32_t{1});
  attr.uid = options_.uid.value_or(inode.uid);
  attr.gid = options_.gid.value_or(inode.gid);
  attr.rdev = inode.rdev;
  attr.size = inode.size;
  const std::uint64_t block = image_->info().block_size();
  attr.blksize = static_cast<std::uint32_t>(block);
  attr.blocks = (inode.size + block - 1) / block * (block / 512);
  attr.mtime.tv_sec = inode.mtime;
  attr.mtime.tv_nsec = std::min(inode.mtime_nsec, kLastNanosecond);
  attr.atime = attr.mtime;
  attr.ctime = attr.mtime;
  return attr;
}

void ComposefsLayer::take_mark(const StoredXattr& xattr, const Inode& inode,
                               Seen& seen) const {
  const std::string stored = xattr.name();
  const auto name = is_composefs() ? logical_name(stored) : stored;
  if (!name) return;
  const bool trusted = name->starts_with(kTrustedOverlay);
  if (!trusted && !name->starts_with(kUserOverlay)) return;
  const std::string_view suffix = std::string_view(*name).substr(
      (trusted ? kTrustedOverlay : kUserOverlay).size());
  const bool is_own = trusted == (names_.own == OwnXattrs::kTrusted);

  if (suffix == "whiteout") seen.whiteout_xattr = true;
  if (suffix == "whiteouts") seen.xattr_whiteouts = true;
  if (suffix == "opaque" && xattr.value == "y") seen.marks.opaque = true;
  if (suffix == "opaque" && xattr.value == "x") seen.xattr_whiteouts = true;
  // What points at other files is believed in the overlay's own names only.
  if (!is_own) return;
  if (suffix == "metacopy" && inode.is_regular()) seen.marks.metacopy = true;
  if (suffix == "redirect") {
    const bool absolute = xattr.value.starts_with('/');
    const std::string_view path = xattr.value.substr(absolute ? 1 : 0);
    if (is_plain_path(path) && (absolute || path.find('/') == path.npos)) {
      seen.marks.redirect = std::string(xattr.value);
    }
  }
}

Result<ComposefsLayer::Seen> ComposefsLayer::look_at_xattrs(
    const Inode& inode, Window& window) const {
  Seen seen;
  seen.marks.no_xattrs = true;
  TRY(image_->for_each_xattr(inode, window, [&](const StoredXattr& xattr) {
    if (seen.marks.no_xattrs && names_.is_shown(xattr.name())) {
      seen.marks.no_xattrs = false;
    }
    if (xattr.has_name("system.posix_acl_default")) {
      seen.marks.default_acl = true;
    }
    if (is_stacked()) take_mark(xattr, inode, seen);
    return true;
  }));
  return seen;
}

// --- Names ---

Result<void> ComposefsLayer::check_dir(const Inode& dir, Nid parent) const {
  if (dir.size == 0) return {};
  TRY_ASSIGN(const auto self, image_->find(dir, "."));
  TRY_ASSIGN(const auto up, image_->find(dir, ".."));
  if (self == dir.nid && up == parent) return {};
  return image_->file().bad(
      dir.offset,
      fmt::format("directory {} is not itself, or not in {}", dir.nid, parent));
}

Result<std::optional<Child>> ComposefsLayer::make_child(
    const ComposefsNode& dir, Name name, Nid nid) {
  Window window(image_->file());
  TRY_ASSIGN(const Inode inode, image_->inode(nid, window));
  if (is_stub(inode)) return std::optional<Child>();
  Child child;
  child.attr = attr_of(inode);
  if (is_whiteout(inode)) {
    child.marks.whiteout = true;
    return std::optional(std::move(child));
  }
  TRY_ASSIGN(Seen seen, look_at_xattrs(inode, window));
  child.marks = std::move(seen.marks);
  if (seen.whiteout_xattr && may_be_whiteout(dir, inode)) {
    child.marks = Marks{.whiteout = true};
    return std::optional(std::move(child));
  }
  auto node = make_ref<ComposefsNode>(ComposefsNodeRef(&dir), name, nid);
  if (inode.is_dir()) {
    if (nid == dir.nid() || nid == image_->root() || dir.depth() >= kDeepest) {
      return image_->file().bad(inode.offset,
                                "directories in a circle, or too deep");
    }
    TRY(check_dir(inode, dir.nid()));
    node->dir = std::make_unique<const Inode>(inode);
    node->xattr_whiteouts = seen.xattr_whiteouts;
  }
  child.node = std::move(node);
  return std::optional(std::move(child));
}

Result<std::optional<Child>> ComposefsLayer::lookup(const LayerNode& dir,
                                                    Name name) {
  const ComposefsNode& parent = of(dir);
  if (name.size() > kLongestName) return Error(ENAMETOOLONG, "lookup");
  if (!parent.dir) return Error(ENOTDIR, "lookup");
  TRY_ASSIGN(const auto nid, image_->find(*parent.dir, name));
  if (!nid) return std::optional<Child>();
  return make_child(parent, name, *nid);
}

// False for what is not to be listed.
Result<bool> ComposefsLayer::visit_entry(const ComposefsNode& dir,
                                         const DirItem& item,
                                         DirEntry& entry) const {
  if (item.name == "." || item.name == "..") return false;
  entry = {.name = item.name, .ino = item.nid, .type = dirent_type(item.type)};
  const bool is_device =
      item.type == FileType::kCharDevice && options_.mode == ServeMode::kFollow;
  const bool is_candidate =
      item.type == FileType::kRegular && dir.xattr_whiteouts;
  if (entry.type != DT_UNKNOWN && !is_device && !is_candidate) return true;
  Window window(image_->file());
  TRY_ASSIGN(const Inode inode, image_->inode(item.nid, window));
  entry.type = dirent_type(inode.mode);
  if (is_stub(inode)) return false;
  entry.whiteout = is_whiteout(inode);
  if (may_be_whiteout(dir, inode)) {
    TRY_ASSIGN(const Seen seen, look_at_xattrs(inode, window));
    entry.whiteout = seen.whiteout_xattr;
  }
  return true;
}

Result<void> ComposefsLayer::read_dir(
    const LayerNode& dir, const std::function<void(const DirEntry&)>& sink) {
  const ComposefsNode& node = of(dir);
  if (!node.dir) return Error(ENOTDIR, "readdir");
  Result<void> done;
  TRY(image_->read_dir(*node.dir, [&](const DirItem& item) {
    DirEntry entry;
    const auto listed = visit_entry(node, item, entry);
    if (!listed) {
      done = listed.error();
      return false;
    }
    if (*listed) sink(entry);
    return true;
  }));
  return done;
}

std::string ComposefsLayer::path_of(const LayerNode& node) const {
  std::vector<std::string_view> names;
  for (const ComposefsNode* at = &of(node); at->parent();
       at = at->parent().get()) {
    names.push_back(at->name());
  }
  std::ranges::reverse(names);
  return fmt::format("{}", fmt::join(names, "/"));
}

Result<void> ComposefsLayer::stat_fs(struct statvfs& out) {
  const ImageInfo& info = image_->info();
  out = {};
  out.f_bsize = info.block_size();
  out.f_frsize = info.block_size();
  out.f_blocks = info.super.blocks;
  out.f_files = info.super.inode_count;
  out.f_namemax = kLongestName;
  out.f_flag = ST_RDONLY;
  return {};
}

}  // namespace veneer::composefs
