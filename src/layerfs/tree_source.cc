// SPDX-License-Identifier: MIT

#include "layerfs/tree_source.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "layerfs/entry_path.h"

namespace veneer::layerfs {
namespace {

// So much is read before it is given on.
constexpr std::size_t kMostEntries = 512;
constexpr std::uint64_t kMostBytes = std::uint64_t{16} << 20;

bool is_special(const Attr& attr) {
  return !S_ISREG(attr.mode) && !S_ISDIR(attr.mode) && !S_ISLNK(attr.mode);
}

class TreeWalk {
 public:
  TreeWalk(Layer& source, const std::string& name, const TreeOptions& options,
           const MakeContent& make_content, const EntrySink& sink)
      : source_(source),
        name_(name),
        options_(options),
        make_content_(make_content),
        sink_(sink) {}

  Result<TreeReport> run();

 private:
  struct Name {
    std::string name;
    bool whiteout = false;
  };
  struct Level {
    LayerNodeRef dir;
    std::string path;
    std::vector<Name> names;
    std::size_t next = 0;
  };
  // An entry whose content is still to be read.
  struct Pending {
    Entry entry;
    LayerNodeRef node;  // null: it has none
    Attr attr;
    std::optional<Error> error;
  };

  Result<void> enter(const Child& child, std::string path);
  Result<void> see(const Level& level, const Name& name);
  Result<void> see_child(const Child& child, std::string path);
  Result<void> put(Entry entry, LayerNodeRef node, const Attr& attr);
  Result<void> flush();
  void make_contents(unsigned thread, std::atomic<std::size_t>& next);
  Error about(const Error& error, std::string_view path) const;

  Layer& source_;
  const std::string& name_;
  const TreeOptions& options_;
  const MakeContent& make_content_;
  const EntrySink& sink_;
  std::vector<Level> levels_;
  std::vector<Pending> pending_;
  std::uint64_t pending_bytes_ = 0;
  absl::flat_hash_map<std::pair<std::uint64_t, std::uint64_t>, std::string>
      first_names_;
  TreeReport report_;
};

Error TreeWalk::about(const Error& error, std::string_view path) const {
  const std::string why(error.operation().empty() ? error.subject()
                                                  : error.message());
  return Error(error.code(), "",
               fmt::format("{}/{}: {}", name_, printable(path), why));
}

Result<TreeReport> TreeWalk::run() {
  TRY(enter(source_.root(), ""));
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.next == level.names.size()) {
      levels_.pop_back();
      continue;
    }
    const Name name = std::move(level.names[level.next++]);
    TRY(see(level, name));
  }
  TRY(flush());
  return report_;
}

Result<void> TreeWalk::enter(const Child& child, std::string path) {
  const bool opaque = options_.as_changes && child.marks.opaque;
  TRY(put(Entry{.path = path,
                .size = 0,
                .mode = child.attr.mode,
                .mtime = child.attr.mtime.tv_sec,
                .data = DirectoryEntry{.opaque = opaque}},
          nullptr, child.attr));
  Level level{.dir = child.node, .path = std::move(path), .names = {}};
  const auto listed = source_.read_dir(*child.node, [&](const DirEntry& entry) {
    level.names.push_back({std::string(entry.name), entry.whiteout});
  });
  if (!listed) return about(listed.error(), level.path);
  std::ranges::sort(level.names, {}, &Name::name);
  levels_.push_back(std::move(level));
  return {};
}

Result<void> TreeWalk::see(const Level& level, const Name& name) {
  std::string path =
      level.path.empty() ? name.name : level.path + "/" + name.name;
  if (path.size() > kLongestPath) {
    return about(Error(ENAMETOOLONG, "read"), path);
  }
  if (name.whiteout) {
    if (!options_.as_changes) return {};
    return put(Entry{.path = std::move(path), .data = WhiteoutEntry()}, nullptr,
               {});
  }
  const auto child = source_.lookup(*level.dir, name.name);
  if (!child) return about(child.error(), path);
  if (!*child) {
    return about(Error(EBUSY, "", "it went away while it was read"), path);
  }
  return see_child(**child, std::move(path));
}

Result<void> TreeWalk::see_child(const Child& child, std::string path) {
  if (child.marks.redirect || child.marks.metacopy) {
    return about(Error(EOPNOTSUPP, "",
                       child.marks.metacopy
                           ? "its data are in a layer below (copy the tree "
                             "from where the overlay is mounted)"
                           : "it was renamed, its content is in a layer below "
                             "(copy the tree from where the overlay is "
                             "mounted)"),
                 path);
  }
  if (S_ISDIR(child.attr.mode)) return enter(child, std::move(path));
  Entry entry{.path = path,
              .size = 0,
              .mode = child.attr.mode,
              .mtime = child.attr.mtime.tv_sec};
  if (is_special(child.attr)) {
    if (options_.specials == Specials::kRefuse) {
      return about(Error(EOPNOTSUPP, "",
                         "a device, fifo or socket, which a layer cannot hold"),
                   path);
    }
    if (report_.specials++ == 0) report_.first_special = path;
    return put(Entry{.path = std::move(path), .data = WhiteoutEntry()}, nullptr,
               {});
  }
  if (child.attr.nlink > 1) {
    const auto [first, is_new] =
        first_names_.try_emplace({child.attr.dev, child.attr.ino}, path);
    if (!is_new) {
      entry.data = HardLinkEntry{first->second};
      return put(std::move(entry), nullptr, {});
    }
  }
  if (S_ISREG(child.attr.mode)) {
    entry.size = child.attr.size;
    entry.data = Empty();
    const bool has_content = child.attr.size > 0;
    return put(std::move(entry), has_content ? child.node : nullptr,
               child.attr);
  }
  auto target = source_.read_link(*child.node);
  if (!target) return about(target.error(), path);
  entry.data = SymlinkEntry{*std::move(target)};
  return put(std::move(entry), nullptr, {});
}

Result<void> TreeWalk::put(Entry entry, LayerNodeRef node, const Attr& attr) {
  // More than this is not kept in memory, whatever the limit.
  if (node && attr.size <= options_.inline_limit) pending_bytes_ += attr.size;
  pending_.push_back({.entry = std::move(entry),
                      .node = std::move(node),
                      .attr = attr,
                      .error = {}});
  if (pending_.size() < kMostEntries && pending_bytes_ < kMostBytes) return {};
  return flush();
}

void TreeWalk::make_contents(unsigned thread, std::atomic<std::size_t>& next) {
  for (;;) {
    const std::size_t index = next.fetch_add(1, std::memory_order_relaxed);
    if (index >= pending_.size()) return;
    Pending& pending = pending_[index];
    if (!pending.node) continue;
    auto data = make_content_(thread, *pending.node, pending.attr);
    if (data) {
      pending.entry.data = *std::move(data);
    } else {
      pending.error = data.error();
    }
  }
}

Result<void> TreeWalk::flush() {
  std::atomic<std::size_t> next{0};
  std::vector<std::future<void>> others;
  for (unsigned thread = 1; thread < options_.threads; ++thread) {
    others.push_back(std::async(std::launch::async, [this, thread, &next] {
      make_contents(thread, next);
    }));
  }
  make_contents(0, next);
  for (auto& other : others) other.get();
  for (Pending& pending : pending_) {
    if (pending.error) return about(*pending.error, pending.entry.path);
    const std::string path = pending.entry.path;
    const auto taken = sink_(std::move(pending.entry));
    if (!taken) return about(taken.error(), path);
    ++report_.entries;
  }
  pending_.clear();
  pending_bytes_ = 0;
  if (options_.progress && !options_.progress(report_.entries, 0)) {
    return Error(ECANCELED, "read");
  }
  return {};
}

}  // namespace

Result<TreeReport> read_tree(Layer& source, const std::string& name,
                             const TreeOptions& options,
                             const MakeContent& make_content,
                             const EntrySink& sink) {
  return TreeWalk(source, name, options, make_content, sink).run();
}

}  // namespace veneer::layerfs
