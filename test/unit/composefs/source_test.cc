// SPDX-License-Identifier: MIT
//
// Directories, tars and layers as sources: the same tree gives the same dump.

#include "composefs/source.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/verity_digest.h"
#include "composefs/dump_text.h"
#include "sys/open.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"
#include "test/unit/composefs/from_dump.h"
#include "veneer/composefs.h"

namespace veneer::composefs {
namespace {

using ::testing::AllOf;
using testing::build_tree;
using testing::CharDev;
using testing::Dir;
using testing::Fifo;
using testing::File;
using testing::HardLink;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Symlink;
using testing::Whiteout;

const std::string kLong(5000, 'x');

std::string object_of(const std::string& content) {
  return object_name(verity_digest(as_bytes(content)));
}

std::string dump_of(const Result<TreePtr>& tree) {
  EXPECT_TRUE(tree) << tree.error().message();
  if (!tree) return "";
  std::string text;
  EXPECT_TRUE(write_dump(**tree, {}, [&](std::string_view more) {
    text += more;
    return Result<void>();
  }));
  return text;
}

class SourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made());
    std::filesystem::create_directory(path("tree"));
  }
  std::string path(std::string_view name) const { return scratch_.path(name); }
  std::string dump(SourceOptions options = {}) {
    return dump_of(read_directory(path("tree"), options));
  }

  testing::ScratchDir scratch_;
};

TEST_F(SourceTest, DirectoryIsReadAsTheReferenceReadsIt) {
  build_tree({{"", Dir().mode(0750).owner(1, 2).mtime(5, 6)},
              {"empty", File().mode(0600).owner(3, 4).mtime(7)},
              {"fifo", Fifo().mode(0644).mtime(0)},
              {"inline", File(std::string(64, 'i')).mode(04711).mtime(0)},
              {"link", Symlink("to/where").mtime(0)},
              {"long", File(std::string(65, 'l')).mode(0644).mtime(-1, 5)}},
             path("tree"));

  const std::string text = dump();

  const std::string digest =
      to_hex(verity_digest(as_bytes(std::string(65, 'l'))));
  EXPECT_THAT(text, HasSubstr("/ 0 40750 1 1 2 0 5.6 - - -\n"));
  EXPECT_THAT(text, HasSubstr("/empty 0 100600 1 3 4 0 7.0 - - -\n"));
  EXPECT_THAT(text, HasSubstr("/fifo 0 10644 1 0 0 0 0.0 - - -\n"));
  EXPECT_THAT(text, HasSubstr("/inline 64 104711 1 0 0 0 0.0 - " +
                              std::string(64, 'i') + " -\n"));
  EXPECT_THAT(text, HasSubstr("/link 8 120777 1 0 0 0 0.0 to/where - -\n"));
  EXPECT_THAT(
      text, HasSubstr("/long 65 100644 1 0 0 0 -1.5 " +
                      object_of(std::string(65, 'l')) + " - " + digest + "\n"));
}

TEST_F(SourceTest, OptionsLeaveOutWhatTheySay) {
  build_tree(
      {{"dev", CharDev(1, 3).mtime(9)},
       {"w", Whiteout().mtime(9)},
       {"f", File("x").xattr("user.a", "1").xattr("security.b", "2").mtime(9)}},
      path("tree"));

  EXPECT_THAT(dump(),
              AllOf(HasSubstr("/dev 0 20"), HasSubstr("/w 0 20"),
                    HasSubstr(" security.b=2 user.a=1\n"), HasSubstr(" 9.0 ")));
  EXPECT_THAT(dump({.skip_devices = true}),
              AllOf(Not(HasSubstr("/dev")), Not(HasSubstr("/w"))));
  EXPECT_THAT(dump({.skip_xattrs = true}), Not(HasSubstr("=")));
  EXPECT_THAT(dump({.user_xattrs = true}),
              AllOf(HasSubstr(" user.a=1\n"), Not(HasSubstr("security"))));
  EXPECT_THAT(dump({.use_epoch = true}), Not(HasSubstr(" 9.0 ")));
}

TEST_F(SourceTest, HardLinksAreKeptWhereThatIsAskedFor) {
  build_tree({{"a-b", File("one").mtime(0)},
              {"a", Dir().mtime(0)},
              {"a/x", HardLink("a-b")},
              {"z", HardLink("a-b")}},
             path("tree"));

  EXPECT_THAT(dump(), Not(HasSubstr("@")));
  const std::string text = dump({.hardlinks = true});
  // "a/x" comes before "a-b" in a walk, though not as text.
  EXPECT_THAT(text, HasSubstr("/a/x 3 100644 3 0 0 0 0.0 - one -\n"));
  EXPECT_THAT(text, HasSubstr("/a-b 3 @100644 3 0 0 0 0.0 /a/x one -\n"));
  EXPECT_THAT(text, HasSubstr("/z 3 @100644 3 0 0 0 0.0 /a/x one -\n"));
}

TEST_F(SourceTest, ThreadsAndOrderMakeNoDifference) {
  for (int d = 0; d < 20; ++d) {
    const std::string dir = path("tree/d" + std::to_string(d * 7 % 20));
    std::filesystem::create_directory(dir);
    for (int f = 0; f < 150; ++f) {
      std::ofstream(dir + "/f" + std::to_string(f * 7 % 150))
          << std::string(static_cast<std::size_t>(f), 'c');
    }
  }

  const std::string one = dump({.use_epoch = true, .threads = 1});

  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(dump({.use_epoch = true, .threads = 4}) == one);
  }
}

TEST_F(SourceTest, StoreGetsWhatIsNotInline) {
  build_tree(
      {{"inline", File("short")}, {"a", File(kLong)}, {"b", File(kLong)}},
      path("tree"));
  auto store =
      ObjectStore::open(path("store"), ObjectStore::Access::kShared, true);
  ASSERT_TRUE(store) << store.error().message();

  dump({.store = &*store});

  std::vector<std::string> objects;
  ASSERT_TRUE(store->for_each([&](const ObjectStore::StoredObject& object) {
    objects.push_back(object.path);
    return Result<void>();
  }));
  EXPECT_THAT(objects, ::testing::ElementsAre(object_of(kLong)));
}

TEST_F(SourceTest, ProgressMayStopIt) {
  const auto tree = read_directory(
      path("tree"), {.on_progress = [](const Progress&) { return false; }});

  ASSERT_FALSE(tree);
  EXPECT_EQ(tree.error().code(), ECANCELED);
}

TEST_F(SourceTest, WhatIsNotThereIsNamed) {
  const auto tree = read_directory(path("none"), {});

  ASSERT_FALSE(tree);
  EXPECT_THAT(tree.error().message(), HasSubstr(path("none")));
}

TEST_F(SourceTest, ImageServedAsALayerGivesItsOwnDump) {
  build_tree({{"d", Dir().mtime(3)},
              {"d/f", File(kLong).mtime(1, 2).xattr("user.a", "1")},
              {"d/g", File("in").mode(0755).mtime(-4)},
              {"l", Symlink("x").mtime(0)}},
             path("tree"));
  auto store =
      ObjectStore::open(path("store"), ObjectStore::Access::kShared, true);
  ASSERT_TRUE(store) << store.error().message();
  const std::string text = dump({.store = &*store});
  std::ofstream(path("image"), std::ios::binary) << image_of(text);

  const auto layer = open_layer(path("image"), {.objects = {path("store")}});
  ASSERT_TRUE(layer) << layer.error().message();

  EXPECT_TRUE(image_of(dump_of(read_layer(**layer, {}))) == image_of(text));
}

// --- Tars --------------------------------------------------------------------

struct TarItem {
  std::string path;
  std::string content;
  mode_t mode = S_IFREG | 0644;
  std::string link;
  std::vector<std::pair<std::string, std::string>> xattrs = {};
};

class TarSourceTest : public SourceTest {
 protected:
  void write_tar(const std::vector<TarItem>& items) {
    archive* const tar = archive_write_new();
    archive_write_set_format_pax(tar);
    archive_write_add_filter_gzip(tar);
    ASSERT_EQ(archive_write_open_filename(tar, path("t.tar").c_str()),
              ARCHIVE_OK);
    for (const TarItem& item : items) {
      archive_entry* const entry = archive_entry_new();
      archive_entry_set_pathname(entry, item.path.c_str());
      archive_entry_set_mode(entry, item.mode);
      archive_entry_set_size(entry,
                             static_cast<std::int64_t>(item.content.size()));
      archive_entry_set_mtime(entry, 5, 7);
      if (!item.link.empty() && S_ISLNK(item.mode)) {
        archive_entry_set_symlink(entry, item.link.c_str());
      } else if (!item.link.empty()) {
        archive_entry_set_hardlink(entry, item.link.c_str());
      }
      for (const auto& [name, value] : item.xattrs) {
        archive_entry_xattr_add_entry(entry, name.c_str(), value.data(),
                                      value.size());
      }
      archive_write_header(tar, entry);
      archive_write_data(tar, item.content.data(), item.content.size());
      archive_entry_free(entry);
    }
    archive_write_close(tar);
    archive_write_free(tar);
  }
  Result<TreePtr> read(SourceOptions options = {}) {
    const auto fd = sys::open_file(path("t.tar"));
    EXPECT_TRUE(fd);
    return read_tar(fd->get(), "t.tar", options);
  }
};

TEST_F(TarSourceTest, EntriesBecomeObjects) {
  write_tar({{"./", "", S_IFDIR | 0700},
             {"d/deep/f", kLong, S_IFREG | 04755, "", {{"user.a", "1"}}},
             {"l", "", S_IFLNK | 0777, "target"},
             {"h", "", S_IFREG | 0644, "d/deep/f"},
             {"name \xc3\xa9", "x"}});

  const std::string text = dump_of(read());

  EXPECT_THAT(text, HasSubstr("/ 0 40700 1 0 0 0 5.7 - - -\n"));
  EXPECT_THAT(text, HasSubstr("/d 0 40755 1 0 0 0 5.7 - - -\n"));
  EXPECT_THAT(
      text, HasSubstr("/d/deep/f 5000 104755 2 0 0 0 5.7 " + object_of(kLong)));
  EXPECT_THAT(text, HasSubstr(" user.a=1\n"));
  EXPECT_THAT(text, HasSubstr("/l 6 120777 1 0 0 0 5.7 target - -\n"));
  EXPECT_THAT(text, HasSubstr("/h 5000 @104755 2"));
  EXPECT_THAT(text, HasSubstr("/name\\x20\\xc3\\xa9 1 100644"));
}

TEST_F(TarSourceTest, LaterEntriesReplaceEarlierOnes) {
  write_tar({{"f", "old"},
             {"linked", "kept"},
             {"other", "", S_IFREG | 0644, "linked"},
             {"third", "", S_IFREG | 0644, "linked"},
             {"d/x", "stays"},
             {"gone/x", "lost"},
             {"f", "new"},
             {"linked", "replaced"},
             {"d", "", S_IFDIR | 0500},
             {"gone", "a file now"}});

  const std::string text = dump_of(read());

  EXPECT_THAT(text, HasSubstr("/f 3 100644 1 0 0 0 5.7 - new -\n"));
  EXPECT_THAT(text, HasSubstr("/linked 8 100644 1 0 0 0 5.7 - replaced -\n"));
  EXPECT_THAT(text, HasSubstr("/other 4 100644 2 0 0 0 5.7 - kept -\n"));
  EXPECT_THAT(text, HasSubstr("/third 4 @100644 2 0 0 0 5.7 /other kept -\n"));
  EXPECT_THAT(text, HasSubstr("/d 0 40500"));
  EXPECT_THAT(text, HasSubstr("/d/x 5 "));
  EXPECT_THAT(text, HasSubstr("/gone 10 100644"));
  EXPECT_THAT(text, Not(HasSubstr("/gone/x")));
}

TEST_F(TarSourceTest, MarkersOfContainerLayersAreWhiteouts) {
  write_tar(
      {{"d/.wh.gone", ""}, {"d/.wh..wh..opq", ""}, {"d/.wh..wh.plnk", ""}});

  const std::string text = dump_of(read());

  EXPECT_THAT(text, HasSubstr("/d/gone 0 20000 1 0 0 0 0.0 - - -\n"));
  EXPECT_THAT(text, HasSubstr(" trusted.overlay.opaque=y\n"));
  EXPECT_THAT(text, Not(HasSubstr(".wh.")));
}

TEST_F(TarSourceTest, LargeFilesGoStraightToTheStore) {
  const std::string large(std::size_t{3} << 20, 'L');
  write_tar({{"large", large}, {"small", kLong}});
  auto store =
      ObjectStore::open(path("store"), ObjectStore::Access::kShared, true);
  ASSERT_TRUE(store) << store.error().message();

  EXPECT_THAT(dump_of(read({.store = &*store})), HasSubstr(object_of(large)));

  EXPECT_EQ(std::filesystem::file_size(path("store/" + object_of(large))),
            large.size());
  EXPECT_TRUE(store->has(object_of(kLong)).value());
}

TEST_F(TarSourceTest, NamesThatLeaveTheTreeAreRefused) {
  for (const TarItem& bad :
       {TarItem{"../out", "x"}, TarItem{"a/../../b", "x"},
        TarItem{"h", "", S_IFREG | 0644, "../../etc/passwd"},
        TarItem{"h", "", S_IFREG | 0644, "not-there"},
        TarItem{std::string(256, 'n'), "x"}}) {
    write_tar({bad});

    const auto tree = read();

    ASSERT_FALSE(tree) << bad.path;
    EXPECT_EQ(tree.error().code(), EINVAL);
    EXPECT_THAT(tree.error().message(), HasSubstr("t.tar"));
  }
}

TEST_F(TarSourceTest, WhatIsDamagedOrNoTarIsRefused) {
  write_tar({{"f", kLong}, {"g", std::string(100'000, 'r')}});
  const auto whole = std::filesystem::file_size(path("t.tar"));
  for (const std::uintmax_t size : {whole / 2, std::uintmax_t{20}}) {
    std::filesystem::resize_file(path("t.tar"), size);
    EXPECT_FALSE(read()) << size;
  }
  std::ofstream(path("t.tar"), std::ios::binary) << kLong;
  EXPECT_FALSE(read());
}

}  // namespace
}  // namespace veneer::composefs
