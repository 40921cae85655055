// SPDX-License-Identifier: MIT
//
// Asking an image everything there is to ask, whatever it says. Used by the
// fuzzer, and by tests on images that were cut or had bits flipped.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "composefs/image.h"

namespace veneer::composefs {

struct WalkCount {
  std::size_t objects = 0;
  std::size_t errors = 0;
};

class ImageWalk {
 public:
  /// No more than `limit` objects are looked at: directories may be in circles.
  ImageWalk(const Image& image, std::size_t limit)
      : image_(image), limit_(limit) {}

  WalkCount run() {
    std::vector<Nid> stack = {image_.root()};
    while (!stack.empty() && count_.objects < limit_) {
      const Nid nid = stack.back();
      stack.pop_back();
      visit(nid, stack);
    }
    return count_;
  }

 private:
  template <typename T>
  bool holds(const Result<T>& result) {
    if (!result) ++count_.errors;
    return result.has_value();
  }

  void visit(Nid nid, std::vector<Nid>& stack) {
    ++count_.objects;
    const auto inode = image_.inode(nid);
    if (!holds(inode)) return;
    std::vector<std::string> names;
    holds(image_.for_each_xattr(*inode, [&](const StoredXattr& xattr) {
      names.push_back(xattr.name());
      return true;
    }));
    for (const std::string& name : names) holds(image_.xattr(*inode, name));
    const auto metacopy = image_.xattr(*inode, "trusted.overlay.metacopy");
    // What stands for content that is elsewhere need not make sense.
    const bool is_external = holds(metacopy) && *metacopy;
    if (inode->is_symlink()) holds(image_.read_link(*inode));
    if (inode->is_regular() && !is_external) read_ends(*inode);
    if (inode->is_dir()) list(*inode, stack);
  }

  // A size may be anything, so not all of it is read.
  void read_ends(const Inode& file) {
    std::vector<std::byte> buffer(10'000);
    holds(image_.read(file, 0, buffer));
    holds(image_.read(file, file.size / 2, buffer));
    const std::uint64_t last = file.size > 100 ? file.size - 100 : 0;
    holds(image_.read(file, last, buffer));
    if (file.size > 0) holds(image_.piece_at(file, file.size - 1));
  }

  void list(const Inode& dir, std::vector<Nid>& stack) {
    std::vector<std::pair<std::string, Nid>> entries;
    holds(image_.read_dir(dir, [&](const DirItem& item) {
      entries.emplace_back(item.name, item.nid);
      return entries.size() < limit_;
    }));
    for (const auto& [name, nid] : entries) {
      holds(image_.find(dir, name));
      if (name != "." && name != "..") stack.push_back(nid);
    }
    holds(image_.find(dir, "not there"));
  }

  const Image& image_;
  const std::size_t limit_;
  WalkCount count_;
};

}  // namespace veneer::composefs
