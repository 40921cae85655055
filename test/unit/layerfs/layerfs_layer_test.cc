// SPDX-License-Identifier: MIT
//
// The layer under load: big directories, many threads, little memory.

#include <gmock/gmock.h>

#include <random>
#include <thread>

#include "test/unit/layerfs/layer_scene.h"

namespace veneer::layerfs {
namespace {

using veneer::testing::code_of;

class LayerfsLayerTest : public LayerScene {};

TEST_F(LayerfsLayerTest, ADirectoryOfAHundredThousandNames) {
  constexpr int kNames = 100000;
  build_with("l0", {}, [](BottomLayerBuilder& b) {
    for (int i = 0; i < kNames; ++i) {
      ASSERT_TRUE(b.add_file("big/n" + std::to_string(i), kPlain, Empty{}));
    }
  });
  const LayerFs two = stack("s1", open("l0"), build("l1", {"wh:/big/n77"}));
  const auto layer = view(two);

  int listed = 0;
  ASSERT_TRUE(layer->read_dir(*at(*layer, "big").node,
                              [&](const DirEntry&) { ++listed; }));
  EXPECT_EQ(listed, kNames - 1);
  EXPECT_TRUE(has(*layer, "big/n99999"));
  EXPECT_FALSE(has(*layer, "big/n77"));
  EXPECT_FALSE(has(*layer, "big/n100000"));
}

TEST_F(LayerfsLayerTest, NamesThatAreTooLongAreAnError) {
  const auto layer = view(build("l0", {"/" + std::string(255, 'n')}));

  EXPECT_TRUE(has(*layer, std::string(255, 'n')));
  EXPECT_EQ(code_of(find(*layer, std::string(256, 'n'))), ENAMETOOLONG);
}

TEST_F(LayerfsLayerTest, AChainOfADeepTreeIsReleasedWithoutRecursion) {
  constexpr int kDepth = 20000;
  std::string path;
  for (int i = 0; i < kDepth; ++i) path += "/d";
  const LayerFs built = build("l0", {path});
  auto layer = view(built);
  Child deepest = layer->root();
  for (int i = 0; i < kDepth; ++i) {
    deepest = **layer->lookup(*deepest.node, "d");
  }
  EXPECT_EQ(layer->path_of(*deepest.node).size(), path.size() - 1);

  // The node outlives the layer that made it.
  layer.reset();
  deepest = {};
}

TEST_F(LayerfsLayerTest, ThreadsSeeOneTree) {
  constexpr int kDirs = 50;
  build_with("l0", {}, [](BottomLayerBuilder& b) {
    for (int d = 0; d < kDirs; ++d) {
      for (int f = 0; f < 20; ++f) {
        const std::string name = std::to_string(d) + "/" + std::to_string(f);
        ASSERT_TRUE(b.add_file(name, kPlain, inline_text(name)));
      }
    }
  });
  const LayerFs layer = open("l0");
  // Room for some of the directories, so they come and go.
  const std::shared_ptr<Layer> shown =
      *layer.as_layer({.directory_bytes = 40000});
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 6; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 2000; ++i) {
        const std::string d = std::to_string(random() % kDirs);
        const std::string f = std::to_string(random() % 20);
        const auto dir = shown->lookup(*shown->root().node, d);
        if (!dir || !*dir) {
          ++wrong;
          continue;
        }
        const auto file = shown->lookup(*(*dir)->node, f);
        if (!file || !*file) {
          ++wrong;
          continue;
        }
        const auto data = shown->open_data(*(*file)->node);
        std::string bytes(d.size() + 1 + f.size(), '\0');
        if (!data || !sys::pread_full(data->fd, bytes.data(), bytes.size(),
                                      data->offset)) {
          ++wrong;
          continue;
        }
        if (bytes != d + "/" + f) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(wrong, 0);
}

TEST_F(LayerfsLayerTest, NumbersAreTheSameEachTimeAndInEachStackAbove) {
  const LayerFs l0 = build("l0", {"/a", "/d/b"});
  const auto alone = view(l0);
  const auto again = view(open("l0"));
  const auto stacked = view(stack("s1", l0, build("l1", {"/c"})));

  for (const char* name : {"a", "d", "d/b"}) {
    EXPECT_EQ(at(*alone, name).attr.ino, at(*again, name).attr.ino);
    EXPECT_EQ(at(*alone, name).attr.ino, at(*stacked, name).attr.ino);
  }
  EXPECT_NE(alone->root().attr.dev, again->root().attr.dev);
  EXPECT_EQ(at(*stacked, "c").attr.ino >> 32, 1U);
}

}  // namespace
}  // namespace veneer::layerfs
