// SPDX-License-Identifier: MIT

#include "finalize/trees.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "finalize/tree_path.h"
#include "layer/host/open_layers.h"
#include "layer/host/overlay_xattrs.h"
#include "overlay/merge.h"
#include "sys/file.h"

namespace veneer::finalize {

namespace {

// Few files are open at a time.
constexpr std::size_t kOpenFiles = 64;

}  // namespace

BaseTree::Object& BaseTree::Object::operator=(Object&& other) noexcept {
  if (this == &other) return *this;
  release();
  tree_ = std::exchange(other.tree_, nullptr);
  id_ = other.id_;
  attr_ = other.attr_;
  return *this;
}

void BaseTree::Object::release() {
  if (tree_ != nullptr) tree_->fs_->forget(id_, 1);
  tree_ = nullptr;
}

BaseTree::Object BaseTree::taken(const overlay::Entry& entry) {
  Object object;
  object.tree_ = this;
  object.id_ = entry.id;
  object.attr_ = entry.attr;
  return object;
}

Result<std::unique_ptr<BaseTree>> BaseTree::open(
    const std::vector<std::string>& lowers, const stack::Stores& stores) {
  TRY_ASSIGN(auto layers, stack::open_lowers(lowers, stores, true));
  TRY_ASSIGN(auto fs, overlay::Filesystem::make(std::move(layers), nullptr,
                                                {.open_files = kOpenFiles}));
  return std::unique_ptr<BaseTree>(new BaseTree(std::move(fs)));
}

Result<BaseTree::Object> BaseTree::root() {
  TRY_ASSIGN(const overlay::Entry entry, fs_->lookup_self(overlay::kRootId));
  return taken(entry);
}

Result<BaseTree::Object> BaseTree::lookup(const Object& dir, Name name) {
  if (!S_ISDIR(dir.attr().mode)) return Object();
  TRY_ASSIGN(const auto entry, fs_->lookup(dir.id(), name));
  return entry ? taken(*entry) : Object();
}

Result<BaseTree::Object> BaseTree::walk(const std::string& path) {
  TRY_ASSIGN(Object at, root());
  for (std::string_view rest = path; !rest.empty() && at;) {
    TRY_ASSIGN(at, lookup(at, take_first(rest)));
  }
  return at;
}

Result<std::string> BaseTree::read_link(const Object& object) {
  return fs_->read_link(object.id());
}

Result<std::vector<Xattr>> BaseTree::xattrs(const Object& object) {
  const overlay::Caller root;
  TRY_ASSIGN(const std::string names, fs_->list_xattrs(root, object.id()));
  return read_xattrs(names, [&](const std::string& name) {
    return fs_->get_xattr(root, object.id(), name);
  });
}

Result<unsigned> BaseTree::flags(const Object& object) {
  const auto flags = fs_->get_flags(object.id());
  return flags ? *flags : 0U;
}

Result<FileData> BaseTree::data(const Object& file) {
  return fs_->data(file.id());
}

Result<std::vector<BaseTree::Entry>> BaseTree::list(const Object& dir) {
  std::vector<Entry> entries;
  TRY(fs_->read_dir(dir.id(), 0, [&](const overlay::ListedEntry& entry) {
    if (entry.name != "." && entry.name != "..") {
      entries.push_back({std::string(entry.name), entry.type, entry.ino});
    }
    return true;
  }));
  std::ranges::sort(entries, {}, &Entry::name);
  return entries;
}

Result<std::vector<Xattr>> read_xattrs(
    const std::string& names,
    const std::function<Result<std::optional<std::string>>(const std::string&)>&
        get) {
  std::vector<Xattr> all;
  Result<void> read;
  layer::for_each_name(names, [&](std::string_view name) {
    if (!read) return;
    auto value = get(std::string(name));
    if (!value) {
      read = value.error();
    } else if (*value) {
      all.emplace_back(std::string(name), **std::move(value));
    }
  });
  if (!read) return read.error();
  std::ranges::sort(all);
  return all;
}

Result<std::vector<Xattr>> xattrs_of(Layer& layer, const LayerNode& node) {
  const auto names = layer.list_xattrs(node);
  if (!names) {
    if (names.error().code() == EOPNOTSUPP) return std::vector<Xattr>();
    return names.error();
  }
  return read_xattrs(*names, [&](const std::string& name) {
    return layer.get_xattr(node, name);
  });
}

Result<std::optional<Child>> find_stored(Layer& layer,
                                         const std::string& path) {
  std::optional<Child> at = layer.root();
  for (std::string_view rest = path; !rest.empty() && at;) {
    if (!S_ISDIR(at->attr.mode)) return std::optional<Child>();
    TRY_ASSIGN(at, layer.lookup(*at->node, take_first(rest)));
    if (at && at->marks.whiteout) at.reset();
  }
  return at;
}

std::optional<Attr> origin_of(Trees& trees, const std::string& origin) {
  if (origin.empty()) return std::nullopt;
  for (const auto& layer : trees.lowers) {
    if (auto attr = layer->resolve_origin(origin)) return attr;
  }
  return std::nullopt;
}

Result<std::string> path_below(Trees& trees, const std::string& base_path) {
  Layer& top = *trees.lowers.front();
  overlay::Trail trail{.path = "", .from_root = true};
  bool shows = true;
  std::optional<Child> at = top.root();
  for (std::string_view rest = base_path; !rest.empty();) {
    const std::string_view name = take_first(rest);
    if (!trail.path.empty()) trail.path.push_back('/');
    trail.path += name;
    // Where the topmost has no part, names below are what they are.
    if (!at) continue;
    TRY_ASSIGN(at, top.lookup(*at->node, name));
    if (!at) continue;
    if (at->marks.whiteout || !S_ISDIR(at->attr.mode)) return std::string();
    const auto& redirect = at->marks.redirect;
    if (at->marks.opaque) shows = false;
    if (redirect && redirect->starts_with('/')) shows = true;
    trail.follow(redirect);
  }
  return shows ? "/" + trail.path : std::string();
}

std::function<std::string(const std::string&)> below_paths(Trees& trees) {
  return [&trees](const std::string& base_path) {
    return path_below(trees, base_path).value_or("");
  };
}

Result<Trees> open_trees(Directories directories) {
  Trees trees;
  TRY_ASSIGN(trees.upper,
             layer::open_host_lower(directories.upper, /*bottom=*/false));
  const std::string index = directories.work + "/index";
  if (auto opened = layer::open_host_lower(index, /*bottom=*/false)) {
    trees.index = *std::move(opened);
  } else if (opened.error().code() != ENOENT) {
    return opened.error();
  }
  const stack::Stores& stores = directories.stores;
  TRY_ASSIGN(trees.lowers,
             stack::open_lowers(directories.lowers, stores, true));
  TRY_ASSIGN(trees.base, BaseTree::open(directories.lowers, stores));
  trees.directories = std::move(directories);
  return trees;
}

}  // namespace veneer::finalize
