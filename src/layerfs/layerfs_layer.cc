// SPDX-License-Identifier: MIT
//
// The answers of a LayerFS layer to an overlay's questions.

#include "layerfs/layerfs_layer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/log.h"
#include "sys/file.h"

namespace veneer::layerfs {
namespace {

constexpr std::uint32_t kPermissions = 07777;
constexpr std::uint32_t kBlockSize = 4096;
// A layer that is damaged all over does not fill the log.
constexpr unsigned kMostComplaints = 1000;

// The record of overlay.origin: version, magic, length, flags, type, and a
// file system's UUID; the handle behind it is a FileId, big-endian.
constexpr std::string_view kOriginHead("\0\xfb\x1d\0\x76", 5);
constexpr std::size_t kUuidBytes = 16;
constexpr std::size_t kOriginBytes = 5 + kUuidBytes + 8;

// No device of the kernel has such a number.
std::uint64_t next_device() {
  static std::atomic<std::uint64_t> next{std::uint64_t{1} << 63};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

LayerfsNode::~LayerfsNode() {
  if (const DirFile* dir = entries.load(std::memory_order_acquire)) {
    held->give_back(dir->memory());
    dir->drop_ref();
  }
  LayerfsNodeRef above = std::move(parent);
  while (above && above->is_last_ref()) {
    above = std::move(const_cast<LayerfsNode&>(*above).parent);
  }
}

LayerfsLayer::LayerfsLayer(std::shared_ptr<LayerReader> reader,
                           const ViewOptions& options)
    : reader_(std::move(reader)),
      uid_(options.uid.value_or(::geteuid())),
      gid_(options.gid.value_or(::getegid())),
      dev_(next_device()),
      held_(new HeldBytes(options.directory_bytes / 2)) {
  reader_->set_directory_bytes(options.directory_bytes / 2);
}

Result<std::unique_ptr<LayerfsLayer>> LayerfsLayer::open(
    std::shared_ptr<LayerReader> reader, const ViewOptions& options) {
  std::unique_ptr<LayerfsLayer> layer(
      new LayerfsLayer(std::move(reader), options));
  const FileId id = layer->reader_->root();
  TRY_ASSIGN(const InodeRecord inode, layer->reader_->inode(id));
  if (inode.kind != Kind::kDirectory) {
    return layer->reader_->top().about(
        Error(EIO, "read", "the root is no directory"), kFileTable);
  }
  TRY_ASSIGN(layer->root_.attr, layer->attr_of(id, inode));
  layer->root_.node =
      make_ref<LayerfsNode>(id, inode.kind, nullptr, "", layer->held_);
  const VeneerHeader* const header = layer->reader_->top().header();
  layer->root_.marks.opaque = header != nullptr && header->root_opaque;
  layer->root_.marks.no_xattrs = true;
  return layer;
}

Error LayerfsLayer::logged(Error error) {
  const unsigned before = complaints_.fetch_add(1, std::memory_order_relaxed);
  if (before < kMostComplaints) log_error("{}", error.message());
  return error;
}

Result<Attr> LayerfsLayer::attr_of(FileId id, const InodeRecord& inode) {
  if (inode.kind == Kind::kCharDevice || inode.kind == Kind::kBlockDevice) {
    // It has no number here, and 0:0 would be a whiteout.
    return reader_->layer(id.layer).about(
        Error(
            EIO, "read",
            "offset " + std::to_string(position_of(id.offset)) + ": a device"),
        kFileTable);
  }
  TRY_ASSIGN(const AttributesRecord record, reader_->attributes(id, inode));
  const std::uint64_t size = length_of(inode.content);
  if (size > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return reader_->layer(id.layer).about(
        Error(EIO, "read",
              "offset " + std::to_string(position_of(id.offset)) +
                  ": a file of " + std::to_string(size) + " bytes"),
        kFileTable);
  }
  Attr attr;
  attr.dev = dev_;
  attr.ino = id.number();
  attr.mode = type_bits(inode.kind) | (record.mode & kPermissions);
  TRY_ASSIGN(attr.nlink, reader_->nlink(id, inode));
  attr.uid = uid_;
  attr.gid = gid_;
  attr.size = size;
  attr.blocks = (size + 511) / 512;
  attr.blksize = kBlockSize;
  attr.mtime.tv_sec = record.mtime;
  attr.atime = attr.mtime;
  attr.ctime = attr.mtime;
  return attr;
}

// Two threads may both read a directory; one of them gives the node its own.
Result<DirFileRef> LayerfsLayer::entries_of(const LayerfsNode& dir) {
  if (const auto* ready = dir.entries.load(std::memory_order_acquire)) {
    return DirFileRef(ready);
  }
  TRY_ASSIGN(DirFileRef entries, reader_->dir(dir.id));
  if (!held_->take(entries->memory())) return entries;
  const DirFile* none = nullptr;
  if (dir.entries.compare_exchange_strong(none, entries.get(),
                                          std::memory_order_acq_rel)) {
    entries->add_ref();
  } else {
    held_->give_back(entries->memory());
  }
  return entries;
}

Result<std::optional<Child>> LayerfsLayer::lookup(const LayerNode& dir,
                                                  Name name) {
  const LayerfsNode& parent = layerfs(dir);
  if (parent.kind != Kind::kDirectory) return Error(ENOTDIR, "lookup");
  if (name.size() > kLongestName) return Error(ENAMETOOLONG, "lookup");
  const auto entries = entries_of(parent);
  if (!entries) return logged(entries.error());
  const auto target = (*entries)->find(name);
  if (!target) return std::optional<Child>();
  Child child;
  if (target->whiteout) {
    child.marks.whiteout = true;
    return std::optional(std::move(child));
  }
  const auto inode = reader_->inode(target->id);
  if (!inode) return logged(inode.error());
  const auto attr = attr_of(target->id, *inode);
  if (!attr) return logged(attr.error());
  child.attr = *attr;
  child.marks.opaque = target->opaque && inode->kind == Kind::kDirectory;
  child.marks.no_xattrs = true;
  child.node =
      make_ref<LayerfsNode>(target->id, inode->kind, LayerfsNodeRef(&parent),
                            std::string(name), held_);
  return std::optional(std::move(child));
}

Result<void> LayerfsLayer::read_dir(
    const LayerNode& dir, const std::function<void(const DirEntry&)>& sink) {
  const LayerfsNode& node = layerfs(dir);
  if (node.kind != Kind::kDirectory) return Error(ENOTDIR, "readdir");
  const auto entries = entries_of(node);
  if (!entries) return logged(entries.error());
  Result<void> done;
  (*entries)->for_each([&](const DirItem& item) {
    // What no directory can show, nobody can ask for either.
    if (!done || !is_valid_name(item.name)) return;
    DirEntry entry{.name = item.name};
    entry.whiteout = item.target.whiteout;
    if (!entry.whiteout) {
      const auto kind = reader_->kind_of(item.target);
      if (!kind) {
        done = logged(kind.error());
        return;
      }
      entry.ino = item.target.id.number();
      entry.type = dirent_type(*kind);
    }
    sink(entry);
  });
  return done;
}

Result<Attr> LayerfsLayer::get_attr(const LayerNode& node) {
  const FileId id = layerfs(node).id;
  const auto inode = reader_->inode(id);
  if (!inode) return logged(inode.error());
  const auto attr = attr_of(id, *inode);
  if (!attr) return logged(attr.error());
  return attr;
}

Result<std::string> LayerfsLayer::read_link(const LayerNode& node) {
  const LayerfsNode& link = layerfs(node);
  if (link.kind != Kind::kSymlink) return Error(EINVAL, "readlink");
  const auto inode = reader_->inode(link.id);
  if (!inode) return logged(inode.error());
  auto target = reader_->read_link(link.id, *inode);
  if (!target) return logged(target.error());
  return target;
}

Result<std::optional<std::string>> LayerfsLayer::get_xattr(const LayerNode&,
                                                           const std::string&) {
  return std::optional<std::string>();
}

Result<std::string> LayerfsLayer::list_xattrs(const LayerNode&) {
  return std::string();
}

Result<FileData> LayerfsLayer::open_data(const LayerNode& node) {
  const LayerfsNode& file = layerfs(node);
  if (file.kind != Kind::kRegular) return Error(EINVAL, "open");
  const auto inode = reader_->inode(file.id);
  if (!inode) return logged(inode.error());
  auto source = reader_->open_content(file.id, inode->content);
  if (!source) return logged(source.error());
  FileData data;
  data.length = 0;
  if (!*source) return data;
  data.fd = (*source)->fd->get();
  data.offset = (*source)->offset;
  data.length = (*source)->length;
  data.owner = std::move((*source)->fd);
  return data;
}

Result<unsigned> LayerfsLayer::get_flags(const LayerNode&) {
  return Error(ENOTTY, "get flags");
}

Result<void> LayerfsLayer::get_fsxattr(const LayerNode&, fsxattr&) {
  return Error(ENOTTY, "get flags");
}

std::string LayerfsLayer::origin_record(const LayerNode& node) {
  const FileId id = layerfs(node).id;
  const Digest256& identity = reader_->top().identity();
  std::string record(kOriginHead);
  record.append(identity.begin(), identity.begin() + kUuidBytes);
  char handle[8];
  store_be(handle, id.number());
  return record.append(handle, sizeof(handle));
}

std::optional<Attr> LayerfsLayer::resolve_origin(std::string_view record) {
  const Digest256& identity = reader_->top().identity();
  if (record.size() != kOriginBytes || !record.starts_with(kOriginHead) ||
      !std::ranges::equal(
          record.substr(kOriginHead.size(), kUuidBytes),
          std::span(identity).first(kUuidBytes), {},
          [](char c) { return static_cast<std::uint8_t>(c); })) {
    return std::nullopt;
  }
  const auto number = load_be<std::uint64_t>(record.data() + kOriginBytes - 8);
  const FileId id{static_cast<std::uint32_t>(number >> 32),
                  static_cast<std::uint32_t>(number)};
  const auto inode = reader_->inode(id);
  if (!inode) return std::nullopt;
  const auto attr = attr_of(id, *inode);
  if (!attr) return std::nullopt;
  return *attr;
}

std::string LayerfsLayer::path_of(const LayerNode& node) const {
  std::vector<std::string_view> names;
  for (const LayerfsNode* at = &layerfs(node); at->parent;
       at = at->parent.get()) {
    names.push_back(at->name);
  }
  std::string path;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (!path.empty()) path.push_back('/');
    path.append(*name);
  }
  return path;
}

Result<void> LayerfsLayer::stat_fs(struct statvfs& out) {
  TRY_ASSIGN(out, sys::stat_fs(reader_->top().dir_fd()));
  return {};
}

}  // namespace veneer::layerfs
