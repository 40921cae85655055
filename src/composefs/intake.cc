// SPDX-License-Identifier: MIT

#include "composefs/intake.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "base/bytes.h"
#include "composefs/format.h"
#include "sys/file.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;
constexpr std::size_t kLongestTarget = 4095;
// As dumps have it: seven bytes for each xattr, and twelve.
constexpr std::size_t kMostXattrBytes = 32767;

Error changed() { return Error(EAGAIN, "read: it was changed meanwhile"); }

// A path in the order of a walk: what is below a directory stands before what
// comes after it.
std::string walk_order(std::string path) {
  std::ranges::replace(path, '/', '\0');
  return path;
}

}  // namespace

NodeAttributes attributes_of(const Attr& attr, const SourceOptions& options) {
  NodeAttributes result;
  result.mode = attr.mode;
  result.uid = attr.uid;
  result.gid = attr.gid;
  result.rdev = static_cast<std::uint32_t>(attr.rdev);
  result.size = S_ISREG(attr.mode) ? attr.size : 0;
  if (!options.use_epoch) {
    result.mtime = attr.mtime.tv_sec;
    result.mtime_nsec = static_cast<std::uint32_t>(attr.mtime.tv_nsec);
  }
  return result;
}

bool wants_xattr(std::string_view name, const SourceOptions& options) {
  if (options.skip_xattrs) return false;
  return !options.user_xattrs || name.starts_with("user.");
}

Result<void> fill_node(Tree& tree, NodeIndex node, const Found& found) {
  const std::uint32_t mode = found.attributes.mode;
  if (S_ISLNK(mode)) {
    if (found.text.size() > kLongestTarget) {
      return Error(ENAMETOOLONG, "read link");
    }
    TRY(tree.set_target(node, found.text));
  } else if (S_ISREG(mode) && found.digest) {
    tree.set_digest(node, *found.digest, true);
  } else if (S_ISREG(mode)) {
    TRY(tree.set_content(node, found.text));
  }
  return set_node_xattrs(tree, node, found);
}

Result<void> set_node_xattrs(Tree& tree, NodeIndex node, const Found& found) {
  std::vector<TreeXattr> views;
  std::size_t bytes = 12;
  for (const auto& [name, value] : found.xattrs) {
    views.push_back({name, value});
    bytes += 7 + name.size() + value.size();
  }
  if (bytes > kMostXattrBytes) return Error(ERANGE, "store xattrs of");
  // Not in the order in which a filesystem lists them.
  std::ranges::sort(views, {}, &TreeXattr::name);
  return tree.set_xattrs(node, views);
}

// --- The tree ----------------------------------------------------------------

Result<std::vector<NodeIndex>> Intake::add(NodeIndex parent,
                                           std::span<const Found> found) {
  std::vector<NodeIndex> nodes;
  nodes.reserve(found.size());
  const MutexLock lock(mutex_);
  for (const Found& object : found) {
    auto node = add_one(parent, object);
    if (!node) {
      return node.error().about(path_locked(parent, object.name));
    }
    nodes.push_back(*node);
  }
  if (options_.on_progress &&
      !options_.on_progress({"scanning", tree_->size()})) {
    return Error(ECANCELED, "read");
  }
  return nodes;
}

std::string Intake::path(NodeIndex dir, std::string_view name) {
  const MutexLock lock(mutex_);
  return path_locked(dir, name);
}

std::string Intake::path_locked(NodeIndex dir, std::string_view name) const {
  std::string path = tree_->size() > 0 ? tree_->path(dir) : "";
  if (path != "/") path += '/';
  return path.append(name);
}

Result<NodeIndex> Intake::add_one(NodeIndex parent, const Found& found) {
  TRY_ASSIGN(const NodeIndex node,
             tree_->add(parent, found.name, found.attributes));
  TRY(fill_node(*tree_, node, found));
  if (options_.hardlinks && found.ino != 0) {
    aliases_.push_back({found.dev, found.ino, node, {}});
  }
  return node;
}

// Of the names of a file the first in the order of a walk is the file.
void Intake::link_aliases() {
  for (Alias& alias : aliases_) {
    alias.path = walk_order(tree_->path(alias.node));
  }
  std::ranges::sort(aliases_, {}, [](const Alias& alias) {
    return std::tie(alias.dev, alias.ino, alias.path);
  });
  for (std::size_t i = 0; i < aliases_.size();) {
    const Alias& first = aliases_[i];
    std::uint32_t names = 1;
    for (++i; i < aliases_.size() && aliases_[i].dev == first.dev &&
              aliases_[i].ino == first.ino;
         ++i, ++names) {
      tree_->set_link(aliases_[i].node, first.node);
    }
    tree_->edit(first.node).nlink = names;
  }
}

Result<TreePtr> Intake::finish(const std::string& name) {
  const MutexLock lock(mutex_);
  link_aliases();
  if (const auto fault = tree_->finish()) {
    return Error(
        EINVAL, "",
        fmt::format("{}: {}: {}", name, tree_->path(fault->node), fault->what));
  }
  return std::move(tree_);
}

// --- Content -----------------------------------------------------------------

Result<void> ContentReader::read(const Content& content, Found& found) {
  if (content.size == 0) return {};
  if (content.size <= kInlineFromDirectory) {
    if (content.bytes) {
      found.text = as_text(*content.bytes);
      return {};
    }
    found.text.resize(content.size);
    TRY_ASSIGN(const std::size_t got,
               sys::pread_full(content.fd, found.text.data(), found.text.size(),
                               content.offset));
    return got == content.size ? Result<void>() : changed();
  }
  ObjectContent object = {content.fd, content.offset, content.size,
                          content.bytes};
  TRY_ASSIGN(found.digest, hash(content, object));
  if (options_.store == nullptr) return {};
  return options_.store->put(*found.digest, object, options_.transfer);
}

// What fits into the buffer is left in `object`, so that what goes to the store
// is what was hashed.
Result<Digest256> ContentReader::hash(const Content& content,
                                      ObjectContent& object) {
  if (content.bytes) {
    hasher_.update(*content.bytes);
    return hasher_.finish();
  }
  if (buffer_.empty()) buffer_.resize(kBuffer);
  for (std::uint64_t done = 0; done < content.size;) {
    const std::size_t wanted =
        std::min<std::uint64_t>(content.size - done, kBuffer);
    auto got = sys::pread_full(content.fd, buffer_.data(), wanted,
                               content.offset + done);
    if (!got || *got != wanted) {
      hasher_.finish();
      return got ? Result<Digest256>(changed()) : std::move(got).error();
    }
    hasher_.update(std::span(buffer_).first(wanted));
    done += wanted;
  }
  // Sharing extents with the source is better than a copy from memory.
  const bool may_share =
      options_.transfer != Transfer::kCopy && content.size > kBlockSize;
  if (!may_share && content.size <= kBuffer) {
    object.bytes = std::span(buffer_).first(content.size);
  }
  return hasher_.finish();
}

}  // namespace veneer::composefs
