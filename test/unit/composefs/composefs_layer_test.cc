// SPDX-License-Identifier: MIT
//
// An image as a layer: what is seen of it alone, in a stack, and by an overlay
// of the kernel's on top.

#include "composefs/composefs_layer.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "base/bytes.h"
#include "base/log.h"
#include "base/verity_digest.h"
#include "test/support/layer_tree.h"
#include "test/support/result.h"
#include "test/support/scratch_dir.h"
#include "test/unit/composefs/from_dump.h"
#include "test/unit/composefs/hand_made.h"

namespace veneer::composefs {
namespace {

using testing::code_of;
using testing::find_in_layer;
using testing::read_data;
using testing::read_layer;

const std::string kContent = "what is in the store";

class ComposefsLayerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made());
    set_log_level(LogLevel::kOff);
    digest_ = to_hex(verity_digest(as_bytes(kContent)));
    object_ = digest_.substr(0, 2) + "/" + digest_.substr(2);
    std::filesystem::create_directories(
        scratch_.path("store/" + digest_.substr(0, 2)));
    std::ofstream(scratch_.path("store/" + object_)) << kContent;
    follow.objects = {scratch_.path("store")};
    stacked = follow;
    stacked.stacked = true;
    stacked.trusted_xattrs = true;
    metadata.mode = ServeMode::kMetadata;
  }
  void TearDown() override { set_log_level(LogLevel::kWarning); }

  void open_bytes(const std::string& bytes, const LayerOptions& options) {
    std::ofstream(scratch_.path("image"), std::ios::binary) << bytes;
    auto opened = open_layer(scratch_.path("image"), options);
    ASSERT_TRUE(opened) << opened.error().message();
    layer_ = *std::move(opened);
  }
  void open(const std::string& dump, const LayerOptions& options,
            ImageVersions versions = {}) {
    open_bytes(image_of(kDumpRoot + dump, versions), options);
  }
  std::string external(const std::string& name,
                       const std::string& more = "") const {
    return fmt::format("/{} {} 100644 1 0 0 0 0.0 {} - {}{}\n", name,
                       kContent.size(), object_, digest_, more);
  }

  Child at(std::string_view path) { return find_in_layer(*layer_, path); }
  Result<std::string> data(std::string_view path) {
    return read_data(*layer_, *at(path).node);
  }
  std::optional<std::string> xattr(std::string_view path,
                                   const std::string& name) {
    const auto value = layer_->get_xattr(*at(path).node, name);
    EXPECT_TRUE(value);
    return value ? *value : std::nullopt;
  }
  std::set<std::string> xattrs(std::string_view path) {
    std::set<std::string> names;
    const auto list = layer_->list_xattrs(*at(path).node);
    EXPECT_TRUE(list);
    for (std::size_t i = 0; list && i < list->size();) {
      const std::string name = list->c_str() + i;
      names.insert(name);
      i += name.size() + 1;
    }
    return names;
  }
  // Names of a directory; whiteouts begin with '!'.
  std::set<std::string> names(std::string_view path) {
    std::set<std::string> found;
    EXPECT_TRUE(layer_->read_dir(*at(path).node, [&](const DirEntry& entry) {
      found.insert((entry.whiteout ? "!" : "") + std::string(entry.name));
    }));
    return found;
  }

  using Set = std::set<std::string>;
  LayerOptions follow, stacked, metadata;
  std::unique_ptr<Layer> layer_;
  std::string digest_;
  std::string object_;
  testing::ScratchDir scratch_;
};

// --- Alone -------------------------------------------------------------------

TEST_F(ComposefsLayerTest, ContentComesFromTheStoreAndFromTheImage) {
  open(external("e") +
           "/i 3 100644 1 0 0 0 0.0 - abc -\n"
           "/z 0 100644 1 0 0 0 0.0 - - -\n"
           "/l 3 120777 1 0 0 0 0.0 abc - -\n",
       follow);

  EXPECT_EQ(*data("e"), kContent);
  EXPECT_EQ(*data("i"), "abc");
  EXPECT_EQ(*data("z"), "");
  EXPECT_EQ(*layer_->read_link(*at("l").node), "abc");
  EXPECT_EQ(code_of(layer_->open_data(*at("l").node)), EINVAL);
}

TEST_F(ComposefsLayerTest, StubsOfComposefsAreNotThere) {
  open("/f 0 100644 1 0 0 0 0.0 - - -\n", follow);

  EXPECT_EQ(names(""), Set{"f"});
  const auto stub = layer_->lookup(*layer_->root().node, "00");
  ASSERT_TRUE(stub);
  EXPECT_FALSE(*stub);
}

TEST_F(ComposefsLayerTest, WhatIsOfComposefsIsNotSeen) {
  open(external("e") + external("x", " user.a=1"), follow);

  EXPECT_TRUE(at("e").marks.no_xattrs);
  EXPECT_FALSE(at("x").marks.no_xattrs);
  EXPECT_FALSE(at("e").marks.metacopy);
  EXPECT_EQ(xattrs("e"), Set{});
  EXPECT_EQ(xattrs("x"), Set{"user.a"});
  EXPECT_EQ(xattr("e", "trusted.overlay.metacopy"), std::nullopt);
  EXPECT_EQ(xattr("e", "user.overlay.metacopy"), std::nullopt);
  EXPECT_EQ(xattrs(""), Set{});
}

TEST_F(ComposefsLayerTest, AloneAWhiteoutIsAnEmptyFileWithItsXattrs) {
  open("/d 0 40755 2 0 0 0 0.0 - - -\n/d/w 0 20644 1 0 0 0 0.0 - - -\n",
       follow);

  EXPECT_EQ(names("d"), Set{"w"});
  EXPECT_EQ(at("d/w").attr.mode, S_IFREG | 0644U);
  EXPECT_EQ(xattrs("d/w"),
            (Set{"trusted.overlay.whiteout", "user.overlay.whiteout"}));
  EXPECT_EQ(xattr("d", "trusted.overlay.opaque"), "x");
  EXPECT_EQ(xattr("d", "user.overlay.whiteouts"), "");
}

TEST_F(ComposefsLayerTest, HardLinksAreOneObject) {
  open("/a 3 100644 2 0 0 0 0.0 - abc -\n/b 0 @100644 2 0 0 0 0.0 /a - -\n",
       follow);

  EXPECT_EQ(at("a").attr.ino, at("b").attr.ino);
  EXPECT_EQ(at("a").attr.nlink, 2U);
  EXPECT_EQ(layer_->path_of(*at("b").node), "b");
}

TEST_F(ComposefsLayerTest, AttributesAreThoseOfTheImage) {
  open(
      "/f 0 104755 3 70000 5 0 1000.25 - - -\n"
      "/c 0 20600 1 0 0 259 0.0 - - -\n/old 0 100644 0 0 0 0 -2.5 - - -\n",
      follow);

  const Attr attr = at("f").attr;
  EXPECT_EQ(attr.mode, S_IFREG | 04755U);
  EXPECT_EQ(attr.uid, 70000U);
  EXPECT_EQ(attr.gid, 5U);
  EXPECT_EQ(attr.nlink, 3U);
  EXPECT_EQ(attr.mtime.tv_sec, 1000);
  EXPECT_EQ(attr.mtime.tv_nsec, 25);
  EXPECT_EQ(at("c").attr.rdev, makedev(1, 3));
  EXPECT_EQ(at("old").attr.mtime.tv_sec, -2);
  EXPECT_EQ(at("old").attr.nlink, 1U);
}

TEST_F(ComposefsLayerTest, OwnersCanBeSquashed) {
  follow.uid = 42;
  follow.gid = 43;
  open("/f 0 100644 1 7 8 0 0.0 - - -\n", follow);

  EXPECT_EQ(at("f").attr.uid, 42U);
  EXPECT_EQ(at("f").attr.gid, 43U);
  EXPECT_EQ(layer_->root().attr.uid, 42U);
}

TEST_F(ComposefsLayerTest, FileWithoutContentOrObjectIsEioButShown) {
  open("/sparse 5000 100644 1 0 0 0 0.0 - - -\n", follow);

  EXPECT_EQ(at("sparse").attr.size, 5000U);
  EXPECT_EQ(code_of(layer_->open_data(*at("sparse").node)), EIO);
}

TEST_F(ComposefsLayerTest, ObjectIsVerifiedIfThatIsAskedFor) {
  follow.verify = Verify::kRequire;
  open(external("e"), follow);
  EXPECT_EQ(*data("e"), kContent);

  std::string other = kContent;
  other[0] = 'X';
  std::ofstream(scratch_.path("store/" + object_)) << other;

  EXPECT_EQ(code_of(layer_->open_data(*at("e").node)), EIO);
}

TEST_F(ComposefsLayerTest, ImageOfAnotherDigestIsRefused) {
  const std::string bytes = image_of(kDumpRoot);
  std::ofstream(scratch_.path("image"), std::ios::binary) << bytes;
  follow.digest = to_hex(verity_digest(as_bytes(bytes)));
  EXPECT_TRUE(open_layer(scratch_.path("image"), follow));

  follow.digest->front() = follow.digest->front() == '0' ? '1' : '0';
  EXPECT_EQ(code_of(open_layer(scratch_.path("image"), follow)), EILSEQ);
  follow.digest = "abc";
  EXPECT_EQ(code_of(open_layer(scratch_.path("image"), follow)), EINVAL);
}

TEST_F(ComposefsLayerTest, FlagsAreUnknownAndTheLayerIsReadOnly) {
  open("", follow);
  EXPECT_EQ(code_of(layer_->get_flags(*layer_->root().node)), ENOTTY);
  struct statvfs stat{};
  ASSERT_TRUE(layer_->stat_fs(stat));
  EXPECT_EQ(stat.f_bsize, 4096U);
  EXPECT_EQ(stat.f_namemax, 255U);
  EXPECT_EQ(stat.f_files, 257U);
  EXPECT_NE(stat.f_flag & ST_RDONLY, 0U);
}

// --- In a stack
// ---------------------------------------------------------------

class BothVersions : public ComposefsLayerTest,
                     public ::testing::WithParamInterface<unsigned> {
 protected:
  ImageVersions versions() const {
    return {.min = GetParam(), .max = GetParam()};
  }
};

TEST_P(BothVersions, WhiteoutInAStackDeletesTheName) {
  open(
      "/d 0 40755 2 0 0 0 0.0 - - -\n/d/w 0 20644 1 0 0 0 0.0 - - -\n"
      "/d/f 0 100644 1 0 0 0 0.0 - - -\n/w 0 20644 1 0 0 0 0.0 - - -\n",
      stacked, versions());

  EXPECT_EQ(names(""), (Set{"d", "!w"}));
  EXPECT_EQ(names("d"), (Set{"f", "!w"}));
  const auto found = layer_->lookup(*at("d").node, "w");
  ASSERT_TRUE(found && *found);
  EXPECT_TRUE((*found)->marks.whiteout);
  EXPECT_FALSE((*found)->node);
  EXPECT_FALSE(at("d").marks.opaque);
  EXPECT_EQ(xattrs("d"), GetParam() == 0 ? Set{} : Set{"user.overlay.opaque"});
}

INSTANTIATE_TEST_SUITE_P(Versions, BothVersions, ::testing::Values(0U, 1U));

TEST_F(ComposefsLayerTest, StubsDeleteNothingInAStack) {
  open("", stacked);

  EXPECT_EQ(names(""), Set{});
  const auto stub = layer_->lookup(*layer_->root().node, "ff");
  ASSERT_TRUE(stub);
  EXPECT_FALSE(*stub);
}

TEST_F(ComposefsLayerTest, MarksOfTheUsersOverlayAreTheLayersMarks) {
  open(
      "/o 0 40755 2 0 0 0 0.0 - - - trusted.overlay.opaque=y\n"
      "/u 0 40755 2 0 0 0 0.0 - - - user.overlay.opaque=y\n"
      "/r 0 40755 2 0 0 0 0.0 - - - trusted.overlay.redirect=/a/b\n"
      "/n 0 40755 2 0 0 0 0.0 - - - trusted.overlay.redirect=name\n"
      "/bad 0 40755 2 0 0 0 0.0 - - - trusted.overlay.redirect=/a/../b\n"
      "/ur 0 40755 2 0 0 0 0.0 - - - user.overlay.redirect=/a\n",
      stacked);

  EXPECT_TRUE(at("o").marks.opaque);
  EXPECT_TRUE(at("u").marks.opaque);
  EXPECT_EQ(at("r").marks.redirect, "/a/b");
  EXPECT_EQ(at("n").marks.redirect, "name");
  EXPECT_EQ(at("bad").marks.redirect, std::nullopt);
  EXPECT_EQ(at("ur").marks.redirect, std::nullopt);
  EXPECT_EQ(xattrs("o"), Set{});
  EXPECT_TRUE(at("o").marks.no_xattrs);
  EXPECT_EQ(xattrs("u"), Set{"user.overlay.opaque"});
}

// composefs' own: they say where content is, not that a layer below has it.
TEST_F(ComposefsLayerTest, ExternalFileIsNoMetacopyOfTheStack) {
  open(external("e"), stacked);

  EXPECT_FALSE(at("e").marks.metacopy);
  EXPECT_FALSE(at("e").marks.redirect);
  EXPECT_EQ(*data("e"), kContent);
}

TEST_F(ComposefsLayerTest, DefaultAclIsToldOfDirectories) {
  open(
      "/d 0 40755 2 0 0 0 0.0 - - - system.posix_acl_default=A\n"
      "/e 0 40755 2 0 0 0 0.0 - - -\n",
      stacked);

  EXPECT_TRUE(at("d").marks.default_acl);
  EXPECT_FALSE(at("e").marks.default_acl);
}

TEST_F(ComposefsLayerTest, WhiteoutDevicesOfPlainImagesCountInAStackOnly) {
  HandMade made;
  made.header.magic = 0;
  const Nid whiteout = made.add_device(S_IFCHR, 0);
  made.put_root({{"w", whiteout, FileType::kCharDevice}},
                {{"trusted.overlay.opaque", "y"}});
  const std::string bytes = made.finish();

  ASSERT_NO_FATAL_FAILURE(open_bytes(bytes, follow));
  EXPECT_EQ(names(""), Set{"w"});
  EXPECT_EQ(at("w").attr.mode, S_IFCHR);
  EXPECT_EQ(xattr("", "trusted.overlay.opaque"), "y");

  ASSERT_NO_FATAL_FAILURE(open_bytes(bytes, stacked));
  EXPECT_EQ(names(""), Set{"!w"});
  EXPECT_EQ(xattrs(""), Set{});
}

// Writers of version 2 store them as they are.
TEST_F(ComposefsLayerTest, DevicesOfVersionTwoAreWhiteouts) {
  HandMade made;
  made.header.composefs_version = 2;
  const Nid whiteout = made.add_device(S_IFCHR, 0);
  made.put_root({{"w", whiteout, FileType::kCharDevice}});
  const std::string bytes = made.finish();

  ASSERT_NO_FATAL_FAILURE(open_bytes(bytes, stacked));
  EXPECT_EQ(names(""), Set{"!w"});
  ASSERT_NO_FATAL_FAILURE(open_bytes(bytes, follow));
  EXPECT_EQ(names(""), Set{});
}

// --- Metadata for an overlay on top
// -------------------------------------------

TEST_F(ComposefsLayerTest, MetadataSayWhereContentIsAndDoNotOpenIt) {
  open(external("e") + "/i 3 100644 1 0 0 0 0.0 - abc -\n", metadata);

  EXPECT_EQ(xattr("e", "user.overlay.redirect"), "/" + object_);
  EXPECT_EQ(xattr("e", "user.overlay.metacopy")->size(), 36U);
  EXPECT_EQ(xattrs("e"),
            (Set{"user.overlay.metacopy", "user.overlay.redirect"}));
  EXPECT_FALSE(at("e").marks.no_xattrs);
  EXPECT_EQ(xattr("e", "trusted.overlay.redirect"), std::nullopt);
  EXPECT_EQ(code_of(layer_->open_data(*at("e").node)), EIO);
  EXPECT_EQ(*data("i"), "abc");
  EXPECT_EQ(xattr("", "user.overlay.opaque"), "y");
  EXPECT_EQ(code_of(layer_->get_flags(*at("e").node)), ENOTTY);
}

TEST_F(ComposefsLayerTest, MetadataAreNotInterpreted) {
  open(
      "/d 0 40755 2 0 0 0 0.0 - - - trusted.overlay.opaque=y\n"
      "/d/w 0 20644 1 0 0 0 0.0 - - -\n",
      metadata);

  EXPECT_EQ(names("").size(), 257U);
  EXPECT_TRUE(S_ISCHR(at("00").attr.mode));
  EXPECT_EQ(names("d"), Set{"w"});
  EXPECT_EQ(at("d/w").attr.mode, S_IFREG | 0644U);
  EXPECT_FALSE(at("d").marks.opaque);
  EXPECT_EQ(xattrs("d/w"),
            (Set{"trusted.overlay.whiteout", "user.overlay.overlay.whiteout"}));
  EXPECT_EQ(xattr("d/w", "user.overlay.whiteout"), std::nullopt);
}

TEST_F(ComposefsLayerTest, MetadataForTrustedOverlaysAreAsStored) {
  metadata.trusted_xattrs = true;
  open(external("e") + "/w 0 20644 1 0 0 0 0.0 - - -\n", metadata);

  EXPECT_EQ(xattrs("e"),
            (Set{"trusted.overlay.metacopy", "trusted.overlay.redirect"}));
  EXPECT_EQ(xattrs("w"),
            (Set{"trusted.overlay.overlay.whiteout", "user.overlay.whiteout"}));
}

// --- Identity
// -----------------------------------------------------------------

TEST_F(ComposefsLayerTest, OriginIsFoundAgainInTheSameImageOnly) {
  const std::string dump = "/a 3 100644 1 0 0 0 0.0 - abc -\n";
  open(dump, stacked);
  const std::string record = layer_->origin_record(*at("a").node);
  ASSERT_EQ(record.size(), kOriginSize);

  open(dump, stacked);
  const auto found = layer_->resolve_origin(record);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->ino, at("a").attr.ino);

  // The same shape, another content.
  open("/a 3 100644 1 0 0 0 0.0 - abd -\n", stacked);
  EXPECT_FALSE(layer_->resolve_origin(record));
  EXPECT_FALSE(layer_->resolve_origin(""));
  EXPECT_FALSE(layer_->resolve_origin(record.substr(1)));
}

TEST_F(ComposefsLayerTest, LayersAreToldApartByTheirDevice) {
  open("", follow);
  const std::uint64_t device = layer_->root().attr.dev;
  open("", follow);
  EXPECT_NE(layer_->root().attr.dev, device);
}

// --- Directories that are none
// ------------------------------------------------

TEST_F(ComposefsLayerTest, DirectoriesInACircleAreRefused) {
  HandMade made;
  const Nid a = made.add_block();
  const Nid b = made.add_block();
  const Nid self = made.add_block();
  made.put_root({{"a", a, FileType::kDirectory},
                 {"root", HandMade::kRoot, FileType::kDirectory},
                 {"self", self, FileType::kDirectory}});
  made.put_dir(a, HandMade::kRoot, {{"b", b, FileType::kDirectory}});
  made.put_dir(b, a,
               {{"a", a, FileType::kDirectory},
                {"root", HandMade::kRoot, FileType::kDirectory}});
  made.put_dir(self, self, {{"self", self, FileType::kDirectory}});
  ASSERT_NO_FATAL_FAILURE(open_bytes(made.finish(), follow));

  const Child in_b = at("a/b");
  EXPECT_EQ(code_of(layer_->lookup(*in_b.node, "a")), EUCLEAN);
  EXPECT_EQ(code_of(layer_->lookup(*in_b.node, "root")), EUCLEAN);
  EXPECT_EQ(code_of(layer_->lookup(*layer_->root().node, "root")), EUCLEAN);
  EXPECT_EQ(code_of(layer_->lookup(*layer_->root().node, "self")), EUCLEAN);
}

TEST_F(ComposefsLayerTest, DirectoriesDeeperThanPathsAreRefused) {
  HandMade made;
  std::vector<Nid> chain = {HandMade::kRoot};
  for (int i = 0; i < 2100; ++i) chain.push_back(made.add_block());
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    made.put_dir(chain[i], chain[i == 0 ? 0 : i - 1],
                 {{"d", chain[i + 1], FileType::kDirectory}});
  }
  made.put_dir(chain.back(), chain[chain.size() - 2], {});
  ASSERT_NO_FATAL_FAILURE(open_bytes(made.finish(), follow));

  Child at = layer_->root();
  int depth = 0;
  for (;; ++depth) {
    auto next = layer_->lookup(*at.node, "d");
    if (!next) {
      EXPECT_EQ(next.error().code(), EUCLEAN);
      break;
    }
    ASSERT_TRUE(*next);
    at = **std::move(next);
  }
  EXPECT_EQ(depth, 2048);
  EXPECT_EQ(layer_->path_of(*at.node).size(), 2048U * 2 - 1);
}

TEST_F(ComposefsLayerTest, NamesAreLimited) {
  open("", follow);
  EXPECT_EQ(
      code_of(layer_->lookup(*layer_->root().node, std::string(256, 'x'))),
      ENAMETOOLONG);
}

}  // namespace
}  // namespace veneer::composefs
