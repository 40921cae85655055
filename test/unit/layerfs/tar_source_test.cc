// SPDX-License-Identifier: MIT
//
// Tars as entries: what each form of a member becomes, and where its data are.

#include "layerfs/tar_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/digest.h"
#include "layerfs/store_content.h"
#include "layerfs/tar_headers.h"
#include "test/support/result.h"
#include "test/unit/layerfs/tar_bytes.h"

namespace veneer::layerfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using veneer::testing::code_of;

// Keeps what it is given.
class MemoryContent : public ContentWriter {
 public:
  Result<void> write(std::uint64_t offset,
                     std::span<const std::byte> bytes) override {
    bytes_.resize(offset, '\0');
    bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  Result<EntryData> finish(std::uint64_t size) override {
    bytes_.resize(size, '\0');
    return InlineBytes{bytes_};
  }

 private:
  std::string bytes_;
};

struct Parsed {
  std::vector<Entry> entries;
  std::vector<std::uint64_t> offsets;
  Result<TarReport> report;

  [[nodiscard]] std::string error() const {
    return report ? "" : report.error().message();
  }
};

Parsed parse(const std::string& bytes, const TarOptions& options = {}) {
  Parsed parsed{.entries = {}, .offsets = {}, .report = TarReport()};
  const ByteSource tar = ByteSource::from_bytes(bytes, "t.tar");
  parsed.report = read_tar(
      tar, options,
      [&](Entry&& entry, std::uint64_t offset) -> Result<void> {
        parsed.entries.push_back(std::move(entry));
        parsed.offsets.push_back(offset);
        return {};
      },
      []() -> Result<std::unique_ptr<ContentWriter>> {
        return std::make_unique<MemoryContent>();
      });
  return parsed;
}

// What a file of `tar` holds, by the range that its entry says.
std::string content_of(const Entry& entry, const std::string& tar) {
  if (const auto* range = std::get_if<BlobRange>(&entry.data)) {
    EXPECT_EQ(range->sha256, kThisTar);
    return tar.substr(range->offset, range->length);
  }
  if (const auto* bytes = std::get_if<InlineBytes>(&entry.data)) {
    return bytes->bytes;
  }
  return std::holds_alternative<Empty>(entry.data) ? "" : "no file";
}

std::vector<std::string> paths_of(const Parsed& parsed) {
  std::vector<std::string> paths;
  for (const Entry& entry : parsed.entries) paths.push_back(entry.path);
  return paths;
}

TEST(TarSource, FileIsARangeOfTheTar) {
  const std::string tar =
      TarBytes()
          .add({.name = "./a", .data = "hello", .mode = 04755, .mtime = 12345})
          .file("e", "")
          .file("b", std::string(70'000, 'b'))
          .file("c", "after")
          .end();

  const Parsed parsed = parse(tar);

  ASSERT_TRUE(parsed.report) << parsed.error();
  ASSERT_EQ(parsed.entries.size(), 4U);
  EXPECT_EQ(parsed.entries[0], (Entry{.path = "a",
                                      .size = 5,
                                      .mode = 04755,
                                      .mtime = 12345,
                                      .data = BlobRange{kThisTar, 512, 5}}));
  EXPECT_TRUE(std::holds_alternative<Empty>(parsed.entries[1].data));
  EXPECT_EQ(content_of(parsed.entries[2], tar), std::string(70'000, 'b'));
  EXPECT_EQ(content_of(parsed.entries[3], tar), "after");
  EXPECT_THAT(parsed.offsets, ElementsAre(0, 1024, 1536, 1536 + 512 + 70144));
}

TEST(TarSource, EachKindIsAnEntry) {
  const Parsed parsed = parse(TarBytes()
                                  .dir("./", 0711)
                                  .dir("d/", 0700)
                                  .symlink("d/l", "../target")
                                  .file("d/f", "x")
                                  .hard_link("h", "./d/f")
                                  .end());

  ASSERT_TRUE(parsed.report) << parsed.error();
  EXPECT_THAT(paths_of(parsed), ElementsAre("", "d", "d/l", "d/f", "h"));
  EXPECT_EQ(parsed.entries[0].mode, 0711U);
  EXPECT_EQ(parsed.entries[0].data, EntryData(DirectoryEntry{}));
  EXPECT_EQ(parsed.entries[2].data, EntryData(SymlinkEntry{"../target"}));
  EXPECT_EQ(parsed.entries[4].data, EntryData(HardLinkEntry{"d/f"}));
}

TEST(TarSource, AbsolutePathIsTakenFromTheRoot) {
  const Parsed parsed = parse(
      TarBytes().file("/etc//motd", "x").hard_link("/h", "/etc/motd").end());

  EXPECT_THAT(paths_of(parsed), ElementsAre("etc/motd", "h"));
  EXPECT_EQ(parsed.entries[1].data, EntryData(HardLinkEntry{"etc/motd"}));
}

TEST(TarSource, PathOutOfTheLayerIsRefused) {
  EXPECT_THAT(
      parse(TarBytes().file("ok", "x").file("a/../b", "").end()).error(),
      StartsWith("t.tar: offset 1024: a/../b: \"..\" in a path"));
  EXPECT_THAT(parse(TarBytes().file("..", "").end()).error(),
              HasSubstr("\"..\" in a path"));
  EXPECT_THAT(
      parse(TarBytes().hard_link("h", "../../etc/passwd").end()).error(),
      HasSubstr("a hard link to ../../etc/passwd"));
}

TEST(TarSource, NameMayHave255Bytes) {
  const std::string longest(255, 'n');

  EXPECT_THAT(
      paths_of(parse(
          TarBytes().pax({{"path", "d/" + longest}}).file("x", "").end())),
      ElementsAre("d/" + longest));
  EXPECT_THAT(
      paths_of(parse(TarBytes().gnu_long('L', longest).file("x", "").end())),
      ElementsAre(longest));
  EXPECT_THAT(parse(TarBytes().gnu_long('L', longest + "n").file("x", "").end())
                  .error(),
              HasSubstr("a name of 256 bytes"));
}

TEST(TarSource, LongLinkTargetIsWhole) {
  const std::string target = std::string(300, 'a') + "/" + std::string(90, 'b');
  std::string path;
  for (int i = 0; i < 60; ++i) path += "directory/";
  path += "file";

  const Parsed gnu = parse(TarBytes()
                               .gnu_long('K', target)
                               .symlink("l", target)
                               .gnu_long('L', path)
                               .file("cut", "x")
                               .gnu_long('K', path)
                               .hard_link("h", path)
                               .end());
  const Parsed pax = parse(TarBytes()
                               .pax({{"linkpath", target}})
                               .symlink("l", target)
                               .pax({{"path", path}})
                               .file("cut", "x")
                               .pax({{"linkpath", path}})
                               .hard_link("h", path)
                               .end());

  for (const Parsed& parsed : {gnu, pax}) {
    ASSERT_TRUE(parsed.report) << parsed.error();
    ASSERT_EQ(parsed.entries.size(), 3U);
    EXPECT_EQ(parsed.entries[0].data, EntryData(SymlinkEntry{target}));
    EXPECT_EQ(parsed.entries[1].path, path);
    EXPECT_EQ(parsed.entries[2].data, EntryData(HardLinkEntry{path}));
  }
}

TEST(TarSource, LinkTargetOfMoreThanAPageIsRefused) {
  const std::string longest(4095, 't');

  EXPECT_EQ(parse(TarBytes().gnu_long('K', longest).symlink("l", "cut").end())
                .error(),
            "");
  EXPECT_THAT(
      parse(TarBytes().gnu_long('K', longest + "t").symlink("l", "cut").end())
          .error(),
      HasSubstr("l: a link target of 4096 bytes"));
  EXPECT_THAT(parse(TarBytes().symlink("l", "").end()).error(),
              HasSubstr("l: a symbolic link without a target"));
}

TEST(TarSource, PaxSizeWinsOverTheHeaders) {
  // The header says 0 bytes, as it does where the size does not fit.
  const std::string tar = TarBytes()
                              .pax({{"size", "600"}, {"mtime", "-1.5"}})
                              .header({.name = "f"}, 0)
                              .data(std::string(600, 'f'))
                              .file("after", "x")
                              .end();

  const Parsed parsed = parse(tar);

  ASSERT_TRUE(parsed.report) << parsed.error();
  ASSERT_THAT(paths_of(parsed), ElementsAre("f", "after"));
  EXPECT_EQ(content_of(parsed.entries[0], tar), std::string(600, 'f'));
  EXPECT_EQ(parsed.entries[0].size, 600U);
  EXPECT_LT(parsed.entries[0].mtime, 0);
}

// A tar of which only the headers exist.
ByteSource sparse_source(const std::map<std::uint64_t, std::string>& pieces,
                         std::uint64_t size) {
  ByteSource source{.name = "huge.tar", .size = size, .read_at = {}};
  source.read_at = [pieces, size](std::span<std::byte> into,
                                  std::uint64_t offset) -> Result<std::size_t> {
    std::ranges::fill(into, std::byte{0});
    for (const auto& [at, bytes] : pieces) {
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (at + i < offset || at + i >= offset + into.size()) continue;
        into[at + i - offset] = static_cast<std::byte>(bytes[i]);
      }
    }
    return std::min<std::uint64_t>(into.size(), size - offset);
  };
  return source;
}

TEST(TarSource, MemberMayBeLargerThan8GiB) {
  constexpr std::uint64_t kSize = (std::uint64_t{9} << 30) + 17;
  const std::string pax = TarBytes()
                              .pax({{"size", std::to_string(kSize)}})
                              .header({.name = "b"}, 0)
                              .open();
  std::string binary = TarBytes().header({.name = "b"}, 0).open();
  for (std::size_t i = 0; i < 8; ++i) {
    binary[124 + 11 - i] = static_cast<char>(kSize >> (8 * i));
  }
  binary[124] = '\x80';
  binary.replace(125, 3, 3, '\0');
  binary = TarBytes::with_checksum(std::move(binary));

  for (const std::string& header : {pax, binary}) {
    const std::uint64_t next = header.size() + round_to_block(kSize);
    const ByteSource tar = sparse_source(
        {{0, header}, {next, TarBytes().file("after", "x").end()}},
        next + 2048);
    std::vector<Entry> entries;
    const auto report =
        read_tar(tar, {},
                 [&](Entry&& entry, std::uint64_t) -> Result<void> {
                   entries.push_back(std::move(entry));
                   return {};
                 },
                 {});

    ASSERT_TRUE(report) << report.error().message();
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].data,
              EntryData(BlobRange{kThisTar, header.size(), kSize}));
    EXPECT_EQ(entries[1].path, "after");
  }
}

TEST(TarSource, GlobalHeaderSaysNothingAboutMembers) {
  const std::string tar =
      TarBytes()
          .pax({{"comment", "0123456789abcdef"}, {"path", "other"}}, 'g')
          .file("a", "x")
          .end();

  const Parsed parsed = parse(tar);

  ASSERT_TRUE(parsed.report) << parsed.error();
  EXPECT_THAT(paths_of(parsed), ElementsAre("a"));
  EXPECT_EQ(content_of(parsed.entries[0], tar), "x");
}

TEST(TarSource, NulInANameIsRefused) {
  const std::string nul("a\0b", 3);

  EXPECT_THAT(
      parse(TarBytes().pax({{"path", nul}}).file("a", "").end()).error(),
      HasSubstr("a NUL in its name"));
  EXPECT_THAT(parse(TarBytes().pax({{"linkpath", nul}}).symlink("a", "x").end())
                  .error(),
              HasSubstr("a NUL in its name"));
  EXPECT_THAT(parse(TarBytes().gnu_long('L', nul).file("a", "").end()).error(),
              HasSubstr("a NUL in its name"));
}

TEST(TarSource, NamesAreBytes) {
  const Parsed parsed = parse(TarBytes()
                                  .file("latin\xE9", "")
                                  .file("caf\xC3\xA9", "")
                                  .pax({{"path", "\xE6\x97\xA5"}})
                                  .file("x", "")
                                  .pax({{"path", "raw\xFF"}})
                                  .file("x", "")
                                  .symlink("l", "\xE9")
                                  .end());

  ASSERT_TRUE(parsed.report) << parsed.error();
  EXPECT_THAT(paths_of(parsed), ElementsAre("latin\xE9", "caf\xC3\xA9",
                                            "\xE6\x97\xA5", "raw\xFF", "l"));
  EXPECT_EQ(parsed.entries[4].data, EntryData(SymlinkEntry{"\xE9"}));
}

TEST(TarSource, MarkersAreWhiteoutsAndOpaqueDirectories) {
  const Parsed parsed = parse(TarBytes()
                                  .file(".wh.gone", "")
                                  .file("d/.wh..wh..opq", "")
                                  .file("d/.wh.x", "")
                                  .hard_link("d/.wh.y", "d/.wh.x")
                                  .file(".wh..wh.aufs", "")
                                  .dir(".wh..wh.plnk")
                                  .file(".wh..wh.plnk/12.34", "")
                                  .end());

  ASSERT_TRUE(parsed.report) << parsed.error();
  EXPECT_THAT(paths_of(parsed), ElementsAre("gone", "d", "d/x", "d/y"));
  EXPECT_EQ(parsed.entries[0].data, EntryData(WhiteoutEntry()));
  EXPECT_EQ(parsed.entries[1].data, EntryData(DirectoryEntry{true, true}));
  EXPECT_EQ(parsed.report->ignored, 3U);
}

TEST(TarSource, MarkerThatNamesNothingIsRefused) {
  EXPECT_THAT(parse(TarBytes().file("d/.wh.", "").end()).error(),
              HasSubstr("d/.wh.: a whiteout that names nothing"));
  EXPECT_THAT(parse(TarBytes().file(".wh.d/x", "").end()).error(),
              HasSubstr("it is below a whiteout"));
}

TEST(TarSource, DeviceIsHiddenOrRefused) {
  const std::string tar =
      TarBytes()
          .add({.name = "fifo", .type = '6'})
          .add({.name = "dev/null", .type = '3', .major = 1, .minor = 3})
          .add({.name = "disk", .type = '4', .major = 8})
          .hard_link("fifo2", "fifo")
          .file("fifo", "now a file")
          .hard_link("file2", "fifo")
          .end();

  const Parsed hidden = parse(tar);
  const Parsed refused = parse(tar, {.specials = Specials::kRefuse});

  ASSERT_TRUE(hidden.report) << hidden.error();
  EXPECT_EQ(hidden.report->specials, 4U);
  EXPECT_EQ(hidden.report->first_special, "fifo");
  EXPECT_THAT(paths_of(hidden), ElementsAre("fifo", "dev/null", "disk", "fifo2",
                                            "fifo", "file2"));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(hidden.entries[i].data, EntryData(WhiteoutEntry()));
  }
  EXPECT_EQ(hidden.entries[5].data, EntryData(HardLinkEntry{"fifo"}));
  EXPECT_EQ(code_of(refused.report), EOPNOTSUPP);
  EXPECT_THAT(refused.error(),
              StartsWith("t.tar: offset 0: fifo: a device or fifo"));
}

TEST(TarSource, UpperOfAnOverlayKeepsItsMarks) {
  const std::string tar =
      TarBytes()
          .add({.name = "gone", .type = '3'})
          .hard_link("gone too", "gone")
          .pax({{"SCHILY.xattr.trusted.overlay.opaque", "y"}})
          .dir("opaque")
          .pax({{"SCHILY.xattr.user.overlay.opaque", "y"}})
          .dir("opaque too")
          .pax({{"SCHILY.xattr.user.overlay.opaque", "x"}})
          .dir("not opaque")
          .pax({{"SCHILY.xattr.user.overlay.whiteout", ""}})
          .file("not opaque/gone", "")
          .pax({{"SCHILY.xattr.user.other", "1"}})
          .file("f", "")
          .end();

  const Parsed parsed = parse(tar);

  ASSERT_TRUE(parsed.report) << parsed.error();
  const std::vector<EntryData> expected = {WhiteoutEntry(),
                                           WhiteoutEntry(),
                                           DirectoryEntry{true},
                                           DirectoryEntry{true},
                                           DirectoryEntry{},
                                           WhiteoutEntry(),
                                           Empty()};
  ASSERT_EQ(parsed.entries.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(parsed.entries[i].data, expected[i]) << parsed.entries[i].path;
  }
  EXPECT_EQ(parsed.report->specials, 0U);
  EXPECT_EQ(parsed.report->with_xattrs, 5U);
}

TEST(TarSource, RedirectIsRefusedWithARemedy) {
  const Parsed parsed =
      parse(TarBytes()
                .pax({{"SCHILY.xattr.trusted.overlay.redirect", "/old"}})
                .dir("new")
                .end());

  EXPECT_EQ(code_of(parsed.report), EOPNOTSUPP);
  EXPECT_THAT(parsed.error(), HasSubstr("veneer export"));
}

// The three ways of GNU tar, each a file of 10,000 bytes with "hello" at 4096.
std::string old_sparse() {
  std::string block = TarBytes().header({.name = "s", .type = 'S'}, 512).open();
  block.replace(257, 8, "ustar  ", 8);
  block.replace(386, 11, fmt::format("{:011o}", 4096));
  block.replace(398, 11, fmt::format("{:011o}", 512));
  block.replace(410, 11, fmt::format("{:011o}", 10000));
  block.replace(422, 11, fmt::format("{:011o}", 0));
  block.replace(483, 11, fmt::format("{:011o}", 10000));
  return TarBytes::with_checksum(std::move(block)) +
         TarBytes().data("hello").open();
}

std::string pax_sparse_0_1() {
  return TarBytes()
      .pax({{"GNU.sparse.major", "0"},
            {"GNU.sparse.minor", "1"},
            {"GNU.sparse.name", "s"},
            {"GNU.sparse.size", "10000"},
            {"GNU.sparse.numblocks", "2"},
            {"GNU.sparse.map", "4096,512,10000,0"}})
      .file("GNUSparseFile.1/s", "hello" + std::string(507, '\0'))
      .open();
}

std::string pax_sparse_1_0() {
  std::string map = "2\n4096\n512\n10000\n0\n";
  map.resize(512, '\0');
  return TarBytes()
      .pax({{"GNU.sparse.major", "1"},
            {"GNU.sparse.minor", "0"},
            {"GNU.sparse.name", "s"},
            {"GNU.sparse.realsize", "10000"}})
      .file("GNUSparseFile.1/s", map + "hello" + std::string(507, '\0'))
      .open();
}

TEST(TarSource, SparseFileIsAContentOfItsOwn) {
  std::string expected(10000, '\0');
  expected.replace(4096, 5, "hello");

  for (const std::string& sparse :
       {old_sparse(), pax_sparse_0_1(), pax_sparse_1_0()}) {
    const std::string tar = sparse + TarBytes().file("after", "x").end();
    const Parsed parsed = parse(tar);

    ASSERT_TRUE(parsed.report) << parsed.error();
    ASSERT_THAT(paths_of(parsed), ElementsAre("s", "after"));
    EXPECT_EQ(parsed.entries[0].size, 10000U);
    EXPECT_EQ(content_of(parsed.entries[0], tar), expected);
    EXPECT_EQ(content_of(parsed.entries[1], tar), "x");
  }
}

TEST(TarSource, SparseFileBeyondTheLimitIsRefused) {
  const Parsed parsed =
      parse(pax_sparse_1_0() + TarBytes().end(), {.largest_sparse = 9999});

  EXPECT_EQ(code_of(parsed.report), EFBIG);
  EXPECT_THAT(parsed.error(),
              HasSubstr("s: a sparse file of 10000 bytes, the most are 9999"));
}

TEST(TarSource, DigestOfASparseFileCountsItsHoles) {
  std::string expected(10000, '\0');
  expected.replace(4096, 5, "hello");
  std::vector<Entry> entries;
  const std::string bytes = pax_sparse_1_0() + TarBytes().end();
  const ByteSource tar = ByteSource::from_bytes(bytes, "t");

  const auto report = read_tar(
      tar, {},
      [&](Entry&& entry, std::uint64_t) -> Result<void> {
        entries.push_back(std::move(entry));
        return {};
      },
      []() -> Result<std::unique_ptr<ContentWriter>> {
        return open_digest_content();
      });

  ASSERT_TRUE(report);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].data,
            EntryData(BlobRange{sha256(std::as_bytes(std::span(expected))), 0,
                                10000}));
}

TEST(TarSource, CutAnywhereIsAnErrorOrEndsBetweenMembers) {
  const std::string whole = TarBytes()
                                .dir("d")
                                .pax({{"path", "d/name"}})
                                .file("x", std::string(1500, 'x'))
                                .gnu_long('L', std::string(200, 'l'))
                                .file("y", "y")
                                .end();
  const std::size_t data_end = 512 + 1024 + 512 + 1536;
  const std::size_t last_end = data_end + 1024 + 1024;

  for (std::size_t size = 1; size < whole.size(); ++size) {
    const Parsed parsed = parse(whole.substr(0, size));
    const bool is_between = size == 512 || size == data_end ||
                            size == last_end || size >= last_end + 512;
    // The padding of a member's data may be missing at the end of a file.
    const bool in_padding = (size >= data_end - 36 && size < data_end) ||
                            (size > last_end - 512 && size < last_end);
    if (!in_padding) {
      EXPECT_EQ(parsed.report.has_value(), is_between) << size;
    }
    for (const Entry& entry : parsed.entries) {
      const auto* range = std::get_if<BlobRange>(&entry.data);
      if (range != nullptr) {
        EXPECT_LE(range->offset + range->length, size);
      }
    }
  }
}

TEST(TarSource, WhatIsNoTarIsRefused) {
  EXPECT_THAT(parse("").error(), StartsWith("t.tar: offset 0: no tar"));
  EXPECT_THAT(parse(std::string(2000, 'x')).error(),
              StartsWith("t.tar: offset 0: "));
  std::string damaged = TarBytes().file("a", "x").file("b", "").end();
  damaged[1024 + 20] ^= 1;
  EXPECT_THAT(parse(damaged).error(), StartsWith("t.tar: offset 1024: "));
}

TEST(TarSource, TarWithoutMembersIsEmpty) {
  const Parsed parsed = parse(std::string(10240, '\0'));

  ASSERT_TRUE(parsed.report) << parsed.error();
  EXPECT_THAT(parsed.entries, IsEmpty());
}

TEST(TarSource, RestOfAVolumeIsRefused) {
  const Parsed parsed =
      parse(TarBytes().add({.name = "part", .type = 'M', .data = "x"}).end());

  EXPECT_FALSE(parsed.report);
}

TEST(TarSource, ErrorOfTheFileIsPassedOn) {
  ByteSource tar{.name = "t.tar", .size = 10240, .read_at = {}};
  tar.read_at = [](auto, auto) -> Result<std::size_t> {
    return Error(EIO, "read");
  };

  const auto report = read_tar(
      tar, {}, [](Entry&&, std::uint64_t) -> Result<void> { return {}; }, {});

  EXPECT_EQ(code_of(report), EIO);
  EXPECT_EQ(report.error().subject(), "t.tar");
}

TEST(TarSource, StopsWhenAsked) {
  const std::string bytes = TarBytes().file("a", "").file("b", "").end();
  const ByteSource tar = ByteSource::from_bytes(bytes, "t.tar");
  int seen = 0;

  const auto report = read_tar(
      tar, {}, [](Entry&&, std::uint64_t) -> Result<void> { return {}; }, {},
      [&](std::uint64_t) { return ++seen < 2; });

  EXPECT_EQ(code_of(report), ECANCELED);
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace veneer::layerfs
