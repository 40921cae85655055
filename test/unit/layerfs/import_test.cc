// SPDX-License-Identifier: MIT
//
// From tars, manifests and trees into layers, and back into manifests.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <string>
#include <vector>

#include "base/digest.h"
#include "layerfs/entry_spool.h"
#include "layerfs/layer_source.h"
#include "layerfs/manifest.h"
#include "layerfs/manifest_text.h"
#include "layerfs/markers.h"
#include "sys/open.h"
#include "test/unit/layerfs/layer_scene.h"
#include "test/unit/layerfs/tar_bytes.h"
#include "veneer/layerfs_import.h"

namespace veneer::layerfs {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using veneer::testing::code_of;

class ImportTest : public LayerScene {
 protected:
  using Lines = std::vector<std::string>;

  // Fills a layer and publishes it; the error's message, or "".
  template <typename Fill>
  std::string build_from(const std::string& name, const BuildOptions& options,
                         const Fill& fill) {
    auto store = BlobStore::open(blobs());
    auto builder = BottomLayerBuilder::create(path(name), options);
    if (!store || !builder) return "cannot begin";
    const auto filled = fill(*builder, *store);
    if (!filled) return filled.error().message();
    EXPECT_TRUE(store->publish());
    EXPECT_TRUE(std::move(*builder).finish());
    return "";
  }

  std::string build_tar(const std::string& name, const std::string& tar,
                        const TarOptions& options = {},
                        const BuildOptions& build = {.default_time = kTime}) {
    write_file(name + ".tar", tar);
    return build_from(name, build, [&](auto& builder, auto& store) {
      auto report = add_from_tar(builder, store, path(name + ".tar"), options);
      if (report) report_ = *report;
      return report;
    });
  }

  std::string build_manifest(const std::string& name,
                             const std::string& manifest) {
    write_file(name + ".manifest", manifest);
    return build_from(
        name, {.default_time = kTime}, [&](auto& builder, auto& /*store*/) {
          return add_from_manifest(builder, path(name + ".manifest"));
        });
  }

  // What one sees of a layer: "d0755 path", "-0644 path=content", "l path->x".
  Lines look(const std::string& name) {
    Lines lines;
    const auto layer = open(name).as_layer();
    if (!layer) {
      ADD_FAILURE() << layer.error().message();
      return lines;
    }
    look_into(**layer, (*layer)->root(), "", lines);
    return lines;
  }

  Lines texts(const std::string& name) {
    Lines lines;
    const auto read = read_layer(
        open(name), {.marks = true}, [&](Entry&& entry) -> Result<void> {
          lines.push_back(std::to_string(entry.data.index()) + " " +
                          entry.path);
          return {};
        });
    EXPECT_TRUE(read);
    return lines;
  }

  std::string manifest_of(const std::string& name, bool as_text) {
    const auto fd = sys::open_file(path("out"), O_WRONLY | O_CREAT | O_TRUNC);
    EXPECT_TRUE(fd);
    const auto written =
        write_manifest(fd->get(), open(name), {.as_text = as_text});
    EXPECT_TRUE(written) << written.error().message();
    return read_file("out");
  }

  TarReport report_;

 private:
  static std::string content(Layer& layer, const LayerNode& node) {
    const auto data = layer.open_data(node);
    if (!data) return "error " + data.error().message();
    if (data->fd < 0) return std::string(as_text(data->bytes));
    std::string bytes(data->length.value_or(0), '\0');
    const ssize_t got = ::pread(data->fd, bytes.data(), bytes.size(),
                                static_cast<off_t>(data->offset));
    EXPECT_EQ(got, static_cast<ssize_t>(bytes.size()));
    return bytes;
  }

  static void look_into(Layer& layer, const Child& dir, const std::string& at,
                        Lines& lines) {
    std::map<std::string, bool> names;
    EXPECT_TRUE(layer.read_dir(*dir.node, [&](const DirEntry& entry) {
      names.emplace(entry.name, entry.whiteout);
    }));
    lines.push_back(fmt::format("d{:04o} {}", dir.attr.mode & 07777, at));
    for (const auto& [name, whiteout] : names) {
      if (whiteout) continue;
      const auto child = layer.lookup(*dir.node, name);
      ASSERT_TRUE(child && *child) << name;
      const Child& found = **child;
      const std::string below = at.empty() ? name : at + "/" + name;
      if (S_ISDIR(found.attr.mode)) {
        look_into(layer, found, below, lines);
      } else if (S_ISLNK(found.attr.mode)) {
        lines.push_back("l " + below + "->" +
                        layer.read_link(*found.node).value_or("?"));
      } else {
        lines.push_back(fmt::format("-{:04o} {}={}", found.attr.mode & 07777,
                                    below, content(layer, *found.node)));
      }
    }
  }
};

// --- Behaviours 8 to 11 of the format's reference ----------------------------

const std::vector<std::string> kOneLayer = {"d0770 ",
                                            "d0666 Bar",
                                            "-0555 Bar/Baz=",
                                            "-0555 Bar/Bin=",
                                            "-0555 Foo=hello world",
                                            "d0555 Qux",
                                            "-0555 Qux/Fred=",
                                            "-0555 Thud=hello world",
                                            "l Waldo->Foo"};

TEST_F(ImportTest, TarWithEverythingBecomesOneLayer) {
  const std::string tar =
      TarBytes()
          .dir(".", 0770)
          .add({.name = "Foo", .data = "hello world", .mode = 0555})
          .dir("Qux", 0555)
          .add({.name = "Bar/Baz", .mode = 0555})
          .add({.name = "Bar/Bin", .mode = 0555})
          .add({.name = "Qux/Fred", .mode = 0555})
          .dir("Bar", 0666)
          .symlink("Waldo", "Foo")
          .hard_link("Thud", "/Foo")
          .end();

  ASSERT_EQ(build_tar("l", tar), "");

  EXPECT_THAT(look("l"), ElementsAreArray(kOneLayer));
}

TEST_F(ImportTest, ManifestWithEverythingBecomesOneLayer) {
  const std::string text =
      "manifest 1\n"
      "dir 040770 0 0 .\n"
      "file 0100555 0 11 Foo inline:hello\\x20world\n"
      "dir 040555 0 0 Qux\n"
      "file 0100555 0 0 Bar/Baz empty\n"
      "file 0100555 0 0 Bar/Bin inline:\"\"\n"
      "file 0100555 0 0 Qux/Fred empty\n"
      "dir 040666 0 0 Bar\n"
      "symlink 0444 0 0 Waldo Foo\n"
      "link 0 0 0 Thud /Foo\n";

  ASSERT_EQ(build_manifest("l", text), "");

  EXPECT_THAT(look("l"), ElementsAreArray(kOneLayer));
}

class TwoLayersTest : public ImportTest {
 protected:
  std::vector<std::string> stack_on_lower(const std::string& upper) {
    build("lower", {"/Foo", "/Bar/Baz", "/Bar/Bin"});
    auto builder = UpperLayerBuilder::create(path("stack"), open("lower"));
    EXPECT_TRUE(builder);
    EXPECT_TRUE(builder->fill_from_bottom_layer(open(upper)));
    EXPECT_TRUE(std::move(*builder).finish());
    return look("stack");
  }
};

TEST_F(TwoLayersTest, MarkersOfATarHideWhatIsBelow) {
  ASSERT_EQ(build_tar("upper", TarBytes()
                                   .file(".wh.Foo", "")
                                   .dir("Bar", 0555)
                                   .file("Bar/.wh..wh..opq", "")
                                   .add({.name = "Bar/Qux", .mode = 0555})
                                   .end()),
            "");

  EXPECT_THAT(stack_on_lower("upper"),
              ElementsAre("d0755 ", "d0555 Bar", "-0555 Bar/Qux="));
}

TEST_F(TwoLayersTest, MarksOfAManifestHideWhatIsBelow) {
  ASSERT_EQ(build_manifest("upper",
                           "manifest 1\nwhiteout 0 0 0 Foo\n"
                           "dir 0555 0 0 Bar opaque\n"
                           "file 0555 0 0 Bar/Qux empty\n"),
            "");

  EXPECT_THAT(stack_on_lower("upper"),
              ElementsAre("d0755 ", "d0555 Bar", "-0555 Bar/Qux="));
}

TEST_F(TwoLayersTest, HiddenDeviceLetsNothingShowThrough) {
  ASSERT_EQ(
      build_tar("upper", TarBytes().add({.name = "Foo", .type = '6'}).end()),
      "");

  EXPECT_THAT(
      stack_on_lower("upper"),
      ElementsAre("d0755 ", "d0755 Bar", "-0555 Bar/Baz=", "-0555 Bar/Bin="));
}

// --- Tars --------------------------------------------------------------------

TEST_F(ImportTest, FilesOfATarAreReadFromTheStore) {
  const std::string tar =
      TarBytes().file("a", "alpha").file("b", "beta").file("e", "").end();

  ASSERT_EQ(build_tar("l", tar), "");

  EXPECT_EQ(report_.blob.size, tar.size());
  EXPECT_EQ(report_.blob.sha256, sha256(std::as_bytes(std::span(tar))));
  EXPECT_EQ(read_file("blobs/" + to_hex(report_.blob.sha256)), tar);
  EXPECT_THAT(look("l"), ElementsAre("d0755 ", "-0644 a=alpha", "-0644 b=beta",
                                     "-0644 e="));
  EXPECT_TRUE(open("l").verify({.blobs = true, .data = true})->empty());
}

TEST_F(ImportTest, SmallFilesOfATarAreKeptInTheLayerIfAsked) {
  ASSERT_EQ(
      build_tar("l", TarBytes().file("a", "12345").file("b", "123456").end(),
                {.inline_limit = 5}),
      "");

  EXPECT_EQ(read_file("l/inline_data.bin"), "12345");
  EXPECT_THAT(look("l"),
              ElementsAre("d0755 ", "-0644 a=12345", "-0644 b=123456"));
}

TEST_F(ImportTest, LastMemberOfANameWins) {
  const std::string tar = TarBytes()
                              .file("twice", "old")
                              .hard_link("kept", "twice")
                              .file("twice", "new")
                              .file("dir/lost", "")
                              .file("dir", "now a file")
                              .symlink("link", "x")
                              .dir("link", 0700)
                              .file("link/in", "")
                              .dir("d", 0700)
                              .file("d/stays", "")
                              .dir("d", 0711)
                              .end();

  ASSERT_EQ(build_tar("l", tar), "");

  EXPECT_THAT(look("l"), ElementsAre("d0755 ", "d0711 d",
                                     "-0644 d/stays=", "-0644 dir=now a file",
                                     "-0644 kept=old", "d0700 link",
                                     "-0644 link/in=", "-0644 twice=new"));
  EXPECT_THAT(build_tar("l2", TarBytes().file("a", "").file("a", "").end(), {},
                        {.refuse_duplicates = true}),
              HasSubstr("offset 512: a: "));
}

TEST_F(ImportTest, WhiteoutAndNewEntryOfOneNameReplace) {
  for (const bool whiteout_first : {true, false}) {
    TarBytes tar;
    if (whiteout_first) tar.file(".wh.d", "").file(".wh.f", "");
    tar.dir("d").file("f", "x");
    if (!whiteout_first) tar.file(".wh.d", "").file(".wh.f", "");
    const std::string name = whiteout_first ? "first" : "last";

    ASSERT_EQ(build_tar(name, tar.end()), "");

    std::map<std::string, bool> opaque;
    ASSERT_TRUE(read_layer(
        open(name), {.marks = true}, [&](Entry&& entry) -> Result<void> {
          const auto* dir = std::get_if<DirectoryEntry>(&entry.data);
          opaque[entry.path] = dir && dir->opaque;
          return {};
        }));
    EXPECT_THAT(opaque, ElementsAre(std::pair("", false), std::pair("d", true),
                                    std::pair("f", false)));
  }
}

TEST_F(ImportTest, EntryBelowALinkNamesBoth) {
  const std::string tar =
      TarBytes().symlink("lib", "usr/lib").file("lib/x", "").end();
  const std::string below_file =
      TarBytes().file("f", "").file("f/sub/x", "").end();

  EXPECT_EQ(build_tar("l", tar), path("l.tar") +
                                     ": offset 512: lib/x: it is below lib, "
                                     "which is a symbolic link");
  EXPECT_THAT(build_tar("f", below_file),
              HasSubstr("f/sub/x: it is below f, which is a file"));
  EXPECT_FALSE(std::filesystem::exists(path("l")));
  EXPECT_EQ(build_tar("followed", tar, {}, {.follow_symlinks = true}), "");
  EXPECT_THAT(look("followed"),
              ElementsAre("d0755 ", "l lib->usr/lib", "d0755 usr",
                          "d0755 usr/lib", "-0644 usr/lib/x="));
}

TEST_F(ImportTest, HardLinkToNothingIsRefused) {
  EXPECT_THAT(
      build_tar("a",
                TarBytes().hard_link("h", "later").file("later", "").end()),
      HasSubstr("h: a hard link to later, which does not stand "
                "before it"));
  EXPECT_THAT(build_tar("b", TarBytes().dir("d").hard_link("h", "d").end()),
              HasSubstr("h: a hard link to d, which is a directory"));
  EXPECT_THAT(
      build_tar("c", TarBytes().file(".wh.w", "").hard_link("h", "w").end()),
      HasSubstr("does not stand before it"));
}

TEST_F(ImportTest, DamagedTarLeavesNoLayerAndNoBlob) {
  std::string tar = TarBytes().file("a", "x").file("b", "y").end();
  tar[1024 + 5] ^= 1;

  EXPECT_THAT(build_tar("l", tar), HasSubstr("l.tar: offset 1024: "));

  EXPECT_FALSE(std::filesystem::exists(path("l")));
  EXPECT_TRUE(std::filesystem::is_empty(blobs()));
}

TEST_F(ImportTest, SparseMemberIsABlobOfItsOwn) {
  std::string map = "1\n1048576\n5\n";
  map.resize(512, '\0');
  const std::string tar = TarBytes()
                              .pax({{"GNU.sparse.major", "1"},
                                    {"GNU.sparse.minor", "0"},
                                    {"GNU.sparse.name", "s"},
                                    {"GNU.sparse.realsize", "2097152"}})
                              .file("GNUSparseFile.1/s", map + "hello")
                              .end();

  ASSERT_EQ(build_tar("l", tar), "");

  std::string expected(2097152, '\0');
  expected.replace(1048576, 5, "hello");
  const std::string blob =
      path("blobs/" + to_hex(sha256(std::as_bytes(std::span(expected)))));
  struct stat st = {};
  ASSERT_EQ(::stat(blob.c_str(), &st), 0);
  EXPECT_EQ(st.st_size, 2097152);
  EXPECT_LT(st.st_blocks * 512, 1048576) << "the holes were written out";
  EXPECT_TRUE(open("l").verify({.blobs = true, .data = true})->empty());
}

TEST_F(ImportTest, MissingFileIsNamed) {
  EXPECT_THAT(build_from("l", {},
                         [&](auto& builder, auto& store) {
                           return add_from_tar(builder, store, path("none"));
                         }),
              HasSubstr(path("none")));
  EXPECT_THAT(build_from("l", {},
                         [&](auto& builder, auto& store) {
                           return add_from_tar(builder, store, blobs());
                         }),
              HasSubstr(blobs()));
}

// --- Manifests ---------------------------------------------------------------

TEST_F(ImportTest, ManifestComesBackAsItWas) {
  std::string manifest = manifest_header();
  for (const Entry& entry :
       std::vector<Entry>{{.path = "bin",
                           .mode = 040755,
                           .mtime = 7,
                           .data = DirectoryEntry{}},
                          {.path = "bin/sh",
                           .size = 300'000,
                           .mode = 0100755,
                           .mtime = -3,
                           .data = BlobRange{sha256({}), 0, 300'000}},
                          {.path = "deep/in/side",
                           .size = 2,
                           .mode = 0100600,
                           .mtime = 9,
                           .data = InlineBytes{"\xFF\n"}},
                          {.path = "e", .mode = 0100644, .data = Empty()},
                          {.path = "gone", .data = WhiteoutEntry()},
                          {.path = "h", .data = HardLinkEntry{"e"}},
                          {.path = "l",
                           .mode = 0120777,
                           .mtime = 4,
                           .data = SymlinkEntry{"bin/sh"}},
                          {.path = "o",
                           .mode = 040700,
                           .mtime = 5,
                           .data = DirectoryEntry{true}}}) {
    ASSERT_TRUE(append_to_manifest(manifest, entry));
  }

  ASSERT_EQ(build_manifest("l", manifest), "");
  EXPECT_EQ(manifest_of("l", false), manifest);

  ASSERT_EQ(build_manifest("again", manifest_of("l", true)), "");
  EXPECT_EQ(manifest_of("again", false), manifest);
}

TEST_F(ImportTest, ErrorOfAManifestNamesTheEntry) {
  EXPECT_EQ(build_manifest("l",
                           "manifest 1\nsymlink 0 0 0 lib usr/lib\n"
                           "file 0 0 0 lib/x empty\n"),
            path("l.manifest") +
                ": line 3: lib/x: it is below lib, which is a symbolic link");
  EXPECT_THAT(build_manifest("l", "manifest 1\nlink 0 0 0 h nothing\n"),
              HasSubstr("line 2: h: a hard link to nothing"));
  EXPECT_FALSE(std::filesystem::exists(path("l")));
}

TEST_F(ImportTest, ManifestOfATarHasContentsOfTheirOwn) {
  const std::string big(300'000, 'b');
  ASSERT_EQ(
      build_tar("l", TarBytes().file("big", big).file("small", "s").end()), "");

  const std::string text = manifest_of("l", true);

  EXPECT_EQ(text,
            "manifest 1\n"
            "file 0100644 0 300000 big sha256:" +
                to_hex(sha256(std::as_bytes(std::span(big)))) +
                "\n"
                "file 0100644 0 1 small inline:s\n");
  const auto fd = sys::open_file(path("direct"), O_WRONLY | O_CREAT | O_TRUNC);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(write_manifest_of_tar(
      fd->get(), path("l.tar"), {.as_text = true, .scratch = scratch_.path()}));
  EXPECT_EQ(read_file("direct"), text);
}

TEST_F(ImportTest, ManifestOfALayerWithoutItsBlobsSaysSo) {
  ASSERT_EQ(build_tar("l", TarBytes().file("a", "x").end()), "");
  const auto fd = sys::open_file(path("out"), O_WRONLY | O_CREAT | O_TRUNC);
  const auto layer = LayerFs::from_path(path("l"), "");
  ASSERT_TRUE(fd && layer);

  const auto written = write_manifest(fd->get(), *layer);

  EXPECT_EQ(code_of(written), ENOENT);
  EXPECT_THAT(written.error().message(), HasSubstr("a: its bytes are a part"));
}

// --- Trees and stacks --------------------------------------------------------

TEST_F(ImportTest, TreeIsImportedWithContentsAndLinks) {
  ASSERT_EQ(build_tar("l", TarBytes()
                               .dir(".", 0711)
                               .file("big", std::string(5000, 'b'))
                               .file("d/small", "s")
                               .hard_link("other", "big")
                               .symlink("link", "d/small")
                               .end()),
            "");
  const auto source = open("l").as_layer();
  ASSERT_TRUE(source);

  TreeReport report;
  ASSERT_EQ(build_from("copy", {},
                       [&](auto& builder, auto& /*store*/) {
                         auto done = add_from_tree(builder, blobs(), **source,
                                                   "l", {.inline_limit = 100});
                         if (done) report = *done;
                         return done;
                       }),
            "");

  EXPECT_EQ(look("copy"), look("l"));
  EXPECT_EQ(report.blobs, 1U);
  EXPECT_EQ(report.blob_bytes, 5000U);
  EXPECT_EQ(report.entries, 6U);
  EXPECT_THAT(texts("copy"), ElementsAre("0 ", "1 big", "0 d", "2 d/small",
                                         "4 link", "5 other"));
}

TEST_F(ImportTest, ChangesKeepWhatTheyHide) {
  build("upper", {"wh:/gone", "opq:/o/", "/o/new"});
  const auto source = open("upper").as_layer();
  ASSERT_TRUE(source);
  for (const bool as_changes : {true, false}) {
    const std::string name = as_changes ? "changes" : "tree";
    ASSERT_EQ(build_from(name, {},
                         [&](auto& builder, auto& /*store*/) {
                           return add_from_tree(builder, blobs(), **source,
                                                "upper",
                                                {.as_changes = as_changes});
                         }),
              "");
  }

  EXPECT_THAT(texts("changes"), ElementsAre("0 ", "6 gone", "0 o", "3 o/new"));
  EXPECT_THAT(texts("tree"), ElementsAre("0 ", "0 o", "3 o/new"));
}

TEST_F(TwoLayersTest, FlattenedStackLooksTheSame) {
  build("upper",
        {"wh:/Foo", "opq:/Bar/", "/Bar/Qux", "/New/x", "hl:/New/y -> /New/x"});
  const auto seen = stack_on_lower("upper");
  const LayerFs stack = open("stack");

  ASSERT_EQ(build_from("flat", {},
                       [&](auto& builder, auto& /*store*/) {
                         return flatten(builder, stack);
                       }),
            "");

  EXPECT_EQ(look("flat"), seen);
  EXPECT_EQ(open("flat").layer_id(), 0U);
  EXPECT_THAT(texts("flat"), ElementsAre("0 ", "0 Bar", "3 Bar/Qux", "0 New",
                                         "3 New/x", "5 New/y"));
}

// --- Parts -------------------------------------------------------------------

TEST(EntrySpool, GivesBackWhatItWasGiven) {
  std::vector<Entry> entries;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    Entry entry{.path = fmt::format("usr/share/{}/{}", i / 100, i * i),
                .size = i << (i % 40),
                .mode = static_cast<std::uint32_t>(i),
                .mtime = static_cast<std::int64_t>(i % 2 == 0 ? i : ~i)};
    switch (i % 9) {
      case 0:
        entry.data = DirectoryEntry{i % 2 == 0, i % 4 == 1};
        break;
      case 1:
        entry.data = BlobRange{{}, i * 512, i};
        break;
      case 2:
        entry.data = BlobRange{sha256(std::as_bytes(std::span(&i, 1))), i, ~i};
        break;
      case 3:
        entry.data = InlineBytes{std::string(i % 300, '\0')};
        break;
      case 4:
        entry.data = Empty();
        break;
      case 5:
        entry.data = SymlinkEntry{entry.path};
        break;
      case 6:
        entry.data = HardLinkEntry{"x"};
        break;
      default:
        entry.data = WhiteoutEntry();
    }
    entries.push_back(std::move(entry));
  }
  EntrySpool spool;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    spool.add(entries[i], i * 7);
  }

  std::size_t next = 0;
  const auto drained =
      spool.drain([&](Entry&& entry, std::uint64_t offset) -> Result<void> {
        EXPECT_EQ(entry, entries[next]);
        EXPECT_EQ(offset, next * 7);
        ++next;
        return {};
      });

  EXPECT_TRUE(drained);
  EXPECT_EQ(next, entries.size());
}

TEST(Markers, AreWhatAufsMadeThem) {
  const auto decode = [](std::string_view path) {
    const auto marker = decode_marker(path);
    return marker ? std::pair(marker->kind, marker->path)
                  : std::pair(Marker::Kind::kNone, std::string("refused"));
  };
  using Kind = Marker::Kind;

  EXPECT_EQ(decode("a/b"), std::pair(Kind::kNone, std::string()));
  EXPECT_EQ(decode("a/.whb"), std::pair(Kind::kNone, std::string()));
  EXPECT_EQ(decode(".wh.a"), std::pair(Kind::kWhiteout, std::string("a")));
  EXPECT_EQ(decode("d/.wh.a"), std::pair(Kind::kWhiteout, std::string("d/a")));
  EXPECT_EQ(decode("d/.wh..wh..opq"),
            std::pair(Kind::kOpaque, std::string("d")));
  EXPECT_EQ(decode(".wh..wh..opq"), std::pair(Kind::kOpaque, std::string()));
  EXPECT_EQ(decode(".wh..wh.aufs"), std::pair(Kind::kIgnored, std::string()));
  EXPECT_EQ(decode("d/.wh..wh.plnk/x"),
            std::pair(Kind::kIgnored, std::string()));
  EXPECT_EQ(decode(".wh."), std::pair(Kind::kNone, std::string("refused")));
  EXPECT_EQ(decode(".wh.a/b"), std::pair(Kind::kNone, std::string("refused")));
}

}  // namespace
}  // namespace veneer::layerfs
