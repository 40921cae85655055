// SPDX-License-Identifier: MIT
//
// Stacks: what shows when one layer lies on another.

#include <gmock/gmock.h>

#include "test/unit/layerfs/layer_scene.h"

namespace veneer::layerfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using veneer::testing::code_of;

class StackTest : public LayerScene {
 protected:
  /// The layers, from the bottom, as one.
  std::unique_ptr<Layer> stack_of(const std::vector<Words>& layers) {
    LayerFs below = build("bottom0", layers[0]);
    for (std::size_t i = 1; i < layers.size(); ++i) {
      const auto n = std::to_string(i);
      below = stack("stack" + n, below, build("bottom" + n, layers[i]));
    }
    EXPECT_THAT(faults(below), IsEmpty());
    return view(below);
  }
};

TEST_F(StackTest, AnythingOverNothing) {
  const auto layer = stack_of({{}, {"/a/1", "/b/2", "/c/3"}});

  EXPECT_THAT(entries(*layer, ""), ElementsAre("a/", "b/", "c/"));
  EXPECT_THAT(entries(*layer, "b"), ElementsAre("2"));
}

TEST_F(StackTest, NothingOverAnything) {
  const auto layer = stack_of({{"/a/1", "/b/2", "/c/3"}, {}});

  EXPECT_THAT(entries(*layer, ""), ElementsAre("a/", "b/", "c/"));
  EXPECT_THAT(entries(*layer, "b"), ElementsAre("2"));
}

TEST_F(StackTest, NothingOverNothingHasARoot) {
  const auto layer = stack_of({{}, {}});

  EXPECT_THAT(entries(*layer, ""), IsEmpty());
}

TEST_F(StackTest, AllWhitedOutIsAnEmptyRoot) {
  const auto layer = stack_of({{"/a", "/b/c"}, {"wh:/a", "wh:/b"}});

  EXPECT_THAT(entries(*layer, ""), IsEmpty());
}

TEST_F(StackTest, ALongPathBelowUnites) {
  const auto layer = stack_of({{"/a/b/c/d/e/f"}, {"/a/g"}});

  EXPECT_THAT(entries(*layer, "a"), ElementsAre("b/", "g"));
  EXPECT_TRUE(has(*layer, "a/b/c/d/e/f"));
}

TEST_F(StackTest, ALongPathAboveUnites) {
  const auto layer = stack_of({{"/a/g"}, {"/a/b/c/d/e/f"}});

  EXPECT_THAT(entries(*layer, "a"), ElementsAre("b/", "g"));
  EXPECT_TRUE(has(*layer, "a/b/c/d/e/f"));
}

TEST_F(StackTest, DirectoriesUnite) {
  const auto layer =
      stack_of({{"/Pie/Apple", "/Cake/Chocolate", "/Cake/Cupcakes/Sprinkle"},
                {"/Pie/KeyLime", "/Cake/Birthday", "/Cookies/Snickerdoodle"}});

  EXPECT_THAT(entries(*layer, ""), ElementsAre("Cake/", "Cookies/", "Pie/"));
  EXPECT_THAT(entries(*layer, "Pie"), ElementsAre("Apple", "KeyLime"));
  EXPECT_THAT(entries(*layer, "Cake"),
              ElementsAre("Birthday", "Chocolate", "Cupcakes/"));
  EXPECT_THAT(entries(*layer, "Cake/Cupcakes"), ElementsAre("Sprinkle"));
}

TEST_F(StackTest, AFileReplacesADirectory) {
  const auto layer =
      stack_of({{"/Cake/Cupcakes/Sprinkle"}, {"/Cake/Cupcakes"}});

  EXPECT_THAT(entries(*layer, "Cake"), ElementsAre("Cupcakes"));
}

TEST_F(StackTest, ADirectoryReplacesAFile) {
  const auto layer =
      stack_of({{"/Cake/Cupcakes"}, {"/Cake/Cupcakes/Sprinkle"}});

  EXPECT_THAT(entries(*layer, "Cake"), ElementsAre("Cupcakes/"));
  EXPECT_THAT(entries(*layer, "Cake/Cupcakes"), ElementsAre("Sprinkle"));
}

TEST_F(StackTest, AWhiteoutLeavesTheSibling) {
  const auto layer = stack_of({{"/Cake/a", "/Cake/b"}, {"wh:/Cake/a"}});

  EXPECT_THAT(entries(*layer, "Cake"), ElementsAre("b"));
  EXPECT_FALSE(has(*layer, "Cake/a"));
}

TEST_F(StackTest, AWhiteoutOfOneNameLeavesTheOther) {
  const auto layer = stack_of({{"/a", "hl:/b -> /a"}, {"wh:/a"}});

  EXPECT_THAT(entries(*layer, ""), ElementsAre("b"));
}

TEST_F(StackTest, AWhiteoutTakesATreeAway) {
  const auto layer =
      stack_of({{"/Cake/Cupcakes/Sprinkle/x", "/Pie/y"}, {"wh:/Cake"}});

  EXPECT_THAT(entries(*layer, ""), ElementsAre("Pie/"));
}

TEST_F(StackTest, AnOpaqueDirectoryHasOnlyTheNew) {
  const auto layer =
      stack_of({{"/Cake/Cupcakes/Sprinkle/Red", "/Cake/Cupcakes/Plain"},
                {"opq:/Cake/Cupcakes", "/Cake/Cupcakes/CarrotCake/",
                 "/Cake/Cupcakes/Sprinkle/Orange"}});

  EXPECT_THAT(entries(*layer, "Cake/Cupcakes"),
              ElementsAre("CarrotCake/", "Sprinkle/"));
  EXPECT_THAT(entries(*layer, "Cake/Cupcakes/Sprinkle"), ElementsAre("Orange"));
}

TEST_F(StackTest, WhiteoutAndOpaqueTogether) {
  const auto layer = stack_of(
      {{"/Foo", "/Bar/Baz", "/Bar/Bin"}, {"wh:/Foo", "opq:/Bar/", "/Bar/Qux"}});

  EXPECT_THAT(entries(*layer, ""), ElementsAre("Bar/"));
  EXPECT_THAT(entries(*layer, "Bar"), ElementsAre("Qux"));
}

TEST_F(StackTest, ThreeLayers) {
  const auto layer = stack_of(
      {{"/Cake/Cupcakes/"}, {"/Cake/Chocolate/"}, {"/Cake/Chocolate/"}});

  EXPECT_THAT(entries(*layer, "Cake"), ElementsAre("Chocolate/", "Cupcakes/"));
}

TEST_F(StackTest, AWhiteoutInTheLowestLayerStaysWithoutEffect) {
  const auto layer = stack_of({{"/a", "wh:/w"}, {"/b"}, {"/w/x"}});

  EXPECT_THAT(entries(*layer, ""), ElementsAre("a", "b", "w/"));
  EXPECT_THAT(entries(*layer, "w"), ElementsAre("x"));
}

TEST_F(StackTest, AnOpaqueRootHidesAll) {
  const auto layer = stack_of({{"/a", "/b/c"}, {"opq:/", "/b/d"}});

  EXPECT_THAT(entries(*layer, ""), ElementsAre("b/"));
  EXPECT_THAT(entries(*layer, "b"), ElementsAre("d"));
}

TEST_F(StackTest, TheRootsAttributesAreTheTops) {
  build_with("l0", {}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_dir("/", {0700, 11}));
  });
  build_with("l1", {}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_dir(".", {0711, 12}));
  });
  build_with("l2", {}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("x", kPlain, Empty{}));
  });
  const LayerFs two = stack("two", open("l0"), open("l1"));
  EXPECT_EQ(view(two)->root().attr.mode, S_IFDIR | 0711U);
  EXPECT_EQ(view(two)->root().attr.mtime.tv_sec, 12);

  // One that says nothing of its root keeps what is below.
  const LayerFs three = stack("three", two, open("l2"));
  EXPECT_EQ(view(three)->root().attr.mode, S_IFDIR | 0711U);
  EXPECT_EQ(view(three)->root().attr.mtime.tv_sec, 12);
}

TEST_F(StackTest, ImplicitDirectoriesKeepTheAttributesBelow) {
  build_with("l0", {}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_dir("usr", {0751, 11}));
    EXPECT_TRUE(b.add_dir("usr/bin", {0750, 12}));
    EXPECT_TRUE(b.add_file("usr/bin/a", kPlain, Empty{}));
    EXPECT_TRUE(b.add_dir("opaque", {0701, 13}));
    EXPECT_TRUE(b.add_dir("whited", {0702, 14}));
    EXPECT_TRUE(b.add_dir("said", {0703, 15}));
  });
  build_with("l1", {.default_time = 99}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("usr/bin/x", kPlain, Empty{}));
    EXPECT_TRUE(b.add_file("new/x", kPlain, Empty{}));
    EXPECT_TRUE(b.set_opaque("opaque"));
    EXPECT_TRUE(b.add_whiteout("whited"));
    EXPECT_TRUE(b.add_file("whited/x", kPlain, Empty{}));
    EXPECT_TRUE(b.add_dir("said", {0706, 16}));
  });
  const std::string before = read_file("l1/attributes_table.bin");
  const LayerFs two = stack("two", open("l0"), open("l1"));
  const auto layer = view(two);

  const auto mode_and_time = [&](const char* name) {
    const Attr attr = at(*layer, name).attr;
    return std::pair(attr.mode & 07777, attr.mtime.tv_sec);
  };
  EXPECT_EQ(mode_and_time("usr"), std::pair(0751U, 11L));
  EXPECT_EQ(mode_and_time("usr/bin"), std::pair(0750U, 12L));
  EXPECT_THAT(entries(*layer, "usr/bin"), ElementsAre("a", "x"));
  EXPECT_EQ(mode_and_time("new"), std::pair(0755U, 99L));
  EXPECT_EQ(mode_and_time("opaque"), std::pair(0701U, 13L));
  // The whiteout took the other one away; this is a new directory.
  EXPECT_EQ(mode_and_time("whited"), std::pair(0755U, 99L));
  EXPECT_EQ(mode_and_time("said"), std::pair(0706U, 16L));
  // For the layer itself nothing has changed.
  EXPECT_EQ(read_file("l1/attributes_table.bin"), before);
  EXPECT_THAT(faults(two), IsEmpty());
}

TEST_F(StackTest, ContentComesFromTheLayerThatHasIt) {
  build_with("l0", {}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("both", kPlain, inline_text("below")));
    EXPECT_TRUE(b.add_file("low", kPlain, inline_text("low")));
    EXPECT_TRUE(b.add_symlink("link", "below"));
  });
  build_with("l1", {}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("both", kPlain, inline_text("above")));
    EXPECT_TRUE(b.add_file("high", kPlain, inline_text("high")));
  });
  const auto layer = view(stack("two", open("l0"), open("l1")));

  EXPECT_EQ(read(*layer, "both"), "above");
  EXPECT_EQ(read(*layer, "low"), "low");
  EXPECT_EQ(read(*layer, "high"), "high");
  EXPECT_EQ(*layer->read_link(*at(*layer, "link").node), "below");
  EXPECT_THAT(entries(*layer, ""), ElementsAre("both", "high", "link@", "low"));
}

TEST_F(StackTest, ADirectoryUnderAnotherHasItsNumberOfDirectories) {
  const auto layer = stack_of({{"/a/b/", "/a/c/"}, {"/a/d/", "wh:/a/c"}});

  EXPECT_EQ(at(*layer, "a").attr.nlink, 4U);
}

TEST_F(StackTest, IsTheSameBytesEachTime) {
  LayerFs below = build("l0", {"/a/b"});
  for (int i = 1; i <= 5; ++i) {
    const auto n = std::to_string(i);
    below = stack("s" + n, below, build("l" + n, {"/a/" + n}));
  }
  const LayerFs top = build("top", {"/a/c"});
  stack("one", below, top);
  stack("two", below, top);

  for (const auto& entry : std::filesystem::directory_iterator(path("one"))) {
    const std::string name = "/" + entry.path().filename().string();
    EXPECT_EQ(read_file("one" + name), read_file("two" + name)) << name;
  }
}

TEST_F(StackTest, NeitherLayerIsChanged) {
  const LayerFs l0 = build("l0", {"/a/b", "/c"});
  const LayerFs l1 = build("l1", {"/a/d", "wh:/c"});
  const auto snapshot = [&](const std::string& name) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(path(name))) {
      const std::string file = entry.path().filename().string();
      files[file] = read_file(name + "/" + file);
    }
    return files;
  };
  const auto before = std::pair(snapshot("l0"), snapshot("l1"));

  stack("s1", l0, l1);
  stack("s2", l1, l0);

  EXPECT_EQ(std::pair(snapshot("l0"), snapshot("l1")), before);
}

TEST_F(StackTest, WhatWasPutOnTopMayGo) {
  stack("s1", build("l0", {"/a"}), build("l1", {"/b"}));

  std::filesystem::remove_all(path("l1"));

  EXPECT_THAT(entries(*view(open("s1")), ""), ElementsAre("a", "b"));
}

TEST_F(StackTest, AStackIsNotPutOnTop) {
  const LayerFs l0 = build("l0", {"/a"});
  const LayerFs s1 = stack("s1", l0, build("l1", {"/b"}));
  auto builder = UpperLayerBuilder::create(path("s2"), l0);
  ASSERT_TRUE(builder);

  EXPECT_EQ(code_of(builder->fill_from_bottom_layer(s1)), EINVAL);
}

TEST_F(StackTest, IsFilledOnce) {
  const LayerFs l0 = build("l0", {"/a"});
  auto builder = UpperLayerBuilder::create(path("s1"), l0);
  ASSERT_TRUE(builder);
  EXPECT_TRUE(builder->fill_from_bottom_layer(l0));

  EXPECT_EQ(code_of(builder->fill_from_bottom_layer(l0)), EALREADY);
  EXPECT_TRUE(std::move(*builder).finish());

  auto unfilled = UpperLayerBuilder::create(path("s2"), l0);
  EXPECT_EQ(code_of(std::move(*unfilled).finish()), EINVAL);
  EXPECT_FALSE(std::filesystem::exists(path("s2")));
}

TEST_F(StackTest, AReplacedLowerIsRefused) {
  const LayerFs l0 = build("l0", {"/a"});
  stack("s2", stack("s1", l0, build("l1", {"/b"})), build("l2", {"/c"}));
  std::filesystem::remove_all(path("l0"));
  build("l0", {"/x"});

  const auto one = LayerFs::from_path(path("s1"), blobs());
  const auto two = LayerFs::from_path(path("s2"), blobs());

  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().code(), ESTALE);
  EXPECT_THAT(one.error().message(), HasSubstr(path("l0")));
  EXPECT_EQ(code_of(two), ESTALE);
}

TEST_F(StackTest, ALowerBuiltAgainFromTheSameIsTheSame) {
  stack("s1", build("l0", {"/a/b"}), build("l1", {"/b"}));
  std::filesystem::remove_all(path("l0"));
  build("l0", {"/a/b"});

  EXPECT_THAT(entries(*view(open("s1")), ""), ElementsAre("a/", "b"));
}

TEST_F(StackTest, AMissingLowerIsNamed) {
  stack("s1", build("l0", {"/a"}), build("l1", {"/b"}));
  std::filesystem::remove_all(path("l0"));

  const auto open = LayerFs::from_path(path("s1"), blobs());

  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().code(), ENOENT);
  EXPECT_THAT(open.error().message(), HasSubstr(path("l0")));
}

TEST_F(StackTest, ForeignLayersStackAndAreRecognised) {
  build("l0", {"/a/b", "/c"});
  build("l1", {"/a/d"});
  std::filesystem::remove(path("l0/veneer.bin"));
  std::filesystem::remove(path("l1/veneer.bin"));
  const LayerFs s1 = stack("s1", open("l0"), open("l1"));
  EXPECT_THAT(entries(*view(s1), "a"), ElementsAre("b", "d"));
  EXPECT_EQ(at(*view(s1), "a").attr.nlink, 2U);
  EXPECT_THAT(faults(s1), IsEmpty());

  // A change that only its content shows: verify() finds it.
  std::string table = read_file("l0/attributes_table.bin");
  table[12 + 28 + 19] ^= 1;
  write_file("l0/attributes_table.bin", table);
  EXPECT_THAT(faults(open("s1")), ElementsAre(HasSubstr("changed")));

  // One that shows at once.
  write_file("l0/inline_data.bin", "x");
  EXPECT_EQ(code_of(LayerFs::from_path(path("s1"), blobs())), ESTALE);
}

TEST_F(StackTest, AHundredLayers) {
  LayerFs below = build("l0", {"/d/0"});
  for (int i = 1; i < 100; ++i) {
    const auto n = std::to_string(i);
    below = stack("s" + n, below, build("l" + n, {"/d/" + n, "/own" + n}));
  }
  const auto layer = view(below);

  EXPECT_EQ(entries(*layer, "d").size(), 100U);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(has(*layer, "d/" + std::to_string(i)));
  }
  EXPECT_THAT(faults(below), IsEmpty());
}

TEST_F(StackTest, ARelativeLowerIsRecordedAsAbsolute) {
  build("l0", {"/a"});
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(scratch_.path());
  auto builder = UpperLayerBuilder::create("s1", *LayerFs::from_path("l0", ""));
  ASSERT_TRUE(builder);
  EXPECT_TRUE(builder->fill_from_bottom_layer(build("l1", {"/b"})));
  EXPECT_TRUE(std::move(*builder).finish());
  std::filesystem::current_path(here);

  EXPECT_THAT(entries(*view(open("s1")), ""), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace veneer::layerfs
