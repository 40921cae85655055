// SPDX-License-Identifier: MIT
//
// The files of two layers, one on the other, given to all that reads layers.
// Whatever they are, reading ends; and what verify() calls sound can be read to
// the last name, and stacked.
//
// An input is a row of files: a byte that says which (0x80: of the upper layer;
// 0 super.bin, 1 file table, 2 attributes, 3 inline data, 4 veneer.bin, 5 a
// directory, whose offset follows in two bytes), two bytes of length, and the
// bytes. A super.bin that is not given is one that fits.
//
// Run by the fuzzer, and on its corpus by a unit test.

#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "../test/support/scratch_dir.h"
#include "base/log.h"
#include "layerfs/dir_file.h"
#include "layerfs/veneer_file.h"
#include "require.h"
#include "veneer/layerfs.h"

namespace veneer::fuzz {

/// The files of an input, in a directory in memory.
class FuzzedLayers {
 public:
  FuzzedLayers() {
    set_log_level(LogLevel::kOff);
    std::filesystem::create_directory(blobs());
  }

  void write(std::string_view input) {
    for (const char* layer : {"l0", "l1", "l2"}) {
      std::filesystem::remove_all(dir_.path(layer));
    }
    std::filesystem::create_directory(dir_.path("l0"));
    std::filesystem::create_directory(dir_.path("l1"));
    write_supers();
    while (input.size() >= 3) write_next(input);
  }

  std::string lower() const { return dir_.path("l0"); }
  std::string upper() const { return dir_.path("l1"); }
  std::string fresh() const { return dir_.path("l2"); }
  std::string blobs() const { return dir_.path("blobs"); }

 private:
  void put(const std::string& path, std::string_view bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  void write_supers() {
    put(lower() + "/super.bin", as_text(layerfs::encode_super({})));
    put(upper() + "/super.bin",
        as_text(layerfs::encode_super({1, {{0, lower()}}})));
  }

  void write_next(std::string_view& input) {
    const auto take = [&](std::size_t size) {
      const std::string_view taken = input.substr(0, size);
      input.remove_prefix(taken.size());
      return taken;
    };
    const auto number = [&](std::size_t size) {
      unsigned value = 0;
      for (const char c : take(size)) {
        value = value << 8 | static_cast<unsigned char>(c);
      }
      return value;
    };
    constexpr const char* kNames[] = {
        layerfs::kSuperFile, layerfs::kFileTable, layerfs::kAttributesTable,
        layerfs::kInlineData, layerfs::kVeneerFile};
    const unsigned which = number(1);
    const unsigned kind = (which & 0x7f) % 6;
    std::string path = (which & 0x80) != 0 ? upper() : lower();
    path.push_back('/');
    path += kind < 5 ? kNames[kind] : layerfs::dir_file_name(number(2));
    put(path, take(number(2)));
  }

  testing::ScratchDir dir_;
};

/// Reads all there is below `dir`; false if something cannot be read. Hostile
/// trees have no end, so `budget` bounds how many are looked at.
inline bool read_tree(Layer& layer, const LayerNode& dir, int depth,
                      int& budget) {
  std::vector<std::string> names;
  const auto listed = layer.read_dir(dir, [&](const DirEntry& entry) {
    require(layerfs::is_valid_name(entry.name));
    names.emplace_back(entry.name);
  });
  if (!listed) return false;
  bool good = true;
  for (const std::string& name : names) {
    if (--budget < 0 || depth > 16) return good;
    const auto child = layer.lookup(dir, name);
    good = good && child;
    if (!child) continue;
    require(child->has_value());
    if ((*child)->marks.whiteout) continue;
    const LayerNode& node = *(*child)->node;
    const Attr& attr = (*child)->attr;
    require(attr.ino != 0 && static_cast<std::int64_t>(attr.size) >= 0);
    if (S_ISDIR(attr.mode)) {
      good = read_tree(layer, node, depth + 1, budget) && good;
    } else if (S_ISLNK(attr.mode)) {
      const auto target = layer.read_link(node);
      require(!target || target->size() == attr.size);
      good = good && target;
    } else if (S_ISREG(attr.mode)) {
      const auto data = layer.open_data(node);
      require(!data || data->length == attr.size);
      // A blob may be missing from a sound layer.
    }
    require(layer.path_of(node).ends_with(name));
  }
  return good;
}

inline void check_dir_file(std::string_view bytes) {
  const auto view = as_bytes(bytes);
  const auto dir = layerfs::DirFile::parse({view.begin(), view.end()}, 1);
  if (!dir) return;
  std::size_t count = 0;
  std::string_view last;
  for (layerfs::DirFile::Cursor at(**dir); !at.at_end(); at.next()) {
    const layerfs::DirItem item = at.item();
    require(count++ == 0 || last < item.name);
    require((*dir)->find(item.name) == item.target);
    last = item.name;
  }
  require(count == (*dir)->size());
}

inline void check_records(std::string_view text) {
  const auto bytes = as_bytes(text);
  if (const auto inode = layerfs::decode_inode(bytes)) {
    layerfs::BeWriter out;
    layerfs::write_inode(out, *inode);
    require(text.starts_with(as_text(out.bytes())));
  }
  if (const auto super = layerfs::decode_super(bytes)) {
    const auto again = layerfs::decode_super(layerfs::encode_super(*super));
    require(again && *again == *super);
  }
  ignore_error(layerfs::decode_attributes(bytes));
  ignore_error(layerfs::decode_veneer_header(bytes, bytes.size()));
  ignore_error(layerfs::decode_dirs(bytes));
  ignore_error(layerfs::decode_links(bytes));
  check_dir_file(text);
}

inline void check_layerfs_layer(std::string_view input) {
  check_records(input);
  static FuzzedLayers layers;
  layers.write(input);
  const auto layer =
      layerfs::LayerFs::from_path(layers.upper(), layers.blobs());
  if (!layer) return;
  const auto faults = layer->verify({.blobs = false});
  const bool sound = faults && faults->empty();
  const auto view = layer->as_layer();
  int budget = 2000;
  const bool good = view && read_tree(**view, *(*view)->root().node, 0, budget);
  require(!sound || good);
  const auto missing = layer->missing_blobs();
  require(!sound || missing);

  const auto bottom =
      layerfs::LayerFs::from_path(layers.lower(), layers.blobs());
  if (!bottom) return;
  auto builder = layerfs::UpperLayerBuilder::create(layers.fresh(), *layer);
  require(builder.has_value());
  const auto filled = builder->fill_from_bottom_layer(*bottom);
  require(!sound || filled);
  if (!filled) return;
  require(std::move(*builder).finish().has_value());
  const auto stacked =
      layerfs::LayerFs::from_path(layers.fresh(), layers.blobs());
  require(stacked.has_value());
  const auto left = stacked->verify({.blobs = false});
  require(!sound || (left && left->empty()));
}

}  // namespace veneer::fuzz
