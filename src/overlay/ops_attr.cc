// SPDX-License-Identifier: MIT
//
// Attributes, xattrs and file flags.
//
// The immutable and append-only flags are the overlay's own, as the kernel has
// it (`protattr`): they bind the users of the mount, not the keeper of the
// upper. Other flags are set on the upper's object itself.

#include <linux/fs.h>
#include <linux/xattr.h>
#include <sys/stat.h>

#include "overlay/core.h"
#include "overlay/filesystem.h"

namespace veneer::overlay {
namespace {

constexpr unsigned kProtected = FS_IMMUTABLE_FL | FS_APPEND_FL;
constexpr std::string_view kDefaultAcl = "system.posix_acl_default";
constexpr std::string_view kTrusted = "trusted.";

Result<void> may_change(const Node& node) {
  if (node.has(kImmutableFlag | kAppendFlag)) return Error(EPERM, "flags");
  return {};
}

}  // namespace

Result<Attr> Filesystem::get_attr(NodeId id) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  return core_->attr_of(*node);
}

Result<Attr> Filesystem::set_attr(const Caller& caller, NodeId id,
                                  const SetAttr& changes) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  const bool only_touch = !changes.mode && !changes.uid && !changes.gid &&
                          !changes.size && changes.any() &&
                          node->has(kAppendFlag) && !node->has(kImmutableFlag);
  if (!only_touch) TRY(may_change(*node));
  const SharedTopology hold(core_->topology);
  SetAttr wanted = changes;
  Need need = Need::kMetadata;
  if (changes.size) {
    if (!node->is_regular()) return Error(EINVAL, "truncate");
    need = *changes.size == 0 ? Need::kNoData : Need::kData;
    if (node->has(kSetIdFlag) && caller.uid != 0) wanted.kill_suid = true;
  }
  if (wanted.size || wanted.kill_suid) {
    TRY_ASSIGN(const Attr before, core_->attr_of(*node));
    wanted.outsider = caller.is_outsider(before.gid);
    // A copy may be cut to size before the upper could notice the change.
    if (wanted.size && !wanted.mtime && before.size != *wanted.size) {
      wanted.mtime = timespec{.tv_sec = 0, .tv_nsec = UTIME_NOW};
    }
  }
  TRY(core_->ensure_upper(*node, need, hold, changes.size));
  TRY(core_->upper->set_attr(*node->upper(), wanted));
  TRY_ASSIGN(const Attr attr, core_->attr_of(*node));
  node->set(kSetIdFlag, (attr.mode & (S_ISUID | S_ISGID)) != 0);
  return attr;
}

Result<std::string> Filesystem::read_link(NodeId id) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  if (node->type != S_IFLNK) return Error(EINVAL, "readlink");
  if (node->upper() != nullptr) return core_->upper->read_link(*node->upper());
  return core_->layer(node->lower_layer).read_link(*node->lower);
}

Result<void> Filesystem::stat_fs(struct statvfs& out) {
  Layer& top = core_->upper ? *core_->upper : *core_->lowers.front();
  return top.stat_fs(out);
}

// --- Xattrs -----------------------------------------------------------------

namespace {

// The layer and the object that say what the node's metadata are.
std::pair<Layer*, const LayerNode*> metadata_of(Core& core, Node& node) {
  if (node.upper() != nullptr) return {core.upper.get(), node.upper()};
  if (node.is_dir()) {
    const LowerPart& part = node.dir->lowers.front();
    return {&core.layer(part.layer), part.node.get()};
  }
  return {&core.layer(node.lower_layer), node.lower.get()};
}

// A name that an object without xattrs need not be asked for; odd ones have
// errors of their own.
bool is_ordinary(std::string_view name) {
  return !name.ends_with('.') &&
         (name.starts_with("user.") || name.starts_with("security.") ||
          name.starts_with("system.posix_acl_"));
}

Result<std::optional<std::string>> read_xattr(Core& core, Node& node,
                                              const std::string& name) {
  if (node.has(kNoXattrsFlag) && is_ordinary(name)) {
    return std::optional<std::string>();
  }
  const auto [layer, object] = metadata_of(core, node);
  if (name == kCapability && node.data_is_upper()) {
    // Core::write_back() takes it away for a moment.
    const MutexLock lock(node.copy_mu);
    return layer->get_xattr(*object, name);
  }
  return layer->get_xattr(*object, name);
}

}  // namespace

Result<std::optional<std::string>> Filesystem::get_xattr(
    const Caller&, NodeId id, const std::string& name) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  return read_xattr(*core_, *node, name);
}

Result<std::string> Filesystem::list_xattrs(const Caller& caller, NodeId id) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  if (node->has(kNoXattrsFlag)) return std::string();
  const auto [layer, object] = metadata_of(*core_, *node);
  TRY_ASSIGN(std::string names, layer->list_xattrs(*object));
  if (caller.uid == 0 || names.find(kTrusted) == std::string::npos) {
    return names;
  }
  // trusted.* is for the privileged, as every local file system has it.
  std::string shown;
  for (std::string_view rest = names; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('\0'));
    if (!name.starts_with(kTrusted)) shown.append(name).push_back('\0');
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
  }
  return shown;
}

Result<void> Filesystem::set_xattr(const Caller&, NodeId id,
                                   const std::string& name,
                                   std::string_view value, int flags) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  TRY(may_change(*node));
  if (flags != 0) {
    // Before anything is copied for a call that fails.
    TRY_ASSIGN(const auto present, read_xattr(*core_, *node, name));
    if (present && (flags & XATTR_CREATE) != 0) {
      return Error(EEXIST, "setxattr");
    }
    if (!present && (flags & XATTR_REPLACE) != 0) {
      return Error(ENODATA, "setxattr");
    }
  }
  const SharedTopology hold(core_->topology);
  TRY(core_->ensure_upper(*node, Need::kMetadata, hold));
  // Before it is there, so that nobody is told there is none.
  node->set(kNoXattrsFlag, false);
  if (name == kDefaultAcl) node->set(kDefaultAclFlag);
  const MutexLock lock(node->copy_mu);
  return core_->upper->set_xattr(*node->upper(), name, value, flags);
}

Result<void> Filesystem::remove_xattr(const Caller&, NodeId id,
                                      const std::string& name) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  TRY(may_change(*node));
  TRY_ASSIGN(const auto present, read_xattr(*core_, *node, name));
  if (!present) return Error(ENODATA, "removexattr");
  const SharedTopology hold(core_->topology);
  TRY(core_->ensure_upper(*node, Need::kMetadata, hold));
  const MutexLock lock(node->copy_mu);
  TRY(core_->upper->remove_xattr(*node->upper(), name));
  if (name == kDefaultAcl) node->set(kDefaultAclFlag, false);
  return {};
}

// --- Flags ------------------------------------------------------------------

Result<unsigned> Filesystem::get_flags(NodeId id) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  if (!node->is_dir() && !node->is_regular()) return Error(ENOTTY, "flags");
  const auto [layer, object] = metadata_of(*core_, *node);
  TRY_ASSIGN(unsigned flags, layer->get_flags(*object));
  flags &= ~kProtected;
  if (node->has(kImmutableFlag)) flags |= FS_IMMUTABLE_FL;
  if (node->has(kAppendFlag)) flags |= FS_APPEND_FL;
  return flags;
}

Result<void> Filesystem::set_flags(const Caller& caller, NodeId id,
                                   unsigned flags) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  if (!node->is_dir() && !node->is_regular()) return Error(ENOTTY, "flags");
  TRY_ASSIGN(const unsigned before, get_flags(id));
  const bool protects = ((before ^ flags) & kProtected) != 0;
  if (protects && caller.uid != 0) return Error(EPERM, "flags");
  const SharedTopology hold(core_->topology);
  TRY(core_->ensure_upper(*node, Need::kMetadata, hold));
  if (((before ^ flags) & ~kProtected) != 0) {
    TRY(core_->upper->set_flags(*node->upper(), flags & ~kProtected));
  }
  if (!protects) return {};
  const bool immutable = (flags & FS_IMMUTABLE_FL) != 0;
  const bool append = (flags & FS_APPEND_FL) != 0;
  TRY(core_->upper->set_protection(*node->upper(), immutable, append));
  node->set(kImmutableFlag, immutable);
  node->set(kAppendFlag, append);
  return {};
}

Result<void> Filesystem::get_fsxattr(NodeId id, fsxattr& out) {
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  if (!node->is_dir() && !node->is_regular()) return Error(ENOTTY, "flags");
  const auto [layer, object] = metadata_of(*core_, *node);
  TRY(layer->get_fsxattr(*object, out));
  out.fsx_xflags &= ~unsigned{FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND};
  if (node->has(kImmutableFlag)) out.fsx_xflags |= FS_XFLAG_IMMUTABLE;
  if (node->has(kAppendFlag)) out.fsx_xflags |= FS_XFLAG_APPEND;
  return {};
}

Result<void> Filesystem::set_fsxattr(const Caller& caller, NodeId id,
                                     const fsxattr& value) {
  constexpr unsigned kMask = FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND;
  TRY_ASSIGN(const NodeRef node, core_->get(id));
  fsxattr before{};
  TRY(get_fsxattr(id, before));
  const bool protects = ((before.fsx_xflags ^ value.fsx_xflags) & kMask) != 0;
  if (protects && caller.uid != 0) return Error(EPERM, "flags");
  const SharedTopology hold(core_->topology);
  TRY(core_->ensure_upper(*node, Need::kMetadata, hold));
  fsxattr plain = value;
  plain.fsx_xflags &= ~kMask;
  TRY(core_->upper->set_fsxattr(*node->upper(), plain));
  if (!protects) return {};
  const bool immutable = (value.fsx_xflags & FS_XFLAG_IMMUTABLE) != 0;
  const bool append = (value.fsx_xflags & FS_XFLAG_APPEND) != 0;
  TRY(core_->upper->set_protection(*node->upper(), immutable, append));
  node->set(kImmutableFlag, immutable);
  node->set(kAppendFlag, append);
  return {};
}

}  // namespace veneer::overlay
