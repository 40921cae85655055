// SPDX-License-Identifier: MIT

#include "test/support/layer_tree.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace veneer::testing {
namespace {

Kind kind_of(const Attr& attr) {
  switch (attr.mode & S_IFMT) {
    case S_IFDIR:
      return Kind::kDir;
    case S_IFLNK:
      return Kind::kSymlink;
    case S_IFIFO:
      return Kind::kFifo;
    case S_IFSOCK:
      return Kind::kSocket;
    case S_IFBLK:
      return Kind::kBlockDev;
    case S_IFCHR:
      return attr.rdev == 0 ? Kind::kWhiteout : Kind::kCharDev;
    default:
      return Kind::kFile;
  }
}

template <typename T>
T value_of(Result<T> result, const std::string& path) {
  EXPECT_TRUE(result) << path << ": " << result.error().message();
  return result ? *std::move(result) : T();
}

std::string join(const std::string& dir, const std::string& name) {
  return dir.empty() ? name : dir + "/" + name;
}

class Reader {
 public:
  explicit Reader(Layer& layer) : layer_(layer) {}

  Tree read() {
    read_into("", layer_.root());
    return std::move(tree_);
  }

 private:
  using Id = std::pair<std::uint64_t, std::uint64_t>;

  Xattrs xattrs_of(const LayerNode& node, const std::string& path) {
    Xattrs found;
    const std::string list = value_of(layer_.list_xattrs(node), path);
    for (std::size_t at = 0; at < list.size();) {
      const std::string name = list.c_str() + at;
      const auto value = value_of(layer_.get_xattr(node, name), path);
      EXPECT_TRUE(value) << path << " lists " << name << ", which is not there";
      EXPECT_FALSE(found.contains(name)) << path << " lists twice " << name;
      found[name] = value.value_or("");
      at += name.size() + 1;
    }
    return found;
  }

  Entry entry_of(const std::string& path, const Child& child) {
    Entry entry;
    const Attr attr = value_of(layer_.get_attr(*child.node), path);
    EXPECT_EQ(attr.ino, child.attr.ino) << path;
    entry.is_snapshot = true;
    entry.kind = kind_of(attr);
    entry.rdev = attr.rdev;
    entry.mode_bits = attr.mode & 07777;
    entry.ids = {{attr.uid, attr.gid}};
    entry.modified = attr.mtime;
    entry.accessed = attr.atime;
    entry.changed = attr.ctime;
    entry.nlink = attr.nlink;
    entry.dev = attr.dev;
    entry.ino = attr.ino;
    entry.blocks = static_cast<std::int64_t>(attr.blocks);
    entry.xattrs = xattrs_of(*child.node, path);
    EXPECT_EQ(child.marks.no_xattrs, entry.xattrs.empty()) << path;
    EXPECT_EQ(layer_.path_of(*child.node), path);
    if (entry.kind == Kind::kFile) {
      entry.data = digested(value_of(read_data(layer_, *child.node), path));
    } else if (entry.kind == Kind::kSymlink) {
      entry.data = value_of(layer_.read_link(*child.node), path);
    }
    if (entry.kind != Kind::kDir && entry.nlink > 1) {
      const auto [it, is_new] = seen_.try_emplace({attr.dev, attr.ino}, path);
      if (!is_new) entry.same_as = it->second;
    }
    return entry;
  }

  void read_into(const std::string& path, const Child& child) {
    const Entry entry = entry_of(path, child);
    const bool is_dir = entry.kind == Kind::kDir;
    tree_.set(path, entry);
    if (!is_dir) return;
    struct Listed {
      std::string name;
      std::uint64_t ino;
      std::uint8_t type;
      bool whiteout;
    };
    std::vector<Listed> entries;
    const auto done = layer_.read_dir(*child.node, [&](const DirEntry& listed) {
      entries.push_back(
          {std::string(listed.name), listed.ino, listed.type, listed.whiteout});
    });
    EXPECT_TRUE(done) << path << ": " << done.error().message();
    std::ranges::sort(entries, {}, &Listed::name);
    for (const Listed& listed : entries) {
      const std::string below = join(path, listed.name);
      const auto found =
          value_of(layer_.lookup(*child.node, listed.name), below);
      if (!found) {
        ADD_FAILURE() << below << " is listed but not found";
        continue;
      }
      EXPECT_EQ(found->marks.whiteout, listed.whiteout) << below;
      if (found->marks.whiteout) {
        tree_.set(below, Whiteout());
        continue;
      }
      EXPECT_EQ(listed.type, (found->attr.mode & S_IFMT) >> 12) << below;
      EXPECT_EQ(listed.ino, found->attr.ino) << below;
      read_into(below, *found);
    }
  }

  Layer& layer_;
  Tree tree_;
  std::map<Id, std::string> seen_;
};

}  // namespace

Result<std::string> read_data(Layer& layer, const LayerNode& file) {
  TRY_ASSIGN(const FileData data, layer.open_data(file));
  std::string content;
  const auto read = [&](std::uint64_t at,
                        std::span<char> to) -> Result<std::size_t> {
    if (data.reader) return data.reader->read(at, std::as_writable_bytes(to));
    const ssize_t count = ::pread(data.fd, to.data(), to.size(),
                                  static_cast<off_t>(data.offset + at));
    if (count < 0) return Error(errno, "pread");
    return static_cast<std::size_t>(count);
  };
  if (data.fd < 0 && !data.reader) {
    return std::string(reinterpret_cast<const char*>(data.bytes.data()),
                       data.bytes.size());
  }
  std::vector<char> piece(100'000);
  for (;;) {
    std::size_t wanted = piece.size();
    if (data.length) {
      wanted = std::min<std::uint64_t>(wanted, *data.length - content.size());
    }
    if (wanted == 0) return content;
    TRY_ASSIGN(const std::size_t count,
               read(content.size(), std::span(piece).first(wanted)));
    if (count == 0) return content;
    content.append(piece.data(), count);
  }
}

Tree read_layer(Layer& layer) { return Reader(layer).read(); }

Child find_in_layer(Layer& layer, std::string_view path) {
  Child at = layer.root();
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    auto next = layer.lookup(*at.node, path.substr(0, slash));
    EXPECT_TRUE(next) << path << ": " << next.error().message();
    if (!next || !*next || !(*next)->node) {
      ADD_FAILURE() << path << " is not there";
      return {};
    }
    at = **std::move(next);
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
  }
  return at;
}

}  // namespace veneer::testing
