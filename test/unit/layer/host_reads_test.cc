// SPDX-License-Identifier: MIT
//
// A directory read as a lower layer: every form of "deleted" and "opaque",
// marks that are believed and marks that are not, and what users see of them.

#include "layer/host/host_reads.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/statvfs.h>

#include <map>

#include "layer/host/open_layers.h"
#include "layer/host/origin_record.h"
#include "test/unit/layer/scratch.h"

namespace veneer::layer {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Optional;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;
using veneer::testing::code_of;
using veneer::testing::is_root;

class HostReadsTest : public veneer::testing::Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    make_dir("l");
  }
  /// Opens l as a lower layer.
  Layer& open(bool bottom = false) {
    auto opened = open_host_lower(path("l"), bottom);
    EXPECT_TRUE(opened) << opened.error().message();
    layer_ = *std::move(opened);
    return *layer_;
  }
  std::optional<Child> lookup(const std::string& where) {
    std::optional<Child> at = layer_->root();
    for (const auto& name : std::filesystem::path(where)) {
      auto child = layer_->lookup(*at->node, name.string());
      EXPECT_TRUE(child) << where << ": " << child.error().message();
      if (!child || !*child) return std::nullopt;
      at = **child;
      if (!at->node) return at;
    }
    return at;
  }
  bool is_deleted(const std::string& where) {
    const auto child = lookup(where);
    return child && child->marks.whiteout && !child->node;
  }
  /// Names of a directory; true: a whiteout.
  std::multimap<std::string, bool> list(const std::string& where = "") {
    std::multimap<std::string, bool> entries;
    const auto dir = lookup(where);
    EXPECT_TRUE(layer_->read_dir(*dir->node, [&](const DirEntry& entry) {
      entries.emplace(entry.name, entry.whiteout);
    }));
    return entries;
  }

  std::unique_ptr<Layer> layer_;
};

// --- Names and attributes ---------------------------------------------------

TEST_F(HostReadsTest, RootIsKnownWithoutAsking) {
  const Child& root = open().root();

  EXPECT_EQ(root.attr.ino, stat_of("l").st_ino);
  EXPECT_TRUE(S_ISDIR(root.attr.mode));
  EXPECT_EQ(layer_->path_of(*root.node), "");
}

TEST_F(HostReadsTest, MarksOnTheRootThatWouldHideOrMoveItAreIgnored) {
  mark("l", "opaque", "y");
  mark("l", "redirect", "/elsewhere");

  const Marks& marks = open().root().marks;

  EXPECT_FALSE(marks.opaque);
  EXPECT_EQ(marks.redirect, std::nullopt);
}

TEST_F(HostReadsTest, NameThatIsNotThereIsNoError) {
  open();
  EXPECT_FALSE(lookup("absent"));
}

TEST_F(HostReadsTest, NamesOfAnyBytesAndLengthAreFound) {
  const std::string longest(255, 'n');
  for (const std::string& name : {longest, std::string("\xff\xfe\n *?"),
                                  std::string("..."), std::string(" ")}) {
    write("l/" + name, name.substr(0, 3));
  }
  open();

  EXPECT_EQ(lookup(longest)->attr.size, 3U);
  EXPECT_TRUE(lookup("\xff\xfe\n *?"));
  EXPECT_TRUE(lookup("..."));
  EXPECT_EQ(list().size(), 4U);
  EXPECT_EQ(
      code_of(layer_->lookup(*layer_->root().node, std::string(256, 'n'))),
      ENAMETOOLONG);
}

TEST_F(HostReadsTest, AnswersForEachKindOfObject) {
  write("l/d/file", "content");
  make_link("target\n", "l/d/link");
  ASSERT_EQ(::mkfifo(path("l/d/fifo").c_str(), 0640), 0);
  open();

  const auto file = lookup("d/file");
  EXPECT_EQ(layer_->get_attr(*file->node)->size, 7U);
  EXPECT_EQ(layer_->path_of(*file->node), "d/file");
  const auto data = layer_->open_data(*file->node);
  ASSERT_TRUE(data);
  char text[8] = {};
  EXPECT_EQ(::pread(data->fd, text, 7, 0), 7);
  EXPECT_STREQ(text, "content");
  EXPECT_THAT(*layer_->read_link(*lookup("d/link")->node), Eq("target\n"));
  EXPECT_TRUE(S_ISFIFO(lookup("d/fifo")->attr.mode));
  EXPECT_FALSE(layer_->read_link(*file->node));
}

TEST_F(HostReadsTest, ReadingLeavesNoAccessTime) {
  if (!is_root()) GTEST_SKIP() << "needs root: a private copy of the mount";
  write("l/d/file", "content");
  const timespec old[2] = {{1000, 5}, {1000, 5}};
  for (const char* name : {"l/d/file", "l/d"}) {
    ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), old, 0), 0);
  }
  open();

  list("d");
  const auto data = layer_->open_data(*lookup("d/file")->node);
  char text[8];
  ASSERT_EQ(::pread(data->fd, text, 7, 0), 7);

  EXPECT_EQ(stat_of("l/d/file").st_atim.tv_sec, 1000);
  EXPECT_EQ(stat_of("l/d").st_atim.tv_sec, 1000);
}

TEST_F(HostReadsTest, LowerCannotBeWrittenThrough) {
  if (!is_root()) GTEST_SKIP() << "needs root: a private copy of the mount";
  write("l/file", "content");
  open();

  const auto data = layer_->open_data(*lookup("file")->node);

  EXPECT_EQ(::pwrite(data->fd, "x", 1, 0), -1);
  const std::string again = "/proc/self/fd/" + std::to_string(data->fd);
  EXPECT_EQ(::open(again.c_str(), O_RDWR), -1);
  EXPECT_EQ(errno, EROFS);
}

TEST_F(HostReadsTest, FlagsAndStatFsAreTheStorages) {
  write("l/file", "x");
  open();
  const auto file = lookup("file");

  struct statvfs fs{};
  EXPECT_TRUE(layer_->stat_fs(fs));
  EXPECT_GT(fs.f_bsize, 0U);
  fsxattr flags{};
  const auto word = layer_->get_flags(*file->node);
  if (!word) {
    EXPECT_THAT(word.error().code(), ::testing::AnyOf(ENOTTY, EOPNOTSUPP));
    EXPECT_FALSE(layer_->get_fsxattr(*file->node, flags));
  } else {
    EXPECT_EQ(*word & FS_IMMUTABLE_FL, 0U);
    EXPECT_TRUE(layer_->get_fsxattr(*file->node, flags));
  }
}

// --- Deleted and opaque -----------------------------------------------------

TEST_F(HostReadsTest, Device00IsAWhiteout) {
  whiteout("l/gone");
  open();

  EXPECT_TRUE(is_deleted("gone"));
  EXPECT_THAT(list(), ElementsAre(Pair("gone", true)));
}

TEST_F(HostReadsTest, OtherDevicesAreThemselves) {
  if (!is_root()) GTEST_SKIP() << "needs root: makes device nodes";
  ASSERT_EQ(::mknod(path("l/null").c_str(), S_IFCHR | 0666, 0x103), 0);
  ASSERT_EQ(::mknod(path("l/block").c_str(), S_IFBLK | 0600, 0), 0);
  open();

  EXPECT_FALSE(is_deleted("null"));
  EXPECT_TRUE(S_ISBLK(lookup("block")->attr.mode));
  EXPECT_THAT(list(), ElementsAre(Pair("block", false), Pair("null", false)));
}

TEST_F(HostReadsTest, MarkerFileIsAWhiteoutOfItsName) {
  write("l/.wh.gone", "");
  open();

  EXPECT_TRUE(is_deleted("gone"));
  EXPECT_FALSE(lookup(".wh.gone"));
  EXPECT_THAT(list(), ElementsAre(Pair("gone", true)));
}

TEST_F(HostReadsTest, MarkerBesideAnEntryHidesOnlyWhatIsBelow) {
  write("l/.wh.file", "");
  write("l/file", "here");
  write("l/.wh.dir", "");
  make_dir("l/dir");
  open();

  EXPECT_EQ(lookup("file")->attr.size, 4U);
  ASSERT_TRUE(lookup("dir"));
  EXPECT_TRUE(lookup("dir")->marks.opaque);
  EXPECT_THAT(list(),
              UnorderedElementsAre(Pair("file", true), Pair("file", false),
                                   Pair("dir", true), Pair("dir", false)));
}

TEST_F(HostReadsTest, OnlyEmptyFilesAreMarkers) {
  write("l/.wh.text", "content");
  make_dir("l/.wh.dir");
  make_link("x", "l/.wh.link");
  write("l/.wh.", "");
  open();

  for (const char* name : {"text", "dir", "link"}) {
    EXPECT_FALSE(lookup(name)) << name;
    EXPECT_TRUE(lookup(std::string(".wh.") + name)) << name;
  }
  EXPECT_THAT(list(), UnorderedElementsAre(Pair(".wh.text", false),
                                           Pair(".wh.dir", false),
                                           Pair(".wh.link", false)));
}

TEST_F(HostReadsTest, MarkersOfDotAndDotDotMeanNothing) {
  write("l/.wh..", "");
  write("l/.wh...", "");
  open();

  EXPECT_TRUE(list().empty());
}

TEST_F(HostReadsTest, HousekeepingOfAufsIsHidden) {
  write("l/.wh..wh.aufs", "");
  make_dir("l/.wh..wh.plnk");
  make_dir("l/.wh..wh.orph");
  open();

  EXPECT_TRUE(list().empty());
  EXPECT_FALSE(lookup(".wh..wh.aufs"));
  EXPECT_FALSE(lookup(".wh..wh.plnk"));
}

TEST_F(HostReadsTest, DirectoryIsOpaqueByXattrOrMarker) {
  make_dir("l/xattr");
  mark("l/xattr", "opaque", "y");
  write("l/marker/.wh..wh..opq", "");
  make_dir("l/plain");
  make_dir("l/nonsense");
  mark("l/nonsense", "opaque", "perhaps");
  open();

  EXPECT_TRUE(lookup("xattr")->marks.opaque);
  EXPECT_TRUE(lookup("marker")->marks.opaque);
  EXPECT_TRUE(list("marker").empty());
  EXPECT_FALSE(lookup("plain")->marks.opaque);
  EXPECT_FALSE(lookup("nonsense")->marks.opaque);
}

TEST_F(HostReadsTest, XattrWhiteoutsCountInDirectoriesMarkedX) {
  write("l/marked/gone", "");
  write("l/marked/empty", "");
  write("l/marked/text", "x");
  write("l/plain/gone", "");
  mark("l/marked", "opaque", "x");
  for (const char* name : {"l/marked/gone", "l/marked/text", "l/plain/gone"}) {
    mark(name, "whiteout", "y");
  }
  open();

  EXPECT_TRUE(is_deleted("marked/gone"));
  EXPECT_FALSE(is_deleted("marked/empty"));
  EXPECT_FALSE(is_deleted("marked/text"));
  EXPECT_FALSE(is_deleted("plain/gone"));
  EXPECT_FALSE(lookup("marked")->marks.opaque);
  EXPECT_THAT(list("marked"),
              ElementsAre(Pair("empty", false), Pair("gone", true),
                          Pair("text", false)));
  EXPECT_THAT(list("plain"), ElementsAre(Pair("gone", false)));
}

TEST_F(HostReadsTest, XattrWhiteoutsCountInARootMarkedX) {
  write("l/gone", "");
  mark("l", "opaque", "x");
  mark("l/gone", "whiteout", "y");
  open();

  EXPECT_TRUE(is_deleted("gone"));
}

TEST_F(HostReadsTest, LayerOfTheKernelFormHasNoMarkers) {
  mark("l", "veneer.form", "kernel");
  write("l/.wh.name", "");
  write("l/d/.wh..wh..opq", "");
  open();

  EXPECT_FALSE(layer_->may_hold_markers());
  EXPECT_FALSE(is_deleted("name"));
  EXPECT_TRUE(lookup(".wh.name"));
  EXPECT_FALSE(lookup("d")->marks.opaque);
  EXPECT_THAT(list(), ElementsAre(Pair(".wh.name", false), Pair("d", false)));
}

TEST_F(HostReadsTest, LookupAfterAListingWithoutMarkersStillFindsEverything) {
  write("l/a/x", "x");
  write("l/b/.wh.y", "");
  open();
  const auto a = lookup("a");
  const auto b = lookup("b");
  const auto ignore = [](const DirEntry&) {};
  ASSERT_TRUE(layer_->read_dir(*a->node, ignore));
  ASSERT_TRUE(layer_->read_dir(*b->node, ignore));

  EXPECT_TRUE(*layer_->lookup(*a->node, "x"));
  EXPECT_FALSE(*layer_->lookup(*a->node, "y"));
  const auto y = layer_->lookup(*b->node, "y");
  ASSERT_TRUE(y && *y);
  EXPECT_TRUE((*y)->marks.whiteout);
}

// --- Marks ------------------------------------------------------------------

TEST_F(HostReadsTest, MarksOfTheOwnNamespaceAreRead) {
  write("l/file", "x");
  make_dir("l/dir");
  mark("l/file", "metacopy", "");
  mark("l/file", "redirect", "/old/file");
  mark("l/file", "nlink", "U+3");
  mark("l/dir", "redirect", "old");
  mark("l/dir", "impure", "y");
  open();

  const Marks file = lookup("file")->marks;
  EXPECT_TRUE(file.metacopy);
  EXPECT_THAT(file.redirect, Optional(Eq("/old/file")));
  ASSERT_TRUE(file.nlink);
  EXPECT_EQ(file.nlink->delta, 3);
  const Marks dir = lookup("dir")->marks;
  EXPECT_THAT(dir.redirect, Optional(Eq("old")));
  EXPECT_TRUE(dir.impure);
}

TEST_F(HostReadsTest, OtherNamespaceMayHideButNotPointElsewhere) {
  if (!is_root()) GTEST_SKIP() << "needs root: has one namespace of its own";
  write("l/file", "x");
  make_dir("l/dir");
  set_xattr("l/file", "user.overlay.metacopy", "");
  set_xattr("l/file", "user.overlay.redirect", "/etc/shadow");
  set_xattr("l/dir", "user.overlay.redirect", "old");
  set_xattr("l/dir", "user.overlay.opaque", "y");
  open();

  EXPECT_FALSE(lookup("file")->marks.metacopy);
  EXPECT_EQ(lookup("file")->marks.redirect, std::nullopt);
  EXPECT_EQ(lookup("dir")->marks.redirect, std::nullopt);
  EXPECT_TRUE(lookup("dir")->marks.opaque);
}

TEST_F(HostReadsTest, HostileValuesAreAsIfTheyWereNotThere) {
  const std::string values[] = {"..",
                                "/..",
                                "../../../../etc/passwd",
                                "/a/../../b",
                                "//",
                                "/",
                                "",
                                std::string("a\0b", 3),
                                std::string(300, 'x'),
                                std::string(60'000, '/'),
                                "/" + std::string(60'000, 'y')};
  int i = 0;
  for (const std::string& value : values) {
    const std::string name = "l/d" + std::to_string(i++);
    make_dir(name);
    mark(name, "redirect", value);
    mark(name, "nlink", value.substr(0, 100));
    mark(name, "origin", value.substr(0, 200));
    mark(name, "veneer.ino", value.substr(0, 7));
  }
  open();

  for (int at = 0; at < i; ++at) {
    const auto child = lookup("d" + std::to_string(at));
    ASSERT_TRUE(child);
    EXPECT_EQ(child->marks.redirect, std::nullopt) << at;
    EXPECT_FALSE(child->marks.nlink) << at;
    EXPECT_EQ(child->marks.number, std::nullopt) << at;
    EXPECT_EQ(layer_->resolve_origin(child->marks.origin.value_or("")),
              std::nullopt);
  }
}

TEST_F(HostReadsTest, BottomLayerIsNotAskedForMarksThatPointDown) {
  write("l/file", "x");
  mark("l/file", "redirect", "/old");
  open(true);

  EXPECT_EQ(lookup("file")->marks.redirect, std::nullopt);
}

TEST_F(HostReadsTest, MetacopyInTheBottomLayerIsKnownToLackItsData) {
  write("l/file", "");
  ASSERT_EQ(::truncate(path("l/file").c_str(), 100'000), 0);
  mark("l/file", "metacopy", "");
  open(true);

  EXPECT_TRUE(lookup("file")->marks.metacopy);
}

TEST_F(HostReadsTest, ObjectWithoutXattrsIsKnownToHaveNone) {
  write("l/none", "x");
  write("l/some", "x");
  set_xattr("l/some", "user.k", "v");
  open();

  EXPECT_TRUE(lookup("none")->marks.no_xattrs);
  EXPECT_FALSE(lookup("some")->marks.no_xattrs);
}

// --- What users see ---------------------------------------------------------

TEST_F(HostReadsTest, OwnXattrsAreNeitherListedNorFound) {
  write("l/file", "x");
  mark("l/file", "origin", "abc");
  set_xattr("l/file", "user.k", "v");
  open();
  const auto file = lookup("file");

  EXPECT_EQ(*layer_->list_xattrs(*file->node), std::string("user.k\0", 7));
  EXPECT_EQ(*layer_->get_xattr(*file->node, own("origin")), std::nullopt);
  EXPECT_THAT(*layer_->get_xattr(*file->node, "user.k"), Optional(Eq("v")));
  EXPECT_EQ(*layer_->get_xattr(*file->node, "user.absent"), std::nullopt);
}

TEST_F(HostReadsTest, NestedOverlaysXattrIsUnescapedOnce) {
  write("l/file", "x");
  set_xattr("l/file", own("overlay.opaque"), "y");
  open();
  const auto file = lookup("file");

  EXPECT_EQ(*layer_->list_xattrs(*file->node), own("opaque") + '\0');
  EXPECT_THAT(*layer_->get_xattr(*file->node, own("opaque")),
              Optional(Eq("y")));
  EXPECT_FALSE(file->marks.opaque);
}

TEST_F(HostReadsTest, XattrsOfSymbolicLinksAreTheirOwn) {
  if (!is_root()) GTEST_SKIP() << "needs root: user.* cannot be on a link";
  write("l/file", "x");
  make_link("file", "l/link");
  set_xattr("l/file", "trusted.k", "file's");
  set_xattr("l/link", "trusted.k", "link's");
  open();

  EXPECT_THAT(*layer_->get_xattr(*lookup("link")->node, "trusted.k"),
              Optional(Eq("link's")));
}

// --- Origins ----------------------------------------------------------------

TEST_F(HostReadsTest, OriginRecordLeadsBackToTheObject) {
  write("l/d/file", "x");
  open();
  const auto file = lookup("d/file");

  const std::string record = layer_->origin_record(*file->node);

  ASSERT_NE(record, "") << "the file system has no handles";
  EXPECT_TRUE(decode_origin(record));
  const auto attr = layer_->resolve_origin(record);
  if (!is_root()) GTEST_SKIP() << "needs root: opens by handle";
  ASSERT_TRUE(attr);
  EXPECT_EQ(attr->ino, file->attr.ino);
}

TEST_F(HostReadsTest, RecordThatLiesLeadsNowhere) {
  write("l/file", "x");
  open();
  const auto file = lookup("file");
  const std::string record = layer_->origin_record(*file->node);
  ASSERT_NE(record, "");

  for (std::size_t size = 0; size < record.size(); ++size) {
    EXPECT_EQ(layer_->resolve_origin(record.substr(0, size)), std::nullopt);
  }
  std::string other_uuid = record;
  other_uuid[8] = static_cast<char>(other_uuid[8] ^ 1);
  EXPECT_EQ(layer_->resolve_origin(other_uuid), std::nullopt);
  // Handles that were never made, and one longer than the kernel takes.
  auto origin = *decode_origin(record);
  for (const std::size_t size : {1U, 4U, 128U, 129U, 234U}) {
    for (const int type : {1, 2, 0x81, 0xfe, 0xff}) {
      origin.type = type;
      origin.fid = std::string(size, '\xa5');
      EXPECT_EQ(layer_->resolve_origin(encode_origin(origin)), std::nullopt)
          << size << " " << type;
    }
  }
}

TEST_F(HostReadsTest, RecordOfARemovedObjectLeadsNowhere) {
  write("l/file", "x");
  open();
  const std::string record = layer_->origin_record(*lookup("file")->node);
  ASSERT_EQ(::unlink(path("l/file").c_str()), 0);

  EXPECT_EQ(layer_->resolve_origin(record), std::nullopt);
}

// --- Depth ------------------------------------------------------------------

TEST_F(HostReadsTest, TreeOfAnyDepthIsWalkedNamedAndFreed) {
  constexpr int kDepth = 20'000;
  make_deep("l", "d", kDepth);
  open();
  LayerNodeRef at = layer_->root().node;
  for (int i = 0; i < kDepth; ++i) {
    const auto child = layer_->lookup(*at, "d");
    ASSERT_TRUE(child && *child) << i;
    at = (*child)->node;
  }

  EXPECT_EQ(layer_->path_of(*at).size(), 2U * kDepth - 1);
  EXPECT_TRUE(layer_->get_attr(*at));
  at = nullptr;
  layer_.reset();  // the chain goes with the cache
}

}  // namespace
}  // namespace veneer::layer
