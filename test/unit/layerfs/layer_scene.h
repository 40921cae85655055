// SPDX-License-Identifier: MIT
//
// A place to build layers in, and the small language of trees:
//
//   build("l0", {"/a", "/d/", "/d/e", "wh:/w", "opq:/o/", "hl:/new -> /old"});
//
// "/p" is an empty file of mode 0555, "/p/" such a directory; parents are
// implicit. Results are errors of the test where they are not expected.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "layerfs/layer_reader.h"
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
