// SPDX-License-Identifier: MIT
//
// Checking a directory, and searching one that was checked.

#include "layerfs/dir_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace veneer::layerfs {
namespace {

Error bad_at(std::uint64_t offset, std::string_view what) {
  return Error(EIO, "read", fmt::format("offset {}: {}", offset, what));
}

// The two links end an item.
std::uint64_t link_at(const std::byte* item, std::uint64_t size, bool right) {
  return load_be<std::uint64_t>(item + size - (right ? 8 : 16));
}

}  // namespace

Result<DirFileRef> DirFile::parse(std::vector<std::byte> bytes,
                                  std::uint32_t layer) {
  const auto root = decode_dir_header(bytes);
  if (!root) return bad_at(0, root.error().subject());
  const Ref<DirFile> dir(new DirFile(std::move(bytes), *root));
  TRY(dir->check_items(layer));
  TRY(dir->check_tree());
  return DirFileRef(dir);
}

Result<void> DirFile::check_items(std::uint32_t layer) {
  const std::span<const std::byte> all(bytes_);
  for (std::size_t at = kDirHeader; at < all.size();) {
    const auto item = decode_dir_item(all.subspan(at));
    if (!item) return bad_at(at, item.error().subject());
    const Target& target = item->target;
    if (!target.whiteout) {
      if (target.id.layer > layer) {
        return bad_at(at, fmt::format("an inode of layer {}, above layer {}",
                                      target.id.layer, layer));
      }
      if (target.id.offset == kRootOffset) {
        return bad_at(at, "an entry that is a root");
      }
      if (target.kind == Kind::kDirectory) ++subdirs_;
    }
    at += dir_item_size(item->name.size(), target.whiteout);
    ++count_;
  }
  return {};
}

// Names that rise strictly from item to item cannot come round again, and no
// item lies deeper than kMostHeight, so this ends; and if as many items are
// passed as there are, all are in the tree.
Result<void> DirFile::check_tree() const {
  std::vector<bool> begins(bytes_.size());
  for (std::size_t at = kDirHeader; at < bytes_.size();
       at += kPrefix + load_be<std::uint64_t>(bytes_.data() + at)) {
    begins[at] = true;
  }
  struct Open {
    std::uint64_t at;
    std::uint32_t level;
  };
  Open path[kMostHeight];
  std::size_t depth = 0;
  std::size_t passed = 0;
  std::string_view last;
  const auto descend = [&](std::uint64_t from, std::uint64_t at,
                           std::uint32_t level) -> Result<void> {
    while (at != 0) {
      if (at >= begins.size() || !begins[static_cast<std::size_t>(at)]) {
        return bad_at(from, fmt::format("no entry begins at {}", at));
      }
      if (level == kMostHeight) return bad_at(from, "the tree is too high");
      path[depth++] = {at, ++level};
      from = at;
      at = item_at(at).left;
    }
    return {};
  };
  TRY(descend(0, root_, 0));
  while (depth > 0) {
    const auto [at, level] = path[--depth];
    const DirItem item = item_at(at);
    if (passed++ > 0 && item.name <= last) {
      return bad_at(at, "the names are not in order");
    }
    last = item.name;
    TRY(descend(at, item.right, level));
  }
  if (passed != count_) {
    return bad_at(
        0, fmt::format("{} of {} entries are in the tree", passed, count_));
  }
  return {};
}

DirItem DirFile::item_at(std::uint64_t at) const {
  const std::byte* const item = bytes_.data() + at;
  const std::uint64_t size = kPrefix + load_be<std::uint64_t>(item);
  const auto name_size =
      static_cast<std::size_t>(load_be<std::uint64_t>(item + 8));
  const std::byte* const tail = item + 16 + name_size;
  DirItem found;
  found.name = {reinterpret_cast<const char*>(item + 16), name_size};
  found.target.whiteout = load_be<std::uint32_t>(tail) == 0;
  if (!found.target.whiteout) {
    found.target.id = {load_be<std::uint32_t>(tail + 4),
                       load_be<std::uint32_t>(tail + 8)};
    found.target.kind = static_cast<Kind>(load_be<std::uint32_t>(tail + 12));
    found.target.opaque = tail[16] != std::byte{0};
  }
  found.height = load_be<std::uint32_t>(item + size - 20);
  found.left = link_at(item, size, false);
  found.right = link_at(item, size, true);
  return found;
}

std::optional<Target> DirFile::find(std::string_view name) const {
  for (std::uint64_t at = root_; at != 0;) {
    const std::byte* const item = bytes_.data() + at;
    const auto name_size =
        static_cast<std::size_t>(load_be<std::uint64_t>(item + 8));
    const int order =
        name.compare({reinterpret_cast<const char*>(item + 16), name_size});
    if (order == 0) return item_at(at).target;
    const std::uint64_t size = kPrefix + load_be<std::uint64_t>(item);
    at = link_at(item, size, order > 0);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> DirFile::find_imbalance() const {
  const auto height_of = [&](std::uint64_t at) -> std::int64_t {
    return at == 0 ? 0 : item_at(at).height;
  };
  for (std::size_t at = kDirHeader; at < bytes_.size();
       at += kPrefix + load_be<std::uint64_t>(bytes_.data() + at)) {
    const DirItem item = item_at(at);
    const std::int64_t left = height_of(item.left);
    const std::int64_t right = height_of(item.right);
    if (left - right > 1 || right - left > 1 ||
        item.height != 1 + std::max(left, right)) {
      return at;
    }
  }
  return std::nullopt;
}

DirFile::Cursor::Cursor(const DirFile& dir) : dir_(dir) { descend(dir.root_); }

void DirFile::Cursor::descend(std::uint64_t at) {
  for (; at != 0; at = dir_.item_at(at).left) path_[depth_++] = at;
}

void DirFile::Cursor::next() {
  const std::uint64_t right = dir_.item_at(path_[--depth_]).right;
  descend(right);
}

}  // namespace veneer::layerfs
