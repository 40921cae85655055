// SPDX-License-Identifier: MIT

#include "composefs/tree.h"

#include <algorithm>
#include <cerrno>

#include "composefs/format.h"

namespace veneer::composefs {
namespace {

// Numbers above are left for the stubs that a plan adds.
constexpr std::size_t kMostNodes = 0xfffff000;

}  // namespace

// --- Building ----------------------------------------------------------------

Result<NodeIndex> Tree::add(NodeIndex parent, std::string_view name,
                            const NodeAttributes& attributes) {
  if (nodes_.size() >= kMostNodes) return Error(EFBIG, "add to the tree");
  TRY_ASSIGN(const Arena::Ref name_ref, arena_.add(name));
  TreeNode node;
  node.size = attributes.size;
  node.mtime = attributes.mtime;
  node.mtime_nsec = attributes.mtime_nsec;
  node.name = name_ref;
  node.parent = parent;
  node.nlink = attributes.nlink;
  node.uid = attributes.uid;
  node.gid = attributes.gid;
  node.mode = static_cast<std::uint16_t>(attributes.mode);
  if (node.is_device()) node.rdev = attributes.rdev;
  nodes_.push_back(node);
  return static_cast<NodeIndex>(nodes_.size() - 1);
}

Result<void> Tree::set_content(NodeIndex index, std::string_view content) {
  TreeNode& node = nodes_[index];
  node.size = content.size();
  if (content.empty()) return {};
  TRY_ASSIGN(node.data, arena_.add(content));
  node.is_inline = true;
  return {};
}

Result<void> Tree::set_target(NodeIndex index, std::string_view target) {
  TreeNode& node = nodes_[index];
  node.size = target.size();
  TRY_ASSIGN(node.data, arena_.add(target));
  return {};
}

Result<void> Tree::set_payload(NodeIndex index, std::string_view payload) {
  TreeNode& node = nodes_[index];
  if (payload.empty()) return {};
  if (const auto digest = digest_from_object_name(payload)) {
    node.payload = digests_.add(*digest);
    node.payload_kind = PayloadKind::kDigest;
    return {};
  }
  TRY_ASSIGN(node.payload, texts_.add(payload));
  node.payload_kind = PayloadKind::kText;
  return {};
}

void Tree::set_digest(NodeIndex index, const Digest256& digest,
                      bool as_payload) {
  TreeNode& node = nodes_[index];
  node.data = digests_.add(digest);
  if (!as_payload) return;
  node.payload = node.data;
  node.payload_kind = PayloadKind::kDigest;
}

Result<void> Tree::set_xattrs(NodeIndex index,
                              std::span<const TreeXattr> xattrs) {
  if (xattrs.empty()) return {};
  std::string ids;
  std::string item;
  for (const TreeXattr& xattr : xattrs) {
    item.assign(1, static_cast<char>(xattr.name.size()));
    item.append(xattr.name).append(xattr.value);
    TRY_ASSIGN(const std::uint32_t id, xattrs_.add(item));
    ids.append(reinterpret_cast<const char*>(&id), sizeof(id));
  }
  TRY_ASSIGN(nodes_[index].xattrs, xattr_sets_.add(ids));
  return {};
}

void Tree::set_link(NodeIndex index, NodeIndex target) {
  TreeNode& node = nodes_[index];
  node.is_link = true;
  node.is_inline = false;
  node.data = target;
}

Result<void> Tree::set_link(NodeIndex index, std::string_view path) {
  TreeNode& node = nodes_[index];
  node.is_link = true;
  node.is_path_link = true;
  TRY_ASSIGN(node.data, arena_.add(path));
  return {};
}

void Tree::drop(NodeIndex index) {
  // Without a type it is nothing that anybody asks for.
  TreeNode& node = nodes_[index];
  node.mode = 0;
  node.is_link = false;
}

// --- Closing -----------------------------------------------------------------

std::optional<TreeFault> Tree::finish() {
  group_children();
  if (auto fault = sort_children()) return fault;
  return resolve_links();
}

// Children of one directory one after the other, as they were added.
void Tree::group_children() {
  for (NodeIndex i = 1; i < size(); ++i) {
    if (nodes_[nodes_[i].parent].is_dropped()) drop(i);
    if (!nodes_[i].is_dropped()) ++nodes_[nodes_[i].parent].payload;
  }
  std::uint32_t end = 0;
  for (NodeIndex i = 0; i < size(); ++i) {
    TreeNode& node = nodes_[i];
    if (!node.is_dir()) continue;
    node.data = end;
    end += node.payload;
    node.payload = 0;
  }
  children_.resize(end);
  for (NodeIndex i = 1; i < size(); ++i) {
    if (nodes_[i].is_dropped()) continue;
    TreeNode& dir = nodes_[nodes_[i].parent];
    children_[dir.data + dir.payload++] = i;
  }
}

std::optional<TreeFault> Tree::sort_children() {
  const auto name_of = [this](NodeIndex index) { return name(nodes_[index]); };
  for (NodeIndex i = 0; i < size(); ++i) {
    const TreeNode& dir = nodes_[i];
    if (!dir.is_dir()) continue;
    const auto found = std::span(children_).subspan(dir.data, dir.payload);
    // Most inputs are sorted, which is half the work to see.
    if (!std::ranges::is_sorted(found, {}, name_of)) {
      std::ranges::stable_sort(found, {}, name_of);
    }
    const auto twice = std::ranges::adjacent_find(found, {}, name_of);
    if (twice != found.end()) {
      return TreeFault{*(twice + 1), "the name is there twice"};
    }
  }
  return std::nullopt;
}

std::optional<TreeFault> Tree::resolve_links() {
  for (NodeIndex i = 0; i < size(); ++i) {
    if (!nodes_[i].is_link) continue;
    if (auto what = resolve_link(i)) return TreeFault{i, *std::move(what)};
  }
  return std::nullopt;
}

// Follows the chain that begins at `link`, and makes all of it lead to its end.
std::optional<std::string> Tree::resolve_link(NodeIndex link) {
  std::vector<NodeIndex> chain;
  NodeIndex at = link;
  while (nodes_[at].is_link) {
    TreeNode& node = nodes_[at];
    // One that is on the chain leads to itself until its end is known.
    if (!node.is_path_link && node.data == at) {
      return "the hard link leads to itself";
    }
    chain.push_back(at);
    if (node.is_path_link) {
      const auto next = walk(arena_.get(node.data));
      if (!next) return "the hard link's target is not there";
      node.is_path_link = false;
      node.data = at;
      at = *next;
    } else {
      at = std::exchange(node.data, at);
    }
  }
  if (nodes_[at].is_dir()) return "a hard link to a directory";
  if (nodes_[at].is_dropped()) return "the hard link's target was replaced";
  for (const NodeIndex each : chain) nodes_[each].data = at;
  return std::nullopt;
}

std::optional<NodeIndex> Tree::walk(std::string_view path) const {
  NodeIndex at = kRootNode;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty()) continue;
    if (!nodes_[at].is_dir()) return std::nullopt;
    const auto next = find(at, part);
    if (!next) return std::nullopt;
    at = *next;
  }
  return at;
}

// --- Looking -----------------------------------------------------------------

std::optional<NodeIndex> Tree::find(NodeIndex dir,
                                    std::string_view wanted) const {
  const auto found = children(nodes_[dir]);
  const auto name_of = [this](NodeIndex index) { return name(nodes_[index]); };
  const auto at = std::ranges::lower_bound(found, wanted, {}, name_of);
  if (at == found.end() || name_of(*at) != wanted) return std::nullopt;
  return *at;
}

std::string Tree::path(NodeIndex index) const {
  std::vector<std::string_view> parts;
  for (; index != kRootNode; index = nodes_[index].parent) {
    parts.push_back(name(nodes_[index]));
  }
  if (parts.empty()) return "/";
  std::string whole;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    whole.append("/").append(*part);
  }
  return whole;
}

std::string Tree::payload(const TreeNode& node) const {
  if (!node.is_external()) return {};
  switch (node.payload_kind) {
    case PayloadKind::kNone:
      return {};
    case PayloadKind::kDigest:
      return object_name(digests_.get(node.payload));
    case PayloadKind::kText:
      return std::string(texts_.get(node.payload));
  }
  return {};
}

TreeXattr Tree::xattr(std::uint32_t id) const {
  const std::string_view item = xattrs_.get(id);
  const auto name_size = static_cast<unsigned char>(item[0]);
  return {item.substr(1, name_size), item.substr(1 + std::size_t{name_size})};
}

std::string object_name(const Digest256& digest) {
  const std::string hex = to_hex(digest);
  std::string name(hex.size() + 1, '/');
  std::ranges::copy_n(hex.begin(), 2, name.begin());
  std::copy(hex.begin() + 2, hex.end(), name.begin() + 3);
  return name;
}

std::optional<Digest256> digest_from_object_name(std::string_view path) {
  constexpr std::size_t kLength = 2 * sizeof(Digest256) + 1;
  if (path.size() != kLength || path[2] != '/') return std::nullopt;
  // Upper-case digits spell the same digest but another path.
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'F'; };
  if (std::ranges::any_of(path, is_upper)) return std::nullopt;
  char digits[kLength - 1] = {path[0], path[1]};
  std::ranges::copy(path.substr(3), digits + 2);
  return digest_from_hex({digits, sizeof(digits)});
}

}  // namespace veneer::composefs
