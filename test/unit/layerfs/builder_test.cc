// SPDX-License-Identifier: MIT
//
// BottomLayerBuilder: names given twice, paths that are refused, and what
// stands on disk before and after.

#include <gmock/gmock.h>
#include <sys/file.h>

#include "sys/fault.h"
#include "test/unit/layerfs/layer_scene.h"

namespace veneer::layerfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using veneer::testing::code_of;

class BuilderTest : public LayerScene {
 protected:
  BottomLayerBuilder begin(const BuildOptions& options = {}) {
    auto builder = BottomLayerBuilder::create(path("l0"), options);
    EXPECT_TRUE(builder) << builder.error().message();
    return *std::move(builder);
  }
  std::unique_ptr<Layer> end(BottomLayerBuilder& builder) {
    const auto done = std::move(builder).finish();
    EXPECT_TRUE(done) << done.error().message();
    const LayerFs layer = open("l0");
    EXPECT_THAT(faults(layer), IsEmpty());
    return view(layer);
  }
  Words files() const {
    Words names;
    for (const auto& entry :
         std::filesystem::directory_iterator(scratch_.path())) {
      names.push_back(entry.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }
};

// --- Names given twice -------------------------------------------------------

TEST_F(BuilderTest, TheLaterFileReplacesTheEarlier) {
  auto b = begin();
  EXPECT_TRUE(b.add_file("f", kPlain, inline_text("first")));
  EXPECT_TRUE(b.add_link("kept", "f"));
  EXPECT_TRUE(b.add_file("f", kPlain, inline_text("second")));

  const auto layer = end(b);
  EXPECT_EQ(read(*layer, "f"), "second");
  EXPECT_EQ(read(*layer, "kept"), "first");
  EXPECT_EQ(at(*layer, "kept").attr.nlink, 1U);
}

TEST_F(BuilderTest, AFileReplacesADirectoryWithAllInIt) {
  auto b = begin();
  EXPECT_TRUE(b.add_file("d/e/f", kPlain, inline_text("deep")));
  EXPECT_TRUE(b.add_link("kept", "d/e/f"));
  EXPECT_TRUE(b.add_file("d", kPlain, inline_text("file")));
  // And a directory it again, without what was in the first.
  EXPECT_TRUE(b.add_file("g/h", kPlain, Empty{}));
  EXPECT_TRUE(b.add_symlink("g", "x"));
  EXPECT_TRUE(b.add_dir("g", {0700, 1}));
  EXPECT_TRUE(b.add_file("g/i", kPlain, Empty{}));

  const auto layer = end(b);
  EXPECT_THAT(entries(*layer, ""), ElementsAre("d", "g/", "kept"));
  EXPECT_THAT(entries(*layer, "g"), ElementsAre("i"));
  EXPECT_EQ(at(*layer, "kept").attr.nlink, 1U);
}

TEST_F(BuilderTest, ADirectoryGivenAgainGetsTheAttributes) {
  auto b = begin();
  const auto implicit = b.add_file("Bar/Baz", kPlain, Empty{});
  EXPECT_TRUE(implicit);
  EXPECT_TRUE(b.add_dir("Bar", {0700, 1}));
  const auto again = b.add_dir("Bar/", {0666, 2});
  EXPECT_TRUE(b.add_dir(".", {0770, 3}));

  const auto layer = end(b);
  EXPECT_EQ(at(*layer, "Bar").attr.mode, S_IFDIR | 0666U);
  EXPECT_EQ(at(*layer, "Bar").attr.mtime.tv_sec, 2);
  EXPECT_EQ(at(*layer, "Bar").attr.ino, again->number());
  EXPECT_THAT(entries(*layer, "Bar"), ElementsAre("Baz"));
  EXPECT_EQ(layer->root().attr.mode, S_IFDIR | 0770U);
}

TEST_F(BuilderTest, AWhiteoutAndADirectoryMakeItOpaqueInEitherOrder) {
  auto b = begin();
  EXPECT_TRUE(b.add_whiteout("before"));
  EXPECT_TRUE(b.add_dir("before", kPlain));
  EXPECT_TRUE(b.add_dir("after", kPlain));
  EXPECT_TRUE(b.add_whiteout("after"));
  EXPECT_TRUE(b.add_whiteout("implicit"));
  EXPECT_TRUE(b.add_file("implicit/f", kPlain, Empty{}));

  const auto layer = end(b);
  for (const char* name : {"before", "after", "implicit"}) {
    EXPECT_TRUE(at(*layer, name).marks.opaque) << name;
  }
}

TEST_F(BuilderTest, AWhiteoutAndAFileAreTheFileInEitherOrder) {
  auto b = begin();
  EXPECT_TRUE(b.add_whiteout("before"));
  EXPECT_TRUE(b.add_file("before", kPlain, Empty{}));
  EXPECT_TRUE(b.add_file("after", kPlain, Empty{}));
  EXPECT_TRUE(b.add_whiteout("after"));
  EXPECT_TRUE(b.add_whiteout("twice"));
  EXPECT_TRUE(b.add_whiteout("twice"));

  EXPECT_THAT(entries(*end(b), ""), ElementsAre("after", "before"));
}

TEST_F(BuilderTest, ALinkReplacesAndALinkToItselfIsNothing) {
  auto b = begin();
  EXPECT_TRUE(b.add_file("a", kPlain, inline_text("a")));
  EXPECT_TRUE(b.add_file("b", kPlain, inline_text("b")));
  EXPECT_TRUE(b.add_link("b", "a"));
  EXPECT_TRUE(b.add_link("a", "b"));
  EXPECT_TRUE(b.add_file("d/x", kPlain, inline_text("x")));
  // The target goes with the directory, but for its new name.
  EXPECT_TRUE(b.add_link("d", "d/x"));

  const auto layer = end(b);
  EXPECT_EQ(read(*layer, "b"), "a");
  EXPECT_EQ(at(*layer, "a").attr.nlink, 2U);
  EXPECT_EQ(read(*layer, "d"), "x");
  EXPECT_EQ(at(*layer, "d").attr.nlink, 1U);
}

TEST_F(BuilderTest, DuplicatesCanBeRefused) {
  auto b = begin({.refuse_duplicates = true});
  EXPECT_TRUE(b.add_file("f", kPlain, Empty{}));
  EXPECT_TRUE(b.add_dir("d", kPlain));
  EXPECT_TRUE(b.add_dir("d", kPlain));

  EXPECT_EQ(code_of(b.add_file("f", kPlain, Empty{})), EEXIST);
  EXPECT_EQ(code_of(b.add_symlink("d", "x")), EEXIST);
  EXPECT_EQ(code_of(b.add_dir("f", kPlain)), EEXIST);
  EXPECT_EQ(code_of(b.add_whiteout("f")), EEXIST);
  EXPECT_EQ(code_of(b.add_link("d", "f")), EEXIST);
  EXPECT_THAT(entries(*end(b), ""), ElementsAre("d/", "f"));
}

// --- Paths -------------------------------------------------------------------

TEST_F(BuilderTest, PathsAreCleaned) {
  auto b = begin();
  EXPECT_TRUE(b.add_file("//a/./b//", kPlain, Empty{}));
  EXPECT_TRUE(b.add_link("./c", "/a//b"));

  const auto layer = end(b);
  EXPECT_TRUE(has(*layer, "a/b"));
  EXPECT_TRUE(has(*layer, "c"));
}

TEST_F(BuilderTest, PathsThatLeadOutOrNowhereAreRefused) {
  auto b = begin();
  const std::string longest(255, 'n');
  for (const std::string& bad :
       {std::string("../a"), std::string("a/../b"), std::string("a/.."),
        std::string("a\0b", 3), longest + "n", "a/" + longest + "n/b"}) {
    EXPECT_EQ(code_of(b.add_file(bad, kPlain, Empty{})), EINVAL) << bad;
    EXPECT_EQ(code_of(b.add_dir(bad, kPlain)), EINVAL) << bad;
    EXPECT_EQ(code_of(b.add_whiteout(bad)), EINVAL) << bad;
    EXPECT_EQ(code_of(b.add_link("l", bad)), EINVAL) << bad;
  }
  EXPECT_TRUE(b.add_file(longest, kPlain, Empty{}));
  EXPECT_EQ(code_of(b.add_file("/", kPlain, Empty{})), EISDIR);
  EXPECT_EQ(code_of(b.add_whiteout(".")), EINVAL);

  EXPECT_THAT(entries(*end(b), ""), ElementsAre(longest));
}

TEST_F(BuilderTest, NothingIsPutBelowWhatIsNoDirectory) {
  auto b = begin();
  EXPECT_TRUE(b.add_file("f", kPlain, Empty{}));
  EXPECT_TRUE(b.add_symlink("l", "usr"));

  const auto below = b.add_file("f/x/y", kPlain, Empty{});
  EXPECT_EQ(code_of(below), ENOTDIR);
  EXPECT_THAT(below.error().message(), HasSubstr("f/x/y"));
  EXPECT_EQ(code_of(b.add_file("l/x", kPlain, Empty{})), ENOTDIR);
  EXPECT_EQ(code_of(b.set_opaque("f")), ENOTDIR);
}

TEST_F(BuilderTest, ParentsThatAreLinksCanBeFollowed) {
  auto b = begin({.follow_symlinks = true});
  EXPECT_TRUE(b.add_symlink("lib", "usr/lib"));
  EXPECT_TRUE(b.add_file("lib/x", kPlain, inline_text("x")));
  EXPECT_TRUE(b.add_symlink("usr/abs", "/../../usr/./lib/"));
  EXPECT_TRUE(b.add_file("usr/abs/y", kPlain, inline_text("y")));
  EXPECT_TRUE(b.add_symlink("usr/lib/up", "../.."));
  EXPECT_TRUE(b.add_file("lib/up/lib/up/z", kPlain, inline_text("z")));
  EXPECT_TRUE(b.add_symlink("loop", "loop"));
  EXPECT_EQ(code_of(b.add_file("loop/x", kPlain, Empty{})), ELOOP);
  EXPECT_TRUE(b.add_file("plain", kPlain, Empty{}));
  EXPECT_TRUE(b.add_symlink("to-file", "plain"));
  EXPECT_EQ(code_of(b.add_file("to-file/x", kPlain, Empty{})), ENOTDIR);
  EXPECT_TRUE(b.add_link("usr/linked", "lib/x"));

  const auto layer = end(b);
  EXPECT_THAT(entries(*layer, "usr/lib"), ElementsAre("up@", "x", "y"));
  EXPECT_EQ(read(*layer, "z"), "z");
  EXPECT_EQ(read(*layer, "usr/linked"), "x");
}

TEST_F(BuilderTest, LinksNeedATarget) {
  auto b = begin();
  EXPECT_TRUE(b.add_whiteout("w"));
  EXPECT_TRUE(b.add_dir("d", kPlain));

  EXPECT_EQ(code_of(b.add_link("l", "nothing/here")), ENOENT);
  EXPECT_EQ(code_of(b.add_link("l", "w")), ENOENT);
  EXPECT_EQ(code_of(b.add_link("l", "d")), EPERM);
  EXPECT_EQ(code_of(b.add_link("l", "/")), EPERM);
  EXPECT_EQ(code_of(b.add_symlink("s", "")), EINVAL);
  EXPECT_EQ(code_of(b.add_symlink("s", std::string(4096, 't'))), EINVAL);
  EXPECT_EQ(code_of(b.add_symlink("s", std::string_view("a\0b", 3))), EINVAL);
  EXPECT_TRUE(b.add_symlink("s", std::string(4095, 't')));

  // A target that is missing has not been made.
  EXPECT_THAT(entries(*end(b), ""), ElementsAre("d/", "s@"));
}

TEST_F(BuilderTest, AttributesCanBeChangedAndThingsFound) {
  auto b = begin();
  const auto id = b.add_file("d/f", {0600, 1}, inline_text("abc"));
  ASSERT_TRUE(id);
  EXPECT_TRUE(b.set_attributes(*id, {0640, 2}));
  EXPECT_EQ(code_of(b.set_attributes({1, 1}, kPlain)), ENOENT);
  EXPECT_EQ(code_of(b.set_attributes({0, 0}, kPlain)), ENOENT);
  EXPECT_EQ(code_of(b.set_attributes({0, 1000}, kPlain)), ENOENT);
  EXPECT_EQ(code_of(b.set_attributes({0, id->offset + 4}, kPlain)), ENOENT);

  EXPECT_EQ((*b.find("/d/f"))->id, *id);
  EXPECT_EQ((*b.find("d"))->kind, Kind::kDirectory);
  EXPECT_EQ((*b.find(""))->id.offset, kRootOffset);
  EXPECT_FALSE(*b.find("d/g"));
  EXPECT_FALSE(*b.find("x/y/z"));
  const auto layer = end(b);
  EXPECT_EQ(at(*layer, "d/f").attr.mode, S_IFREG | 0640U);
  EXPECT_EQ(at(*layer, "d/f").attr.size, 3U);
}

TEST_F(BuilderTest, AttributesWrittenLongAgoCanBeChanged) {
  auto b = begin();
  std::vector<FileId> ids;
  for (int i = 0; i < 30000; ++i) {
    ids.push_back(*b.add_file(std::to_string(i), {0600, i}, Empty{}));
  }
  for (const std::size_t i : {0UL, 9361UL, 9362UL, 9363UL, 29999UL}) {
    EXPECT_TRUE(b.set_attributes(ids[i], {0644, -1}));
  }

  const auto layer = end(b);
  for (const std::size_t i : {0UL, 9361UL, 9362UL, 9363UL, 29999UL}) {
    EXPECT_EQ(at(*layer, std::to_string(i)).attr.mtime.tv_sec, -1);
  }
  EXPECT_EQ(at(*layer, "9364").attr.mtime.tv_sec, 9364);
}

// --- On disk -----------------------------------------------------------------

TEST_F(BuilderTest, NothingIsThereUntilItIsFinished) {
  {
    auto b = begin();
    EXPECT_TRUE(b.add_file("a/b", kPlain, inline_text("x")));
    EXPECT_FALSE(std::filesystem::exists(path("l0")));
    EXPECT_THAT(files(), ElementsAre(".l0.building", "blobs"));
  }
  EXPECT_THAT(files(), ElementsAre("blobs"));
}

TEST_F(BuilderTest, TakesThePlaceOfAnEmptyDirectoryOnly) {
  std::filesystem::create_directory(path("l0"));
  auto b = begin();
  end(b);

  const auto again = BottomLayerBuilder::create(path("l0"));
  EXPECT_EQ(code_of(again), EEXIST);
  write_file("file", "x");
  EXPECT_EQ(code_of(BottomLayerBuilder::create(path("file"))), EEXIST);
  EXPECT_EQ(code_of(BottomLayerBuilder::create(path("no/where"))), ENOENT);
  EXPECT_EQ(code_of(BottomLayerBuilder::create("/")), EINVAL);
  EXPECT_EQ(code_of(BottomLayerBuilder::create(path(".."))), EINVAL);
  EXPECT_THAT(files(), ElementsAre("blobs", "file", "l0"));
}

TEST_F(BuilderTest, WhatCameMeanwhileIsNotReplaced) {
  auto b = begin();
  std::filesystem::create_directories(path("l0/theirs"));

  EXPECT_EQ(code_of(std::move(b).finish()), EEXIST);

  EXPECT_TRUE(std::filesystem::exists(path("l0/theirs")));
  EXPECT_THAT(files(), ElementsAre("blobs", "l0"));
}

TEST_F(BuilderTest, TwoDoNotBuildTheSame) {
  auto first = begin();

  EXPECT_EQ(code_of(BottomLayerBuilder::create(path("l0"))), EBUSY);

  EXPECT_TRUE(first.add_file("a", kPlain, Empty{}));
  EXPECT_THAT(entries(*end(first), ""), ElementsAre("a"));
}

TEST_F(BuilderTest, WhatACrashHasLeftIsRemoved) {
  std::filesystem::create_directories(path(".l0.building/old"));
  write_file(".l0.building/super.bin", "half");

  auto b = begin();
  end(b);

  EXPECT_THAT(files(), ElementsAre("blobs", "l0"));
}

TEST_F(BuilderTest, AFullDiskLeavesNothing) {
  for (std::uint64_t n = 1;; ++n) {
    sys::fault::arm_error(n, ENOSPC, sys::fault::kForever);
    const auto build_it = [&]() -> Result<void> {
      TRY_ASSIGN(auto b, BottomLayerBuilder::create(path("l0")));
      TRY(b.add_file("a/b", kPlain, inline_text("x")));
      TRY(b.add_whiteout("w"));
      return std::move(b).finish();
    };
    const auto built = build_it();
    sys::fault::disarm();
    const bool complete = std::filesystem::exists(path("l0"));
    if (built) {
      EXPECT_TRUE(complete);
      EXPECT_GT(n, 10U);
      break;
    }
    EXPECT_EQ(built.error().code(), ENOSPC) << n;
    // Only the very last sync comes after the rename.
    if (complete) {
      EXPECT_THAT(faults(open("l0")), IsEmpty());
      std::filesystem::remove_all(path("l0"));
    }
    // What could not be removed then is removed by the next.
    ASSERT_LT(n, 1000U);
  }
  EXPECT_THAT(files(), ElementsAre("blobs", "l0"));
}

}  // namespace
}  // namespace veneer::layerfs
