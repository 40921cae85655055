// SPDX-License-Identifier: MIT
//
// The bytes of an image, given to the reader and to the layers made of it, and
// everything asked that can be asked. An answer is an error, or keeps what the
// headers promise; else the process aborts.
//
// Run by the fuzzer, and on its corpus by a unit test.

#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "composefs/composefs_layer.h"
#include "composefs/image.h"
#include "require.h"
#include "sys/fd.h"

namespace veneer::fuzz {

inline constexpr std::size_t kObjects = 300;

inline void check_name(std::string_view name) {
  require(!name.empty() && name.size() <= 255);
  require(name.find('/') == name.npos && name.find('\0') == name.npos);
}

/// Walks the image as it is stored.
class ImageCheck {
 public:
  explicit ImageCheck(const composefs::Image& image) : image_(image) {}

  void run() {
    stack_ = {image_.root()};
    for (std::size_t i = 0; i < kObjects && !stack_.empty(); ++i) {
      const composefs::Nid nid = stack_.back();
      stack_.pop_back();
      if (const auto inode = image_.inode(nid)) check(*inode);
    }
  }

 private:
  void check(const composefs::Inode& inode) {
    require(inode.is_dir() || inode.is_regular() || inode.is_symlink() ||
            inode.size == 0);
    check_xattrs(inode);
    if (inode.is_symlink()) check_link(inode);
    if (inode.is_regular()) check_data(inode);
    if (inode.is_dir()) check_dir(inode);
  }

  void check_xattrs(const composefs::Inode& inode) {
    std::vector<std::string> names;
    const auto all =
        image_.for_each_xattr(inode, [&](const composefs::StoredXattr& xattr) {
          require(xattr.value.size() <= 0xffff);
          names.push_back(xattr.name());
          require(xattr.has_name(names.back()));
          require(names.back().find('\0') == std::string::npos);
          return true;
        });
    for (const std::string& name : names) {
      const auto value = image_.xattr(inode, name);
      require(!all || value);
      require(image_.info().has_name_filter() || !all || *value);
    }
  }

  void check_link(const composefs::Inode& inode) {
    const auto target = image_.read_link(inode);
    if (!target) return;
    require(target->size() == inode.size && !target->empty());
    require(target->size() <= 4095 && target->find('\0') == target->npos);
  }

  void check_data(const composefs::Inode& inode) {
    std::vector<std::byte> buffer(9000);
    for (const std::uint64_t offset :
         {std::uint64_t{0}, inode.size / 2, inode.size - (inode.size > 0)}) {
      const auto count = image_.read(inode, offset, buffer);
      if (!count) continue;
      require(*count ==
              std::min<std::uint64_t>(buffer.size(), inode.size - offset));
    }
    require(*image_.read(inode, inode.size, buffer) == 0);
  }

  void check_dir(const composefs::Inode& dir) {
    std::vector<std::string> names;
    const auto listed = image_.read_dir(dir, [&](const auto& item) {
      check_name(item.name);
      names.emplace_back(item.name);
      if (item.name != "." && item.name != "..") stack_.push_back(item.nid);
      return names.size() < kObjects;
    });
    const bool sorted = listed && std::ranges::is_sorted(names);
    for (const std::string& name : names) {
      const auto found = image_.find(dir, name);
      // In order, each is found; out of order it may be missed.
      require(!sorted || !found || *found);
    }
    static_cast<void>(image_.find(dir, "not there"));
  }

  const composefs::Image& image_;
  std::vector<composefs::Nid> stack_;
};

/// Walks it as a layer shows it.
inline void check_layer(Layer& layer) {
  std::vector<Child> stack = {layer.root()};
  for (std::size_t i = 0; i < kObjects && !stack.empty(); ++i) {
    const Child at = std::move(stack.back());
    stack.pop_back();
    const LayerNode& node = *at.node;
    const auto attr = layer.get_attr(node);
    require(attr && attr->ino == at.attr.ino && attr->nlink > 0);
    require(layer.path_of(node).size() < 2048 * 256);
    const auto xattrs = layer.list_xattrs(node);
    require(!xattrs || !at.marks.no_xattrs || xattrs->empty());
    if (S_ISLNK(at.attr.mode)) static_cast<void>(layer.read_link(node));
    if (S_ISREG(at.attr.mode)) {
      const auto data = layer.open_data(node);
      require(!data || !data->length || *data->length == at.attr.size);
    }
    if (!S_ISDIR(at.attr.mode)) continue;
    std::vector<std::string> names;
    ignore_error(layer.read_dir(node, [&](const DirEntry& entry) {
      check_name(entry.name);
      require(entry.name != "." && entry.name != "..");
      if (names.size() < kObjects) names.emplace_back(entry.name);
    }));
    for (const std::string& name : names) {
      auto child = layer.lookup(node, name);
      if (!child || !*child) continue;
      require((*child)->node || (*child)->marks.whiteout);
      if ((*child)->node) stack.push_back(**std::move(child));
    }
  }
}

inline void check_layers(const std::shared_ptr<const composefs::Image>& image) {
  using composefs::ServeMode;
  for (const bool trusted : {false, true}) {
    for (const auto& [mode, stacked] :
         {std::pair(ServeMode::kFollow, false),
          std::pair(ServeMode::kFollow, true),
          std::pair(ServeMode::kMetadata, false)}) {
      const auto layer = composefs::ComposefsLayer::make(
          image, {.mode = mode, .stacked = stacked, .trusted_xattrs = trusted},
          nullptr, std::nullopt);
      if (layer) check_layer(**layer);
    }
  }
}

inline void check_composefs_image(std::string_view bytes) {
  sys::UniqueFd fd(::memfd_create("image", MFD_CLOEXEC));
  const ssize_t written = ::pwrite(fd.get(), bytes.data(), bytes.size(), 0);
  require(written == static_cast<ssize_t>(bytes.size()));
  auto image = composefs::Image::open(std::move(fd), "image");
  if (!image) return;
  ImageCheck(*image).run();
  check_layers(std::make_shared<const composefs::Image>(*std::move(image)));
}

}  // namespace veneer::fuzz
