// SPDX-License-Identifier: MIT
//
// From a tree to text.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "composefs/dump_text.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10;

class DumpWriter {
 public:
  DumpWriter(const Tree& tree, TextSink sink) : tree_(tree), sink_(sink) {}

  Result<void> write(NameFilter filter);

 private:
  // A directory whose entries are being written.
  struct Level {
    std::span<const NodeIndex> children;
    std::size_t next = 0;
    std::size_t path_size = 0;  ///< of the directory's own path
  };

  Result<void> write_line(NodeIndex index);
  void write_node(NodeIndex index);
  Result<void> flush(std::size_t least);

  const Tree& tree_;
  TextSink sink_;
  std::string text_;
  std::string path_;  // of the object being written, without the root's slash
};

Result<void> DumpWriter::write(NameFilter filter) {
  const TreeNode& root = tree_.node(kRootNode);
  TRY(write_line(kRootNode));
  std::vector<Level> levels = {{tree_.children(root)}};
  while (!levels.empty()) {
    Level& level = levels.back();
    path_.resize(level.path_size);
    if (level.next == level.children.size()) {
      levels.pop_back();
      continue;
    }
    const NodeIndex index = level.children[level.next++];
    const TreeNode& node = tree_.node(index);
    const std::string_view name = tree_.name(node);
    const bool is_chosen = levels.size() > 1 || filter.empty() ||
                           std::ranges::find(filter, name) != filter.end();
    if (!is_chosen) continue;
    path_.append("/").append(name);
    TRY(write_line(index));
    if (node.is_dir())
      levels.push_back({tree_.children(node), 0, path_.size()});
  }
  return flush(1);
}

Result<void> DumpWriter::write_line(NodeIndex index) {
  append_escaped(text_, path_.empty() ? "/" : path_, Escape::kPlain);
  write_node(index);
  text_ += '\n';
  return flush(kPiece);
}

void DumpWriter::write_node(NodeIndex index) {
  // Another name repeats all of what it is a name of.
  const NodeIndex target = tree_.target(index);
  const TreeNode& node = tree_.node(target);
  fmt::format_to(std::back_inserter(text_), " {} {}{:o} {} {} {} {} {}.{} ",
                 node.size, target == index ? "" : "@", node.mode, node.nlink,
                 node.uid, node.gid, node.rdev, node.mtime, node.mtime_nsec);
  std::string payload = tree_.payload(node);
  if (node.is_symlink()) payload = tree_.text(node);
  if (target != index) payload = tree_.path(target);
  const auto append_optional = [this](std::string_view text) {
    if (text.empty()) {
      text_ += '-';
    } else {
      append_escaped(text_, text, Escape::kOptional);
    }
    text_ += ' ';
  };
  append_optional(payload);
  append_optional(node.is_inline ? tree_.text(node) : std::string_view());
  const Digest256* const digest = tree_.digest(node);
  text_ += digest != nullptr ? to_hex(*digest) : "-";
  tree_.for_each_xattr(node.xattrs, [this](const TreeXattr& xattr) {
    text_ += ' ';
    append_escaped(text_, xattr.name, Escape::kXattr);
    text_ += '=';
    append_escaped(text_, xattr.value, Escape::kXattr);
  });
}

Result<void> DumpWriter::flush(std::size_t least) {
  if (text_.size() < least) return {};
  TRY(sink_(text_));
  text_.clear();
  return {};
}

}  // namespace

void append_escaped(std::string& line, std::string_view text, Escape how) {
  if (how == Escape::kOptional && text == "-") {
    line += "\\x2d";
    return;
  }
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_special = (c == '=' && how == Escape::kXattr);
    const bool is_printed = byte > 0x20 && byte < 0x7f && c != '\\';
    if ((is_printed && !is_special) || (c == ' ' && how == Escape::kList)) {
      line += c;
    } else if (c == '\\') {
      line += "\\\\";
    } else if (c == '\n') {
      line += "\\n";
    } else if (c == '\r') {
      line += "\\r";
    } else if (c == '\t') {
      line += "\\t";
    } else {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    }
  }
}

Result<void> write_dump(const Tree& tree, NameFilter filter, TextSink sink) {
  return DumpWriter(tree, sink).write(filter);
}

}  // namespace veneer::composefs
