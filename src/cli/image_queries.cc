// SPDX-License-Identifier: MIT

#include "cli/image_queries.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/bytes.h"
#include "composefs/image.h"
#include "composefs/image_digest.h"
#include "composefs/image_file.h"
#include "composefs/image_tree.h"
#include "sys/file.h"
#include "sys/open.h"
#include "sys/stream.h"

namespace veneer::cli {
namespace {

constexpr int kStandardOutput = 1;

using composefs::NodeIndex;
using composefs::Tree;
using composefs::TreeNode;

void append_item(const Tree& tree, NodeIndex index, const std::string& path,
                 std::string& text) {
  const TreeNode& node = tree.node(index);
  composefs::append_escaped(text, path, composefs::Escape::kList);
  const std::string payload = tree.payload(node);
  if (node.is_dir()) {
    text += "/\t";
  } else if (node.is_symlink()) {
    text += "\t-> ";
    composefs::append_escaped(text, tree.text(node), composefs::Escape::kPlain);
  } else if (!payload.empty()) {
    text += "\t@ ";
    composefs::append_escaped(text, payload, composefs::Escape::kPlain);
  }
  text += '\n';
}

}  // namespace

Result<composefs::TreePtr> read_tree_of(const std::string& image) {
  TRY_ASSIGN(const composefs::Image opened, composefs::Image::open(image));
  return composefs::read_image_tree(opened);
}

Result<std::vector<composefs::NamedObject>> objects_of(
    const std::vector<std::string>& images, composefs::NameFilter filter) {
  std::vector<composefs::NamedObject> objects;
  for (const std::string& image : images) {
    TRY_ASSIGN(const composefs::TreePtr tree, read_tree_of(image));
    composefs::add_objects(*tree, filter, objects);
  }
  composefs::sort_objects(objects);
  return objects;
}

std::vector<std::string> paths_of(
    const std::vector<composefs::NamedObject>& objects) {
  std::vector<std::string> paths;
  for (const composefs::NamedObject& object : objects) {
    if (paths.empty() || paths.back() != object.path) {
      paths.push_back(object.path);
    }
  }
  return paths;
}

Result<std::vector<std::string>> missing_of(
    const std::vector<std::string>& paths, const std::string& base) {
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(base));
  std::vector<std::string> missing;
  for (const std::string& path : paths) {
    const std::size_t start = path.find_first_not_of('/');
    const auto fd = sys::open_beneath(
        dir.get(), start == path.npos ? path : path.substr(start),
        O_PATH | O_NOFOLLOW);
    if (!fd) missing.push_back(path);
  }
  return missing;
}

Result<void> write_list(const Tree& tree, composefs::NameFilter filter,
                        composefs::TextSink sink) {
  struct Level {
    std::span<const NodeIndex> children;
    std::size_t next = 0;
    std::size_t path_size = 0;
  };
  std::string path;
  std::string text;
  std::vector<Level> levels = {{tree.children(tree.node(0))}};
  while (!levels.empty()) {
    Level& level = levels.back();
    path.resize(level.path_size);
    if (level.next == level.children.size()) {
      levels.pop_back();
      continue;
    }
    const NodeIndex index = level.children[level.next++];
    const TreeNode& node = tree.node(index);
    const bool is_chosen =
        levels.size() > 1 || filter.empty() ||
        std::ranges::find(filter, tree.name(node)) != filter.end();
    if (!is_chosen) continue;
    path.append("/").append(tree.name(node));
    append_item(tree, index, path, text);
    if (text.size() > std::size_t{64} << 10) {
      TRY(sink(text));
      text.clear();
    }
    if (node.is_dir()) levels.push_back({tree.children(node), 0, path.size()});
  }
  return sink(text);
}

Result<void> print_text(std::string_view text) {
  return sys::write_all(kStandardOutput, as_bytes(text));
}

Result<Digest256> measure_file(const std::string& path) {
  TRY_ASSIGN(sys::UniqueFd fd, sys::open_file(path));
  TRY_ASSIGN(const composefs::ImageFile file,
             composefs::ImageFile::open(std::move(fd), path));
  return composefs::image_digest(file);
}

}  // namespace veneer::cli
