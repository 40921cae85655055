// SPDX-License-Identifier: MIT
//
// A layer of its own: what was put in comes out again.

#include <gmock/gmock.h>

#include "test/unit/layerfs/layer_scene.h"

namespace veneer::layerfs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using veneer::testing::code_of;

class BottomLayerTest : public LayerScene {};

TEST_F(BottomLayerTest, ListsAndFindsWhatItHas) {
  const auto layer = view(build("l0", {"/Foo", "/Bar", "/Baz", "wh:/Qux"}));

  EXPECT_THAT(entries(*layer, ""), ElementsAre("Bar", "Baz", "Foo"));
  for (const char* name : {"Foo", "Bar", "Baz"}) {
    EXPECT_TRUE(has(*layer, name));
  }
  EXPECT_FALSE(has(*layer, "Qux"));
  EXPECT_FALSE(has(*layer, "Quux"));
}

TEST_F(BottomLayerTest, HasDirectoriesInDirectories) {
  const auto layer =
      view(build("l0", {"/Foo/Bar/Baz", "/Foo/Bin", "/Foo/Bar/Qux"}));

  EXPECT_THAT(entries(*layer, ""), ElementsAre("Foo/"));
  EXPECT_THAT(entries(*layer, "Foo"), ElementsAre("Bar/", "Bin"));
  EXPECT_THAT(entries(*layer, "Foo/Bar"), ElementsAre("Baz", "Qux"));
}

TEST_F(BottomLayerTest, KeepsModeAndTime) {
  build_with("l0", {.default_time = 5}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("Foo", {0100555, kTime}, Empty{}));
    EXPECT_TRUE(b.add_file("old", {04711, -3}, inline_text("x")));
    EXPECT_TRUE(b.add_dir("dir", {01777, kTime}));
  });
  const auto layer = view(open("l0"));

  const Attr foo = at(*layer, "Foo").attr;
  EXPECT_EQ(foo.mode, S_IFREG | 0555U);
  EXPECT_EQ(foo.size, 0U);
  EXPECT_EQ(foo.blocks, 0U);
  EXPECT_EQ(foo.mtime.tv_sec, kTime);
  EXPECT_EQ(foo.nlink, 1U);
  EXPECT_EQ(foo.uid, 7U);
  EXPECT_EQ(foo.gid, 8U);
  const Attr old = at(*layer, "old").attr;
  EXPECT_EQ(old.mode, S_IFREG | 04711U);
  EXPECT_EQ(old.mtime.tv_sec, -3);
  EXPECT_EQ(old.size, 1U);
  EXPECT_EQ(old.blocks, 1U);
  const Attr dir = at(*layer, "dir").attr;
  EXPECT_EQ(dir.mode, S_IFDIR | 01777U);
  EXPECT_EQ(dir.nlink, 2U);
  EXPECT_EQ(layer->root().attr.mtime.tv_sec, 5);
  EXPECT_EQ(layer->root().attr.nlink, 3U);
}

TEST_F(BottomLayerTest, HardLinksAreOneInodeWithItsNumberOfNames) {
  const auto layer =
      view(build("l0", {"/Foo", "hl:/Bar -> /Foo", "hl:/d/Baz -> Bar"}));

  const Attr foo = at(*layer, "Foo").attr;
  EXPECT_EQ(at(*layer, "Bar").attr.ino, foo.ino);
  EXPECT_EQ(at(*layer, "d/Baz").attr.ino, foo.ino);
  EXPECT_EQ(foo.nlink, 3U);
  EXPECT_EQ(at(*layer, "d/Baz").attr.nlink, 3U);
}

TEST_F(BottomLayerTest, ReadsInlineFiles) {
  build_with("l0", {}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("before", kPlain, inline_text("....")));
    EXPECT_TRUE(b.add_file("file", kPlain, inline_text("hello world")));
    EXPECT_TRUE(b.add_file("nothing", kPlain, inline_text("")));
    EXPECT_TRUE(b.add_file("empty", kPlain, Empty{}));
  });
  const auto layer = view(open("l0"));

  EXPECT_EQ(read(*layer, "file"), "hello world");
  EXPECT_EQ(read(*layer, "nothing"), "");
  EXPECT_EQ(read(*layer, "empty"), "");
}

TEST_F(BottomLayerTest, SymbolicLinksHaveTheirTargetAndItsSize) {
  build_with("l0", {.default_time = kTime}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_symlink("link", "some/where"));
    EXPECT_TRUE(b.add_symlink("timed", "\xff\xfe", 17));
    EXPECT_TRUE(b.add_link("again", "link"));
  });
  const auto layer = view(open("l0"));

  EXPECT_THAT(entries(*layer, ""), ElementsAre("again@", "link@", "timed@"));
  const Child link = at(*layer, "link");
  EXPECT_EQ(link.attr.mode, S_IFLNK | 0777U);
  EXPECT_EQ(link.attr.size, 10U);
  EXPECT_EQ(link.attr.mtime.tv_sec, kTime);
  EXPECT_EQ(link.attr.nlink, 2U);
  EXPECT_EQ(*layer->read_link(*link.node), "some/where");
  EXPECT_EQ(*layer->read_link(*at(*layer, "timed").node), "\xff\xfe");
  EXPECT_EQ(at(*layer, "timed").attr.mtime.tv_sec, 17);
}

TEST_F(BottomLayerTest, TheTypeOfALinkIsRightInMaelstromsOwnLayersToo) {
  build_with("l0", {.as_original = true}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_symlink("link", "target"));
    EXPECT_TRUE(b.add_file("file", kPlain, Empty{}));
  });
  const auto with_ours = view(open("l0"));
  EXPECT_THAT(entries(*with_ours, ""), ElementsAre("file", "link@"));

  std::filesystem::remove(path("l0/veneer.bin"));

  const auto layer = view(open("l0"));
  EXPECT_THAT(entries(*layer, ""), ElementsAre("file", "link@"));
  EXPECT_EQ(at(*layer, "link").attr.size, 6U);
}

TEST_F(BottomLayerTest, ReadsRangesOfBlobs) {
  const BlobRange hello = add_blob("hello world", 0, 5);
  BlobRange world = hello;
  world.offset = 6;
  build_with("l0", {}, [&](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("hello", kPlain, hello));
    EXPECT_TRUE(b.add_file("world", kPlain, world));
    EXPECT_TRUE(b.add_file("none", kPlain, BlobRange{}));
  });
  const auto layer = view(open("l0"));

  EXPECT_EQ(read(*layer, "hello"), "hello");
  EXPECT_EQ(read(*layer, "world"), "world");
  EXPECT_EQ(read(*layer, "none"), "");
  EXPECT_EQ(at(*layer, "world").attr.size, 5U);
}

TEST_F(BottomLayerTest, ABlobThatIsGoneOrShortIsAnErrorThatNamesIt) {
  const BlobRange blob = add_blob("hello world", 0, 11);
  Sha256Digest absent{};
  build_with("l0", {}, [&](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("short", kPlain, blob));
    EXPECT_TRUE(b.add_file("gone", kPlain, BlobRange{absent, 0, 1}));
    EXPECT_TRUE(b.add_file("far", kPlain, BlobRange{blob.sha256, ~0ULL, 2}));
  });
  const auto layer = view(open("l0"));
  const std::string name = veneer::to_hex(blob.sha256);
  EXPECT_EQ(read(*layer, "short"), "hello world");

  std::filesystem::resize_file(blobs() + "/" + name, 10);

  const auto cut = try_read(*layer, "short");
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code(), EIO);
  EXPECT_THAT(cut.error().message(), ::testing::HasSubstr(name));
  const auto gone = try_read(*layer, "gone");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), EIO);
  EXPECT_THAT(gone.error().message(),
              ::testing::HasSubstr(std::string(64, '0')));
  EXPECT_EQ(code_of(try_read(*layer, "far")), EIO);
}

TEST_F(BottomLayerTest, ABlobMayBeALinkToAUsersFile) {
  const BlobRange blob = add_blob("elsewhere", 0, 9);
  const std::string name = blobs() + "/" + veneer::to_hex(blob.sha256);
  std::filesystem::rename(name, path("users-file"));
  std::filesystem::create_symlink(path("users-file"), name);
  build_with("l0", {}, [&](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("f", kPlain, blob));
  });

  EXPECT_EQ(read(*view(open("l0")), "f"), "elsewhere");
}

TEST_F(BottomLayerTest, WhiteoutsAndOpaqueDirectoriesAreMarks) {
  build_with("l0", {}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_whiteout("gone"));
    EXPECT_TRUE(b.set_opaque("fresh"));
    EXPECT_TRUE(b.set_opaque(""));
  });
  const auto layer = view(open("l0"));

  const auto gone = layer->lookup(*layer->root().node, "gone");
  ASSERT_TRUE(gone && *gone);
  EXPECT_TRUE((*gone)->marks.whiteout);
  EXPECT_TRUE(at(*layer, "fresh").marks.opaque);
  EXPECT_TRUE(layer->root().marks.opaque);
  std::vector<std::string> hidden;
  ASSERT_TRUE(layer->read_dir(*layer->root().node, [&](const DirEntry& entry) {
    if (entry.whiteout) hidden.emplace_back(entry.name);
  }));
  EXPECT_THAT(hidden, ElementsAre("gone"));
}

TEST_F(BottomLayerTest, NamesThatAreNotUtf8AreNames) {
  build_with("l0", {}, [](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("\xff/\xfe", kPlain, inline_text("bytes")));
  });
  EXPECT_EQ(read(*view(open("l0")), "\xff/\xfe"), "bytes");

  auto original = BottomLayerBuilder::create(path("l1"), {.as_original = true});
  EXPECT_EQ(code_of(original->add_file("\xff", kPlain, Empty{})), EILSEQ);
}

TEST_F(BottomLayerTest, AnEmptyLayerHasARoot) {
  const auto layer = view(build("l0", {}));

  EXPECT_THAT(entries(*layer, ""), IsEmpty());
  EXPECT_EQ(layer->root().attr.mode, S_IFDIR | 0755U);
  EXPECT_EQ(layer->root().attr.nlink, 2U);
}

TEST_F(BottomLayerTest, ListsInTheOrderOfInsertionWithNumbersOfInodes) {
  const auto layer = view(build("l0", {"/b", "/c", "/a"}));

  std::vector<std::pair<std::string, std::uint64_t>> found;
  ASSERT_TRUE(layer->read_dir(*layer->root().node, [&](const DirEntry& entry) {
    found.emplace_back(entry.name, entry.ino);
  }));

  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].first, "b");
  EXPECT_EQ(found[2].first, "a");
  EXPECT_EQ(found[2].second, at(*layer, "a").attr.ino);
}

TEST_F(BottomLayerTest, PathsAndOriginsLeadBack) {
  const auto layer = view(build("l0", {"/a/b/c", "/other"}));
  const Child c = at(*layer, "a/b/c");

  EXPECT_EQ(layer->path_of(*c.node), "a/b/c");
  EXPECT_EQ(layer->path_of(*layer->root().node), "");
  const std::string record = layer->origin_record(*c.node);
  const auto attr = layer->resolve_origin(record);
  ASSERT_TRUE(attr);
  EXPECT_EQ(attr->ino, c.attr.ino);
  // The same in another process, not in another layer.
  EXPECT_TRUE(view(open("l0"))->resolve_origin(record));
  EXPECT_FALSE(view(build("l1", {"/a/b/c"}))->resolve_origin(record));
  for (std::size_t size = 0; size < record.size(); ++size) {
    EXPECT_FALSE(layer->resolve_origin(record.substr(0, size)));
  }
}

TEST_F(BottomLayerTest, HasNoXattrsAndNoFlags) {
  const auto layer = view(build("l0", {"/a"}));
  const Child a = at(*layer, "a");

  EXPECT_TRUE(a.marks.no_xattrs);
  EXPECT_FALSE(*layer->get_xattr(*a.node, "user.a"));
  EXPECT_EQ(*layer->list_xattrs(*a.node), "");
  EXPECT_EQ(code_of(layer->get_flags(*a.node)), ENOTTY);
  EXPECT_EQ(code_of(layer->read_link(*a.node)), EINVAL);
  EXPECT_EQ(code_of(layer->open_data(*layer->root().node)), EINVAL);
  EXPECT_EQ(code_of(layer->lookup(*a.node, "b")), ENOTDIR);
}

TEST_F(BottomLayerTest, ADirectoryThatIsNotHeldIsReadAgain) {
  const LayerFs layer = build("l0", {"/a/1", "/b/2"});
  const auto tight = *layer.as_layer({.directory_bytes = 0});

  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(has(*tight, "a/1"));
    EXPECT_TRUE(has(*tight, "b/2"));
  }
}

TEST_F(BottomLayerTest, TellsWhichBlobsAreMissing) {
  const BlobRange there = add_blob("there", 0, 5);
  Sha256Digest absent{};
  absent[0] = 1;
  build_with("l0", {}, [&](BottomLayerBuilder& b) {
    EXPECT_TRUE(b.add_file("a", kPlain, there));
    EXPECT_TRUE(b.add_file("d/b", kPlain, BlobRange{absent, 0, 1}));
    EXPECT_TRUE(b.add_file("d/c", kPlain, BlobRange{absent, 1, 1}));
    // Replaced, so nobody needs it.
    EXPECT_TRUE(b.add_file("e", kPlain, BlobRange{{}, 0, 1}));
    EXPECT_TRUE(b.add_file("e", kPlain, Empty{}));
  });

  EXPECT_THAT(*open("l0").missing_blobs(), ElementsAre(absent));
}

TEST_F(BottomLayerTest, VerifiesAsSound) {
  const LayerFs layer =
      build("l0", {"/Foo", "hl:/Bar -> /Foo", "hl:/d/Baz -> Bar", "wh:/w",
                   "opq:/o/", "/d/e/f/g", "/Foo"});

  EXPECT_THAT(faults(layer), IsEmpty());
}

}  // namespace
}  // namespace veneer::layerfs
