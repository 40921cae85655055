// SPDX-License-Identifier: MIT
//
// A read-only layer in memory: one directory of files. As much as the FUSE
// service needs to have something to talk about.

#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <map>
#include <string>

#include "veneer/layer.h"

namespace veneer::fuse {

class MemoryLayer : public Layer {
 public:
  explicit MemoryLayer(const std::map<std::string, std::string>& files) {
    root_ = make_child(S_IFDIR | 0755, "", "");
    for (const auto& [name, content] : files) {
      children_[name] = make_child(S_IFREG | 0644, name, content);
    }
  }

  const Child& root() const override { return root_; }

  Result<std::optional<Child>> lookup(const LayerNode& /*dir*/,
                                      Name name) override {
    const auto found = children_.find(std::string(name));
    if (found == children_.end()) return std::optional<Child>();
    return std::optional<Child>(found->second);
  }
  Result<void> read_dir(
      const LayerNode& /*dir*/,
      const std::function<void(const DirEntry&)>& sink) override {
    for (const auto& [name, child] : children_) {
      sink({.name = name, .ino = child.attr.ino, .type = DT_REG});
    }
    return {};
  }
  Result<Attr> get_attr(const LayerNode& node) override {
    return of(node).attr;
  }
  Result<std::string> read_link(const LayerNode& /*node*/) override {
    return Error(EINVAL, "readlink");
  }
  Result<std::optional<std::string>> get_xattr(
      const LayerNode& /*node*/, const std::string& name) override {
    if (name == "user.five") return std::optional<std::string>("12345");
    return std::optional<std::string>();
  }
  Result<std::string> list_xattrs(const LayerNode& /*node*/) override {
    return std::string("user.five", 10);
  }
  Result<FileData> open_data(const LayerNode& node) override {
    FileData data;
    data.bytes = std::as_bytes(std::span(of(node).content));
    return data;
  }
  Result<unsigned> get_flags(const LayerNode& /*node*/) override {
    return Error(ENOTTY, "ioctl");
  }
  Result<void> get_fsxattr(const LayerNode& /*node*/,
                           fsxattr& /*out*/) override {
    return Error(ENOTTY, "ioctl");
  }
  std::string origin_record(const LayerNode& /*node*/) override { return ""; }
  std::optional<Attr> resolve_origin(std::string_view /*record*/) override {
    return std::nullopt;
  }
  std::string path_of(const LayerNode& node) const override {
    return of(node).name;
  }
  Result<void> stat_fs(struct statvfs& out) override {
    out = {};
    return {};
  }
  bool may_hold_markers() const override { return false; }

 private:
  struct MemoryNode : LayerNode {
    Attr attr;
    std::string name;
    std::string content;
  };
  static const MemoryNode& of(const LayerNode& node) {
    return static_cast<const MemoryNode&>(node);
  }

  Child make_child(mode_t mode, const std::string& name,
                   const std::string& content) {
    auto node = make_ref<MemoryNode>();
    node->name = name;
    node->content = content;
    node->attr.dev = 1;
    node->attr.ino = next_ino_++;
    node->attr.mode = mode;
    node->attr.nlink = S_ISDIR(mode) ? 2 : 1;
    node->attr.size = content.size();
    Child child;
    child.attr = node->attr;
    child.node = node;
    return child;
  }

  std::uint64_t next_ino_ = 100;
  Child root_;
  std::map<std::string, Child> children_;
};

}  // namespace veneer::fuse
