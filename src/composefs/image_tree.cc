// SPDX-License-Identifier: MIT
//
// A walk through all of an image, directories before what is in them, entries
// by name: an inode that is met again is a hard link to where it was met first.

#include "composefs/image_tree.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "composefs/format.h"
#include "composefs/metacopy.h"
#include "composefs/xattr_view.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kMostLevels = 2048;

// composefs' own where it stands for a whiteout.
bool is_whiteouts_name(std::string_view name) {
  return name == kEscapedWhiteout || name == kEscapedWhiteouts ||
         name == kUserWhiteout || name == kUserWhiteouts;
}

class ImageReader {
 public:
  explicit ImageReader(const Image& image)
      : image_(image), window_(image.file()), tree_(std::make_unique<Tree>()) {}

  Result<TreePtr> read();

 private:
  struct Entry {
    std::string name;
    Nid nid = 0;
  };
  // A directory whose entries are being read.
  struct Level {
    NodeIndex node = kRootNode;
    std::vector<Entry> entries;
    std::size_t next = 0;
  };
  // What an inode's xattrs say.
  struct Xattrs {
    std::vector<std::pair<std::string, std::string>> users;
    std::string redirect;
    std::string metacopy;
    bool is_whiteout = false;
  };

  Result<void> enter(NodeIndex node, const Inode& dir);
  Result<void> read_entry(NodeIndex parent, const Entry& entry);
  Result<NodeIndex> add(NodeIndex parent, std::string_view name,
                        const Inode& inode);
  Result<Xattrs> read_xattrs(const Inode& inode);
  Result<void> fill_regular(NodeIndex node, const Inode& inode,
                            const Xattrs& xattrs);

  const Image& image_;
  Window window_;
  TreePtr tree_;
  std::vector<Level> levels_;
  absl::flat_hash_map<Nid, NodeIndex> seen_;
};

Result<TreePtr> ImageReader::read() {
  TRY_ASSIGN(const Inode root, image_.inode(image_.root(), window_));
  if (!root.is_dir()) {
    return image_.file().bad(root.offset, "the root is no directory");
  }
  TRY_ASSIGN(const NodeIndex node, add(kRootNode, "", root));
  TRY(enter(node, root));
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.next == level.entries.size()) {
      levels_.pop_back();
      continue;
    }
    const Entry entry = std::move(level.entries[level.next++]);
    TRY(read_entry(level.node, entry));
  }
  if (const auto fault = tree_->finish()) {
    return Error(EUCLEAN, "",
                 fmt::format("{}: {}: {}", image_.file().name(),
                             tree_->path(fault->node), fault->what));
  }
  return std::move(tree_);
}

Result<void> ImageReader::enter(NodeIndex node, const Inode& dir) {
  if (levels_.size() >= kMostLevels) {
    return image_.file().bad(dir.offset, "too many levels of directories");
  }
  Level level{node, {}, 0};
  TRY(image_.read_dir(dir, [&level](const DirItem& item) {
    if (item.name != "." && item.name != "..") {
      level.entries.push_back({std::string(item.name), item.nid});
    }
    return true;
  }));
  levels_.push_back(std::move(level));
  return {};
}

Result<void> ImageReader::read_entry(NodeIndex parent, const Entry& entry) {
  TRY_ASSIGN(const Inode inode, image_.inode(entry.nid, window_));
  if (inode.is_null_device()) return {};  // a stub
  if (const auto seen = seen_.find(entry.nid); seen != seen_.end()) {
    if (inode.is_dir()) {
      return image_.file().bad(inode.offset, "a directory in two places");
    }
    TRY_ASSIGN(const NodeIndex link,
               tree_->add(parent, entry.name, {.mode = inode.mode}));
    tree_->set_link(link, seen->second);
    return {};
  }
  TRY_ASSIGN(const NodeIndex node, add(parent, entry.name, inode));
  return inode.is_dir() ? enter(node, inode) : Result<void>();
}

Result<NodeIndex> ImageReader::add(NodeIndex parent, std::string_view name,
                                   const Inode& inode) {
  TRY_ASSIGN(const Xattrs xattrs, read_xattrs(inode));
  const bool is_whiteout = inode.is_regular() && xattrs.is_whiteout;
  NodeAttributes attributes;
  attributes.mode = is_whiteout
                        ? (inode.mode & ~std::uint32_t{S_IFMT}) | S_IFCHR
                        : inode.mode;
  attributes.nlink = inode.nlink;
  attributes.uid = inode.uid;
  attributes.gid = inode.gid;
  attributes.rdev = is_whiteout ? 0 : inode.data;
  attributes.size = is_whiteout ? 0 : inode.size;
  attributes.mtime = inode.mtime;
  attributes.mtime_nsec = inode.mtime_nsec;
  TRY_ASSIGN(const NodeIndex node, tree_->add(parent, name, attributes));
  seen_.emplace(inode.nid, node);
  if (inode.is_symlink()) {
    TRY_ASSIGN(const std::string target, image_.read_link(inode));
    TRY(tree_->set_target(node, target));
  }
  if (inode.is_regular() && !is_whiteout && inode.size > 0) {
    TRY(fill_regular(node, inode, xattrs));
  }
  std::vector<TreeXattr> views;
  for (const auto& [key, value] : xattrs.users) views.push_back({key, value});
  TRY(tree_->set_xattrs(node, views));
  return node;
}

Result<ImageReader::Xattrs> ImageReader::read_xattrs(const Inode& inode) {
  Xattrs found;
  bool is_too_long = false;
  const auto take = [&](const StoredXattr& xattr) {
    const std::string stored = xattr.name();
    if (stored == kRedirectName) found.redirect = xattr.value;
    if (stored == kMetacopyName) found.metacopy = xattr.value;
    found.is_whiteout |= stored == kEscapedWhiteout;
    if (is_whiteouts_name(stored)) return true;
    auto name = logical_name(stored);
    if (!name) return true;
    is_too_long |= name->size() > kLongestName;
    found.users.emplace_back(*std::move(name), xattr.value);
    return true;
  };
  TRY(image_.for_each_xattr(inode, window_, take));
  if (is_too_long) {
    return image_.file().bad(inode.offset, "the name of an xattr is too long");
  }
  return found;
}

Result<void> ImageReader::fill_regular(NodeIndex node, const Inode& inode,
                                       const Xattrs& xattrs) {
  if (inode.layout != DataLayout::kChunkBased) {
    if (inode.size > kMaxInlineContent) {
      return Error(
          ENOTSUP, "",
          fmt::format("{}: {}: a dump cannot have {} bytes of content",
                      image_.file().name(), tree_->path(node), inode.size));
    }
    std::string content(inode.size, '\0');
    TRY(image_.read(inode, 0, std::as_writable_bytes(std::span(content))));
    return tree_->set_content(node, content);
  }
  std::string_view payload = xattrs.redirect;
  if (payload.starts_with('/')) payload.remove_prefix(1);
  TRY(tree_->set_payload(node, payload));
  if (xattrs.metacopy.empty()) return {};
  TRY_ASSIGN(const auto digest, decode_metacopy(xattrs.metacopy));
  if (digest) tree_->set_digest(node, *digest, false);
  return {};
}

}  // namespace

Result<TreePtr> read_image_tree(const Image& image) {
  return ImageReader(image).read();
}

}  // namespace veneer::composefs
