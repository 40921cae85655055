// SPDX-License-Identifier: MIT
//
// A tar as a source, read once from front to end by libarchive.
//
// Entries come in any order and may replace earlier ones, so the tree is built
// with an index of all of it. A hard link keeps what it leads to: when that
// name is replaced, the file lives on under the link's.

#include <absl/container/flat_hash_map.h>
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <locale.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/verity_digest.h"
#include "composefs/dir_index.h"
#include "composefs/format.h"
#include "composefs/intake.h"
#include "composefs/source.h"
#include "sys/file.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kRead = std::size_t{256} << 10;
// What is longer goes to the store while it is read.
constexpr std::uint64_t kInMemory = std::uint64_t{1} << 20;
constexpr std::uint64_t kProgressEach = 256;
constexpr std::uint32_t kImpliedMode = S_IFDIR | 0755;
constexpr std::array<std::byte, 4096> kZeros = {};
constexpr std::string_view kMarker = ".wh.";
constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";

struct FreeArchive {
  void operator()(archive* tar) const { archive_read_free(tar); }
};
using ArchivePtr = std::unique_ptr<archive, FreeArchive>;

// libarchive gives names in the character set of the thread's locale, and those
// of most tars are UTF-8.
class Utf8Locale {
 public:
  Utf8Locale() : own_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (own_ != nullptr) before_ = ::uselocale(own_);
  }
  ~Utf8Locale() {
    if (own_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(own_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t own_;
  locale_t before_ = nullptr;
};

class TarReader {
 public:
  TarReader(std::string name, const SourceOptions& options)
      : name_(std::move(name)),
        options_(options),
        reader_(options),
        tree_(std::make_unique<Tree>()),
        index_(*tree_) {}

  Result<TreePtr> read(int fd);

 private:
  Result<void> read_entry(archive_entry* entry);
  Result<void> read_marker(NodeIndex dir, std::string_view name);
  Result<void> read_link(NodeIndex dir, std::string_view name,
                         std::string_view target);
  Result<void> set_root(const Found& found);
  Result<NodeIndex> place(NodeIndex dir, std::string_view name,
                          const NodeAttributes& attributes);
  Result<NodeIndex> find_parent(std::string_view path, std::string_view& name);
  Result<std::optional<NodeIndex>> find(std::string_view path) const;
  void remove(NodeIndex node);
  Result<Found> describe(archive_entry* entry);
  Result<void> read_content(std::uint64_t size, Found& found);
  Result<void> read_to_memory(std::uint64_t size, Found& found);
  template <typename Sink>
  Result<void> for_each_block(std::uint64_t size, Sink&& sink);

  Error wrong(std::string_view path, std::string_view what) const {
    return Error(EINVAL, "", fmt::format("{}: {}: {}", name_, path, what));
  }
  Error damaged() const {
    const char* const why = archive_error_string(tar_.get());
    return Error(EINVAL, "",
                 fmt::format("{}: after {} bytes: {}", name_,
                             archive_filter_bytes(tar_.get(), -1),
                             why != nullptr ? why : "it is no tar"));
  }

  const std::string name_;
  const SourceOptions& options_;
  ContentReader reader_;
  ArchivePtr tar_;
  TreePtr tree_;
  DirIndex index_;
  // What hard links lead to, with those links.
  absl::flat_hash_map<NodeIndex, std::vector<NodeIndex>> links_;
  std::string buffer_;
};

// A path without "./", doubled slashes and those at its ends; nothing if it has
// ".." in it.
std::optional<std::string> clean(std::string_view path) {
  std::string result;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == ".." || part.size() > kLongestName) return std::nullopt;
    if (!result.empty()) result += '/';
    result += part;
  }
  return result;
}

std::string_view text_or_empty(const char* text) {
  return text != nullptr ? std::string_view(text) : std::string_view();
}

// --- The archive -------------------------------------------------------------

Result<TreePtr> TarReader::read(int fd) {
  const Utf8Locale locale;
  tar_.reset(archive_read_new());
  if (!tar_) return Error(ENOMEM, "read tar", name_);
  archive_read_support_filter_all(tar_.get());
  archive_read_support_format_tar(tar_.get());
  if (archive_read_open_fd(tar_.get(), fd, kRead) != ARCHIVE_OK) {
    return damaged();
  }
  TRY(tree_->add(kRootNode, "", {.mode = kImpliedMode}));
  for (std::uint64_t count = 0;; ++count) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(tar_.get(), &entry);
    if (status == ARCHIVE_EOF) break;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return damaged();
    TRY(read_entry(entry));
    if (count % kProgressEach == 0 && options_.on_progress &&
        !options_.on_progress({"scanning", count})) {
      return Error(ECANCELED, "read");
    }
  }
  for (const auto& [target, links] : links_) {
    tree_->edit(target).nlink = static_cast<std::uint32_t>(links.size()) + 1;
  }
  if (const auto fault = tree_->finish()) {
    return wrong(tree_->path(fault->node), fault->what);
  }
  return std::move(tree_);
}

Result<void> TarReader::read_entry(archive_entry* entry) {
  const std::string_view raw = text_or_empty(archive_entry_pathname(entry));
  const auto path = clean(raw);
  if (!path) return wrong(raw, "a name with '..' in it, or a longer one");
  const std::string_view target = text_or_empty(archive_entry_hardlink(entry));
  if (path->empty()) {
    if (archive_entry_filetype(entry) != S_IFDIR) {
      return wrong(raw, "the root is no directory");
    }
    TRY_ASSIGN(const Found found, describe(entry));
    return set_root(found);
  }
  std::string_view name;
  TRY_ASSIGN(const NodeIndex dir, find_parent(*path, name));
  if (name.starts_with(kMarker)) return read_marker(dir, name);
  if (!target.empty()) return read_link(dir, name, target);
  if (archive_entry_filetype(entry) == 0) return wrong(raw, "it has no type");

  auto found = describe(entry);
  if (!found) return found.error().about(std::string(raw));
  const std::uint32_t mode = found->attributes.mode;
  if (options_.skip_devices && (S_ISCHR(mode) || S_ISBLK(mode))) return {};
  TRY_ASSIGN(const NodeIndex node, place(dir, name, found->attributes));
  const auto filled = fill_node(*tree_, node, *found);
  return filled ? filled : filled.error().about(std::string(raw));
}

// --- Places ------------------------------------------------------------------

Result<void> TarReader::set_root(const Found& found) {
  TreeNode& root = tree_->edit(kRootNode);
  root.mode = static_cast<std::uint16_t>(found.attributes.mode);
  root.uid = found.attributes.uid;
  root.gid = found.attributes.gid;
  root.mtime = found.attributes.mtime;
  root.mtime_nsec = found.attributes.mtime_nsec;
  return set_node_xattrs(*tree_, kRootNode, found);
}

// The node for `name`, in place of one that is there. A directory stays, with
// what is in it.
Result<NodeIndex> TarReader::place(NodeIndex dir, std::string_view name,
                                   const NodeAttributes& attributes) {
  if (const auto old = index_.find(dir, name)) {
    TreeNode& node = tree_->edit(*old);
    if (node.is_dir() && S_ISDIR(attributes.mode)) {
      node.mode = static_cast<std::uint16_t>(attributes.mode);
      node.uid = attributes.uid;
      node.gid = attributes.gid;
      node.mtime = attributes.mtime;
      node.mtime_nsec = attributes.mtime_nsec;
      node.xattrs = 0;
      return *old;
    }
    remove(*old);
  }
  TRY_ASSIGN(const NodeIndex node, tree_->add(dir, name, attributes));
  index_.add(node);
  return node;
}

void TarReader::remove(NodeIndex node) {
  index_.remove(node);
  if (tree_->node(node).is_link) {
    std::erase(links_[tree_->node(node).data], node);
  }
  if (const auto found = links_.find(node); found != links_.end()) {
    std::vector<NodeIndex> links = std::move(found->second);
    links_.erase(found);
    if (!links.empty()) {
      // The first link becomes the file.
      const NodeIndex heir = links.front();
      links.erase(links.begin());
      const TreeNode place = tree_->node(heir);
      TreeNode& file = tree_->edit(heir);
      file = tree_->node(node);
      file.name = place.name;
      file.parent = place.parent;
      for (const NodeIndex link : links) tree_->set_link(link, heir);
      links_[heir] = std::move(links);
    }
  }
  tree_->drop(node);
}

// The directory that `path` is in, made if it is only implied.
Result<NodeIndex> TarReader::find_parent(std::string_view path,
                                         std::string_view& name) {
  NodeIndex at = kRootNode;
  for (;;) {
    const std::size_t slash = path.find('/');
    if (slash == path.npos) break;
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash + 1);
    const auto next = index_.find(at, part);
    if (next && tree_->node(*next).is_dir()) {
      at = *next;
      continue;
    }
    const TreeNode& root = tree_->node(kRootNode);
    const NodeAttributes implied = {.mode = kImpliedMode,
                                    .uid = root.uid,
                                    .gid = root.gid,
                                    .mtime = root.mtime,
                                    .mtime_nsec = root.mtime_nsec};
    TRY_ASSIGN(at, place(at, part, implied));
  }
  name = path;
  return at;
}

Result<std::optional<NodeIndex>> TarReader::find(std::string_view path) const {
  const auto whole = clean(path);
  if (!whole) return wrong(path, "a link out of the tree");
  NodeIndex at = kRootNode;
  for (std::string_view rest = *whole; !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const auto next = index_.find(at, rest.substr(0, slash));
    if (!next) return std::optional<NodeIndex>();
    at = *next;
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  return std::optional(at);
}

Result<void> TarReader::read_marker(NodeIndex dir, std::string_view name) {
  if (name == kOpaqueMarker) {
    Found found;
    tree_->for_each_xattr(tree_->node(dir).xattrs, [&](const TreeXattr& old) {
      if (old.name != kOpaqueName)
        found.xattrs.emplace_back(old.name, old.value);
    });
    found.xattrs.emplace_back(kOpaqueName, "y");
    return set_node_xattrs(*tree_, dir, found);
  }
  const std::string_view hidden = name.substr(kMarker.size());
  // Others of that kind are another program's own business.
  if (hidden.empty() || hidden.starts_with(kMarker) || options_.skip_devices) {
    return {};
  }
  TRY(place(dir, hidden, {.mode = S_IFCHR}));
  return {};
}

Result<void> TarReader::read_link(NodeIndex dir, std::string_view name,
                                  std::string_view target) {
  TRY_ASSIGN(const auto found, find(target));
  if (!found) return wrong(target, "a hard link to what is not there");
  const NodeIndex file = tree_->target(*found);
  if (!tree_->node(file).is_link && tree_->node(file).is_dir()) {
    return wrong(target, "a hard link to a directory");
  }
  const auto standing = index_.find(dir, name);
  if (standing && tree_->target(*standing) == file) return {};
  TRY_ASSIGN(const NodeIndex node,
             place(dir, name, {.mode = tree_->node(file).mode}));
  tree_->set_link(node, file);
  links_[file].push_back(node);
  return {};
}

// --- Objects -----------------------------------------------------------------

Result<Found> TarReader::describe(archive_entry* entry) {
  Found found;
  NodeAttributes& attributes = found.attributes;
  attributes.mode = archive_entry_mode(entry);
  attributes.uid = static_cast<std::uint32_t>(archive_entry_uid(entry));
  attributes.gid = static_cast<std::uint32_t>(archive_entry_gid(entry));
  attributes.rdev = static_cast<std::uint32_t>(
      makedev(static_cast<unsigned>(archive_entry_rdevmajor(entry)),
              static_cast<unsigned>(archive_entry_rdevminor(entry))));
  if (!options_.use_epoch) {
    attributes.mtime = archive_entry_mtime(entry);
    attributes.mtime_nsec =
        static_cast<std::uint32_t>(archive_entry_mtime_nsec(entry));
  }
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    const std::string_view key = text_or_empty(name);
    if (!wants_xattr(key, options_)) continue;
    if (key.empty() || key.size() > kLongestName) {
      return Error(EINVAL, "read the xattrs of");
    }
    found.xattrs.emplace_back(
        key, std::string(static_cast<const char*>(value), size));
  }
  if (S_ISLNK(attributes.mode)) {
    found.text = text_or_empty(archive_entry_symlink(entry));
    if (found.text.empty()) return Error(EINVAL, "read link");
  }
  if (S_ISREG(attributes.mode)) {
    attributes.size = static_cast<std::uint64_t>(
        std::max<std::int64_t>(archive_entry_size(entry), 0));
    TRY(read_content(attributes.size, found));
  }
  return found;
}

// Calls `sink(offset, bytes)`; what is between blocks is zeros.
template <typename Sink>
Result<void> TarReader::for_each_block(std::uint64_t size, Sink&& sink) {
  for (;;) {
    const void* data = nullptr;
    std::size_t length = 0;
    std::int64_t offset = 0;
    const int status =
        archive_read_data_block(tar_.get(), &data, &length, &offset);
    if (status == ARCHIVE_EOF) return {};
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return damaged();
    const auto at = static_cast<std::uint64_t>(offset);
    if (at > size || length > size - at) return damaged();
    TRY(sink(at, std::span(static_cast<const std::byte*>(data), length)));
  }
}

Result<void> TarReader::read_content(std::uint64_t size, Found& found) {
  if (size <= kInMemory) return read_to_memory(size, found);
  VerityHasher hasher;
  std::uint64_t done = 0;
  const auto hash_zeros_to = [&](std::uint64_t end) {
    while (done < end) {
      const auto some = std::min<std::uint64_t>(end - done, kZeros.size());
      hasher.update(std::span(kZeros).first(some));
      done += some;
    }
  };
  std::optional<NewObject> object;
  if (options_.store != nullptr) {
    TRY_ASSIGN(NewObject made, options_.store->begin());
    object.emplace(std::move(made));
  }
  const auto take = [&](std::uint64_t at, auto bytes) -> Result<void> {
    if (at < done) return damaged();
    hash_zeros_to(at);
    hasher.update(bytes);
    done = at + bytes.size();
    if (!object) return {};
    TRY(sys::pwrite_full(object->fd(), bytes.data(), bytes.size(), at));
    return {};
  };
  TRY(for_each_block(size, take));
  hash_zeros_to(size);
  found.digest = hasher.finish();
  if (!object) return {};
  TRY(sys::truncate_fd(object->fd(), size));
  return options_.store->publish(*std::move(object), *found.digest);
}

Result<void> TarReader::read_to_memory(std::uint64_t size, Found& found) {
  buffer_.assign(static_cast<std::size_t>(size), '\0');
  const auto take = [&](std::uint64_t at, auto bytes) -> Result<void> {
    std::ranges::copy(as_text(bytes),
                      buffer_.begin() + static_cast<std::ptrdiff_t>(at));
    return {};
  };
  TRY(for_each_block(size, take));
  return reader_.read({.size = size, .bytes = as_bytes(buffer_)}, found);
}

}  // namespace

Result<TreePtr> read_tar(int fd, const std::string& name,
                         const SourceOptions& options) {
  return TarReader(name, options).read(fd);
}

}  // namespace veneer::composefs
