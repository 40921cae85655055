// SPDX-License-Identifier: MIT
//
// A place to build layers in, and the small language of trees:
//
//   build("l0", {"/a", "/d/", "/d/e", "wh:/w", "opq:/o/", "hl:/new -> /old"});
//
// "/p" is an empty file of mode 0555, "/p/" such a directory; parents are
// implicit. Results are errors of the test where they are not expected.

#pragma once

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "layerfs/layer_reader.h"
#include "sys/file.h"
#include "test/support/result.h"
#include "test/support/scratch_dir.h"
#include "veneer/layerfs.h"

namespace veneer::layerfs {

inline constexpr std::int64_t kTime = 1705000271;
inline constexpr Attributes kPlain{.mode = 0555, .mtime = kTime};

inline Inline inline_text(std::string_view text) {
  return Inline{veneer::as_bytes(text)};
}

class LayerScene : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made());
    std::filesystem::create_directory(blobs());
  }

  std::string path(std::string_view name) const { return scratch_.path(name); }
  std::string blobs() const { return scratch_.path("blobs"); }

  /// Builds `name` with what `fill` adds.
  void build_with(const std::string& name, const BuildOptions& options,
                  const std::function<void(BottomLayerBuilder&)>& fill) {
    auto builder = BottomLayerBuilder::create(path(name), options);
    ASSERT_TRUE(builder) << builder.error().message();
    fill(*builder);
    const auto done = std::move(*builder).finish();
    ASSERT_TRUE(done) << done.error().message();
  }

  LayerFs build(const std::string& name, const Words& words) {
    build_with(name, {.default_time = kTime}, [&](BottomLayerBuilder& b) {
      for (const std::string& word : words) add_word(b, word);
    });
    return open(name);
  }

  static void add_word(BottomLayerBuilder& b, const std::string& word) {
    int code = 0;
    if (word.starts_with("wh:")) {
      code = veneer::testing::code_of(b.add_whiteout(word.substr(3)));
    } else if (word.starts_with("opq:")) {
      code = veneer::testing::code_of(b.set_opaque(word.substr(4)));
    } else if (word.starts_with("hl:")) {
      const std::size_t arrow = word.find(" -> ");
      code = veneer::testing::code_of(
          b.add_link(word.substr(3, arrow - 3), word.substr(arrow + 4)));
    } else if (word.ends_with('/')) {
      code = veneer::testing::code_of(b.add_dir(word, kPlain));
    } else {
      code = veneer::testing::code_of(b.add_file(word, kPlain, Empty{}));
    }
    EXPECT_EQ(code, 0) << word;
  }

  LayerFs open(const std::string& name) {
    auto layer = LayerFs::from_path(path(name), blobs());
    if (!layer) {
      ADD_FAILURE() << layer.error().message();
      std::abort();
    }
    return *layer;
  }

  /// `lower` with `bottom` on top, as layer `name`.
  LayerFs stack(const std::string& name, const LayerFs& lower,
                const LayerFs& bottom) {
    auto builder = UpperLayerBuilder::create(path(name), lower);
    EXPECT_TRUE(builder) << builder.error().message();
    const auto filled = builder->fill_from_bottom_layer(bottom);
    EXPECT_TRUE(filled) << filled.error().message();
    const auto done = std::move(*builder).finish();
    EXPECT_TRUE(done) << done.error().message();
    return open(name);
  }

  // What a user of the layer sees. Paths are relative, "" is the root.

  static std::unique_ptr<Layer> view(const LayerFs& layer) {
    auto opened = layer.as_layer({.uid = 7, .gid = 8});
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }

  static Result<std::optional<Child>> find(Layer& layer,
                                           std::string_view path) {
    Child at = layer.root();
    while (!path.empty()) {
      const std::size_t slash = path.find('/');
      TRY_ASSIGN(auto child, layer.lookup(*at.node, path.substr(0, slash)));
      if (!child || child->marks.whiteout) return child;
      at = *std::move(child);
      path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
    }
    return std::optional(std::move(at));
  }

  /// Requires that it is there.
  static Child at(Layer& layer, std::string_view path) {
    auto child = find(layer, path);
    if (!child || !*child || !(*child)->node) {
      ADD_FAILURE() << "there is no " << path;
      std::abort();
    }
    return **child;
  }

  static bool has(Layer& layer, std::string_view path) {
    const auto child = find(layer, path);
    EXPECT_TRUE(child) << child.error().message();
    return *child && (*child)->node;
  }

  /// Names in order; directories end in "/", links in "@".
  static Words entries(Layer& layer, std::string_view path) {
    Words found;
    const auto done =
        layer.read_dir(*at(layer, path).node, [&](const DirEntry& entry) {
          if (entry.whiteout) return;
          found.emplace_back(entry.name);
          if (entry.type == DT_DIR) found.back().push_back('/');
          if (entry.type == DT_LNK) found.back().push_back('@');
        });
    EXPECT_TRUE(done) << done.error().message();
    std::ranges::sort(found);
    return found;
  }

  static Result<std::string> try_read(Layer& layer, std::string_view path) {
    TRY_ASSIGN(const FileData data, layer.open_data(*at(layer, path).node));
    std::string bytes(*data.length, '\0');
    if (data.fd < 0) return bytes;
    TRY_ASSIGN(
        const std::size_t got,
        sys::pread_full(data.fd, bytes.data(), bytes.size(), data.offset));
    bytes.resize(got);
    return bytes;
  }
  static std::string read(Layer& layer, std::string_view path) {
    const auto bytes = try_read(layer, path);
    EXPECT_TRUE(bytes) << bytes.error().message();
    return bytes ? *bytes : "";
  }

  /// A blob of the store.
  BlobRange add_blob(std::string_view bytes, std::uint64_t offset,
                     std::uint64_t length) {
    auto store = BlobStore::open(blobs());
    const auto blob = store->add_bytes(veneer::as_bytes(bytes));
    EXPECT_TRUE(store->publish());
    return {blob->sha256, offset, length};
  }

  static Words faults(const LayerFs& layer, const VerifyOptions& options = {}) {
    const auto found = layer.verify(options);
    if (!found) return {found.error().message()};
    Words lines;
    for (const Fault& fault : *found) {
      lines.push_back(
          fault.file +
          (fault.offset ? "+" + std::to_string(*fault.offset) : "") + ": " +
          fault.what);
    }
    return lines;
  }

  std::string read_file(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write_file(const std::string& name, std::string_view bytes) const {
    std::ofstream out(path(name), std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  veneer::testing::ScratchDir scratch_;
};

}  // namespace veneer::layerfs
