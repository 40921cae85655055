// SPDX-License-Identifier: MIT

#include "layer/host/host_tree.h"

#include <fcntl.h>

#include <ranges>
#include <vector>

#include "sys/file.h"
#include "sys/open.h"

namespace veneer::layer {

using sys::SharedFd;
using sys::UniqueFd;

HostNode::~HostNode() {
  HostNodeRef above = std::move(parent_);
  while (above && above->is_last_ref()) {
    HostNodeRef next = std::move(above->parent_);
    above = std::move(next);
  }
}

HostTree::HostTree(UniqueFd root, const Attr& attr, bool changes,
                   std::size_t cached_dirs)
    : root_fd_(sys::share(std::move(root))),
      root_(make_ref<HostNode>(nullptr, std::string(), attr)),
      changes_(changes),
      cache_(cached_dirs) {
  root_->pinned_ = root_fd_;
}

HostTree::Location HostTree::locate(const HostNode& node) const {
  const ReaderLock lock(names_mu_);
  return {node.parent_, node.name_, node.pinned_, node.dev_, node.ino_};
}

bool HostTree::matches(const Location& at, const Attr& attr) const {
  return !changes_ || (attr.ino == at.ino && attr.dev == at.dev);
}

// Asks; where the answer shows that the name had moved on, asks once more
// while nothing moves. `once` reports a moved name as ESTALE or ENOENT.
template <typename T, typename Ask>
Result<T> HostTree::ask(const HostNode& node, const Ask& once) {
  Result<T> answer = once(locate(node));
  if (answer || !changes_) return answer;
  const int code = answer.error().code();
  if (code != ESTALE && code != ENOENT && code != ENOTDIR) return answer;
  const ReaderLock still(moves_);
  return once(locate(node));
}

SharedFd HostTree::known_dir(const HostNode& dir) {
  {
    const MutexLock lock(cache_mu_);
    if (auto* hit = cache_.find(&dir)) return hit->second;
  }
  const ReaderLock lock(names_mu_);
  return dir.pinned_;
}

Result<SharedFd> HostTree::open_below(int parent, const HostNode& dir) {
  const Location at = locate(dir);
  TRY_ASSIGN(UniqueFd opened,
             sys::open_at(parent, at.name.c_str(), O_PATH | O_DIRECTORY));
  if (changes_) {
    TRY_ASSIGN(const Attr attr, sys::stat_fd(opened.get()));
    if (!matches(at, attr)) return Error(ESTALE, "open");
  }
  SharedFd fd = sys::share(std::move(opened));
  const MutexLock lock(cache_mu_);
  cache_.insert(&dir, {Ref<const HostNode>(&dir), fd});
  return fd;
}

// Up to the nearest directory that is open, then down again; the root is
// always open.
Result<SharedFd> HostTree::dir_fd_once(const HostNode& dir) {
  SharedFd fd = known_dir(dir);
  if (fd) return fd;
  std::vector<Ref<const HostNode>> missing;
  Ref<const HostNode> at(&dir);
  do {
    missing.push_back(at);
    at = Ref<const HostNode>(locate(*at).parent);
    if (!at) return Error(ESTALE, "open");
    fd = known_dir(*at);
  } while (!fd);
  for (const auto& node : std::views::reverse(missing)) {
    TRY_ASSIGN(fd, open_below(fd->get(), *node));
  }
  return fd;
}

Result<SharedFd> HostTree::dir_fd(const HostNode& dir) {
  return ask<SharedFd>(dir, [&](const Location&) { return dir_fd_once(dir); });
}

Result<UniqueFd> HostTree::open_once(const Location& at, int flags) {
  if (at.pinned) {
    if ((flags & O_PATH) != 0) return sys::duplicate(at.pinned->get());
    return sys::reopen(at.pinned->get(), flags);
  }
  TRY_ASSIGN(const SharedFd parent, dir_fd_once(*at.parent));
  TRY_ASSIGN(UniqueFd fd, sys::open_at(parent->get(), at.name.c_str(), flags));
  if (changes_) {
    TRY_ASSIGN(const Attr attr, sys::stat_fd(fd.get()));
    if (!matches(at, attr)) return Error(ESTALE, "open");
  }
  return fd;
}

Result<UniqueFd> HostTree::open(const HostNode& node, int flags) {
  return ask<UniqueFd>(
      node, [&](const Location& at) { return open_once(at, flags); });
}

Result<Attr> HostTree::stat_once(const Location& at) {
  if (at.pinned) return sys::stat_fd(at.pinned->get());
  TRY_ASSIGN(const SharedFd parent, dir_fd_once(*at.parent));
  TRY_ASSIGN(const Attr attr, sys::stat_at(parent->get(), at.name.c_str()));
  if (!matches(at, attr)) return Error(ESTALE, "stat");
  return attr;
}

Result<Attr> HostTree::stat(const HostNode& node) {
  return ask<Attr>(node, [&](const Location& at) { return stat_once(at); });
}

std::string HostTree::path_of(const HostNode& node) const {
  const ReaderLock lock(names_mu_);
  std::vector<const std::string*> names;
  for (const HostNode* at = &node; at->parent_; at = at->parent_.get()) {
    names.push_back(&at->name_);
  }
  std::string path;
  for (const std::string* name : std::views::reverse(names)) {
    if (!path.empty()) path.push_back('/');
    path.append(*name);
  }
  return path;
}

void HostTree::relocate(HostNode& node, HostNodeRef parent, Name name) {
  const WriterLock lock(names_mu_);
  std::swap(node.parent_, parent);
  node.name_ = name;
  node.pinned_.reset();
}

bool HostTree::is_at(const HostNode& node, const HostNode& parent,
                     Name name) const {
  const ReaderLock lock(names_mu_);
  return !node.pinned_ && node.parent_.get() == &parent && node.name_ == name;
}

void HostTree::replace(HostNode& node, const Attr& attr) {
  {
    const WriterLock lock(names_mu_);
    node.dev_ = attr.dev;
    node.ino_ = attr.ino;
  }
  const MutexLock lock(cache_mu_);
  cache_.erase(&node);
}

void HostTree::pin(HostNode& node, SharedFd fd) {
  const WriterLock lock(names_mu_);
  node.pinned_ = std::move(fd);
}

bool HostTree::is_pinned(const HostNode& node) const {
  const ReaderLock lock(names_mu_);
  return node.pinned_ != nullptr;
}

}  // namespace veneer::layer
