// SPDX-License-Identifier: MIT
//
// Manifests in binary: the bytes of the format, and damage of every sort.

#include "layerfs/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "layerfs/manifest_text.h"
#include "test/support/result.h"

namespace veneer::layerfs {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using veneer::testing::code_of;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ' || c == '\n') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return bytes;
}

Sha256Digest digest_ending_in(std::uint8_t last) {
  Sha256Digest digest{};
  digest.back() = last;
  return digest;
}

// The example of the format's specification.
const Entry kFoo{.path = "foo",
                 .size = 12,
                 .mode = 0774,
                 .mtime = 12345,
                 .data = BlobRange{digest_ending_in(42), 0, 12}};
constexpr char kFooHex[] =
    "000000000000002d 03 666f6f 0c fb01fc fb6072 01 00"
    "00000000000000000000000000000000000000000000000000000000000000 2a";

std::string item(const std::string& hex) {
  const std::string payload = from_hex(hex);
  std::string bytes(7, '\0');
  return bytes + static_cast<char>(payload.size()) + payload;
}

std::string encoded(const Entry& entry) {
  std::string bytes;
  EXPECT_TRUE(append_to_manifest(bytes, entry));
  return bytes;
}

// Entries of every kind and with numbers of every size.
std::vector<Entry> one_of_each() {
  return {
      {.path = "/", .mode = 040755, .mtime = 0, .data = DirectoryEntry{}},
      {.path = "usr", .mode = 0755, .mtime = -1, .data = DirectoryEntry{true}},
      {.path = "a b\n\"\\\x7f", .size = 0, .mode = 0644, .data = Empty()},
      {.path = "caf\xC3\xA9",
       .size = 5,
       .data = InlineBytes{std::string("\0\xff x\\", 5)}},
      {.path = "latin\xE9", .size = 0, .data = InlineBytes{""}},
      {.path = "big",
       .size = std::uint64_t{1} << 40,
       .mode = std::numeric_limits<std::uint32_t>::max(),
       .mtime = std::numeric_limits<std::int64_t>::min(),
       .data = BlobRange{digest_ending_in(1), 0, std::uint64_t{1} << 40}},
      {.path = "l", .size = 250, .data = SymlinkEntry{"../x \xFE"}},
      {.path = "h", .size = 251, .data = HardLinkEntry{"/usr/x"}},
      {.path = "w",
       .mtime = std::numeric_limits<std::int64_t>::max(),
       .data = WhiteoutEntry()},
  };
}

std::string manifest_of(const std::vector<Entry>& entries) {
  std::string bytes = manifest_header();
  for (const Entry& entry : entries) {
    EXPECT_TRUE(append_to_manifest(bytes, entry)) << entry.path;
  }
  return bytes;
}

struct Read {
  std::vector<Entry> entries;
  Result<void> end;
};

Read read_all(std::string_view bytes) {
  Read read;
  const ByteSource source = ByteSource::from_bytes(bytes, "m");
  read.end = read_manifest(source, [&](Entry&& entry) -> Result<void> {
    read.entries.push_back(std::move(entry));
    return {};
  });
  return read;
}

std::string error_of(const std::string& bytes) {
  const Read read = read_all(bytes);
  return read.end ? "" : read.end.error().message();
}

TEST(Manifest, BeginsWithVersionOne) {
  EXPECT_EQ(manifest_header(), from_hex("0000000000000001 01"));
}

TEST(Manifest, HasTheBytesOfTheSpecification) {
  EXPECT_EQ(encoded(kFoo), from_hex(kFooHex));
  EXPECT_EQ(encoded({.path = "d", .data = DirectoryEntry{true}}),
            item("01 64 00 00 00 00 01"));
  EXPECT_EQ(encoded({.path = "i", .size = 2, .data = InlineBytes{"ab"}}),
            item("01 69 02 00 00 01 01 02 6162"));
  EXPECT_EQ(encoded({.path = "e", .data = Empty()}),
            item("01 65 00 00 00 01 02"));
  EXPECT_EQ(encoded({.path = "s", .data = SymlinkEntry{"t"}}),
            item("01 73 00 00 00 02 01 74"));
  EXPECT_EQ(encoded({.path = "h", .data = HardLinkEntry{"t"}}),
            item("01 68 00 00 00 03 01 74"));
  EXPECT_EQ(encoded({.path = "w", .data = WhiteoutEntry()}),
            item("01 77 00 00 00 04"));
}

TEST(Manifest, WritesNumbersInTheirShortestForm) {
  const auto size_field = [](std::uint64_t size) {
    const std::string all = encoded({.path = "s", .size = size});
    return all.substr(10, all.size() - 10 - 4);
  };

  EXPECT_EQ(size_field(250), from_hex("fa"));
  EXPECT_EQ(size_field(251), from_hex("fb00fb"));
  EXPECT_EQ(size_field(0xFFFF), from_hex("fbffff"));
  EXPECT_EQ(size_field(0x10000), from_hex("fc00010000"));
  EXPECT_EQ(size_field(0x100000000), from_hex("fd0000000100000000"));
}

TEST(Manifest, ReadsBackWhatWasWritten) {
  const auto entries = one_of_each();

  const Read read = read_all(manifest_of(entries));

  EXPECT_TRUE(read.end);
  EXPECT_THAT(read.entries, ElementsAreArray(entries));
}

TEST(Manifest, WithoutEntriesIsAnEmptyTree) {
  const Read read = read_all(manifest_header());

  EXPECT_TRUE(read.end);
  EXPECT_TRUE(read.entries.empty());
}

TEST(Manifest, CutByThreeBytesGivesTheEntriesBefore) {
  std::string bytes = manifest_of({kFoo, kFoo});
  bytes.resize(bytes.size() - 3);

  const Read read = read_all(bytes);

  EXPECT_THAT(read.entries, ElementsAreArray({kFoo}));
  EXPECT_EQ(code_of(read.end), EUCLEAN);
  EXPECT_EQ(read.end.error().message(),
            "m: offset 62: truncated manifest entry: 45 bytes wanted, 42 left");
}

TEST(Manifest, CutAnywhereButBetweenEntriesIsAnError) {
  const auto entries = one_of_each();
  const std::string bytes = manifest_of(entries);
  std::vector<std::size_t> ends = {manifest_header().size()};
  for (const Entry& entry : entries) {
    ends.push_back(ends.back() + encoded(entry).size());
  }

  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Read read = read_all(std::string_view(bytes).substr(0, size));
    const bool is_between = std::ranges::find(ends, size) != ends.end();
    EXPECT_EQ(read.end.has_value(), is_between) << size;
  }
}

TEST(Manifest, OfAnotherVersionIsRefused) {
  EXPECT_THAT(error_of(from_hex("0000000000000001 00")),
              HasSubstr("a manifest of version 0"));
  EXPECT_THAT(error_of(from_hex("0000000000000001 02")),
              HasSubstr("a manifest of version 2"));
  EXPECT_THAT(error_of(""), HasSubstr("the file is empty"));
  EXPECT_THAT(error_of(from_hex("0000000000000002 0101")),
              HasSubstr("m: offset 0: no manifest"));
}

TEST(Manifest, LengthThatLiesAllocatesNothing) {
  const std::string header = manifest_header();

  EXPECT_THAT(error_of(header + from_hex("ffffffffffffffff")),
              StartsWith("m: offset 9: an entry of 18446744073709551615"));
  EXPECT_THAT(error_of(header + from_hex("0000000040000000")),
              HasSubstr("1073741824 bytes wanted, 0 left"));
  // Within an entry: a path of 2^60 bytes.
  EXPECT_THAT(error_of(header + item("fd1000000000000000 61")),
              HasSubstr("1152921504606846976 bytes wanted, 1 left"));
}

TEST(Manifest, EntryIsReadWholeOrRefused) {
  const std::string header = manifest_header();

  EXPECT_THAT(error_of(header + item("01 77 00 00 00 04 00")),
              HasSubstr("w: 1 bytes after the entry"));
  EXPECT_THAT(error_of(header + item("01 77 00 00 00 05")),
              HasSubstr("5 is no kind of entry"));
  EXPECT_THAT(error_of(header + item("01 77 00 00 00 01 03")),
              HasSubstr("3 is no sort of file data"));
  EXPECT_THAT(error_of(header + item("01 77 00 00 00 00 02")),
              HasSubstr("opaque is neither yes nor no"));
  EXPECT_THAT(error_of(header + item("01 77 fe 00 00 04")),
              HasSubstr("0xfe begins no number"));
  EXPECT_THAT(error_of(header + item("01 77 00 fd0000000100000000 00 04")),
              HasSubstr("4294967296 does not fit in 32 bits"));
}

TEST(Manifest, PathOutOfTheLayerIsRefused) {
  const auto refusal = [](const Entry& entry) {
    return error_of(manifest_header() + encoded(entry));
  };

  EXPECT_THAT(refusal({.path = "a/../b", .data = Empty()}),
              HasSubstr("a/../b: \"..\" in a path"));
  EXPECT_THAT(refusal({.path = std::string("a\0b", 3), .data = Empty()}),
              HasSubstr("a\\x00b: a NUL"));
  EXPECT_THAT(refusal({.path = std::string(256, 'x'), .data = Empty()}),
              HasSubstr("a name of 256 bytes"));
  EXPECT_EQ(refusal({.path = std::string(255, 'x'), .data = Empty()}), "");
  EXPECT_THAT(refusal({.path = "h", .data = HardLinkEntry{"../x"}}),
              HasSubstr("h: \"..\" in a path"));
  EXPECT_THAT(refusal({.path = "s", .data = SymlinkEntry{""}}),
              HasSubstr("s: a symbolic link without a target"));
  EXPECT_THAT(
      refusal({.path = "s", .data = SymlinkEntry{std::string(4096, 'x')}}),
      HasSubstr("a link target of 4096 bytes"));
  std::string deep;
  while (deep.size() < 70000) deep += "d/";
  EXPECT_THAT(refusal({.path = deep, .data = Empty()}),
              HasSubstr("a path of more than 65535 bytes"));
}

TEST(Manifest, ErrorOfTheFileIsPassedOn) {
  ByteSource source{.name = "m", .size = 1000, .read_at = {}};
  source.read_at = [](auto, auto) -> Result<std::size_t> {
    return Error(EIO, "read");
  };

  const auto read =
      read_manifest(source, [](Entry&&) -> Result<void> { return {}; });

  EXPECT_EQ(code_of(read), EIO);
  EXPECT_EQ(read.error().subject(), "m");
}

TEST(Manifest, ErrorOfTheSinkNamesTheEntry) {
  const std::string bytes = manifest_of({kFoo});
  const ByteSource source = ByteSource::from_bytes(bytes, "m");

  const auto read = read_manifest(source, [](Entry&&) -> Result<void> {
    return Error(ENOSPC, "write", "somewhere");
  });

  EXPECT_EQ(code_of(read), ENOSPC);
  EXPECT_THAT(read.error().message(),
              StartsWith("m: offset 9: write somewhere"));
}

TEST(Manifest, DoesNotSayThatAFileIsAPartOfABlob) {
  std::string bytes;
  const Entry part{.path = "p", .size = 3, .data = BlobRange{{}, 512, 3}};

  EXPECT_EQ(code_of(append_to_manifest(bytes, part)), EINVAL);
  EXPECT_EQ(code_of(to_manifest_text(part)), EINVAL);
  EXPECT_TRUE(bytes.empty());
}

TEST(Manifest, LongEntryIsReadFromAFileInPieces) {
  std::vector<Entry> entries;
  for (const std::size_t size : {3U, 700'000U, 10U, 2'000'000U, 0U}) {
    entries.push_back({.path = "f" + std::to_string(size),
                       .size = size,
                       .data = InlineBytes{std::string(size, 'x')}});
  }

  const Read read = read_all(manifest_of(entries));

  EXPECT_TRUE(read.end);
  EXPECT_THAT(read.entries, ElementsAreArray(entries));
}

// --- As text -----------------------------------------------------------------

std::string text_of(const std::vector<Entry>& entries) {
  std::string text(kManifestTextHeader);
  for (const Entry& entry : entries) {
    const auto line = to_manifest_text(entry);
    EXPECT_TRUE(line) << entry.path;
    if (line) text += *line;
  }
  return text;
}

TEST(ManifestText, SaysEachKindInOneLine) {
  const std::string digest(62, '0');

  EXPECT_EQ(text_of(one_of_each()),
            "manifest 1\n"
            "dir 0040755 0 0 /\n"
            "dir 0000755 -1 0 usr opaque\n"
            "file 0000644 0 0 a\\x20b\\n\\x22\\\\\\x7f empty\n"
            "file 0000000 0 5 caf\xC3\xA9 inline:\\x00\\xff\\x20x\\\\\n"
            "file 0000000 0 0 latin\\xe9 inline:\"\"\n"
            "file 37777777777 -9223372036854775808 1099511627776 big sha256:" +
                digest +
                "01\n"
                "symlink 0000000 0 250 l ../x\\x20\\xfe\n"
                "link 0000000 0 251 h /usr/x\n"
                "whiteout 0000000 9223372036854775807 0 w\n");
}

TEST(ManifestText, ReadsBackWhatItSays) {
  const auto entries = one_of_each();

  const Read read = read_all(text_of(entries));

  EXPECT_TRUE(read.end);
  EXPECT_THAT(read.entries, ElementsAreArray(entries));
}

TEST(ManifestText, EveryByteCanBeInAField) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);

  const std::string field = escape_field(all);

  EXPECT_EQ(unescape_field(field).value_or(""), all);
  for (const char c : field) EXPECT_TRUE(c > ' ' && c < 0x7F);
  EXPECT_EQ(escape_field(""), "\"\"");
  EXPECT_EQ(unescape_field(escape_field("\"\"")).value_or(""), "\"\"");
  // Control characters beyond ASCII are not shown to a terminal.
  EXPECT_EQ(escape_field("\xC2\x9B"), "\\xc2\\x9b");
}

TEST(ManifestText, CommentsAndBlankLinesSayNothing) {
  const Read read = read_all(
      "manifest 1\n# of today\n\n   \nwhiteout 0 0 0 w\n"
      "  dir   755  1 0   d   opaque");

  EXPECT_TRUE(read.end);
  ASSERT_EQ(read.entries.size(), 2U);
  EXPECT_EQ(read.entries[1], (Entry{.path = "d",
                                    .mode = 0755,
                                    .mtime = 1,
                                    .data = DirectoryEntry{true}}));
}

TEST(ManifestText, ErrorNamesTheLine) {
  const auto error = [](const std::string& line) {
    return error_of("manifest 1\n" + line + "\n");
  };

  EXPECT_THAT(error("dir 0755 0 0"), StartsWith("m: line 2: 4 fields, wanted"));
  EXPECT_THAT(error("node 0 0 0 x"), HasSubstr("'node' is no kind of entry"));
  EXPECT_THAT(error("dir 9 0 0 x"), HasSubstr("the mode '9' is no number"));
  EXPECT_THAT(error("dir 0 1.5 0 x"), HasSubstr("the mtime '1.5'"));
  EXPECT_THAT(error("dir 0 0 99999999999999999999 x"), HasSubstr("the size"));
  EXPECT_THAT(error("dir 0 0 0 x y"), HasSubstr("'y' after a directory"));
  EXPECT_THAT(error("file 0 0 0 x"), HasSubstr("a file needs a field more"));
  EXPECT_THAT(error("file 0 0 0 x sha256:12"), HasSubstr("is no file data"));
  EXPECT_THAT(error("symlink 0 0 0 x \"\""), HasSubstr("without a target"));
  EXPECT_THAT(error("whiteout 0 0 0 x y"), HasSubstr("a field too many"));
  EXPECT_THAT(error("dir 0 0 0 a\\q"), HasSubstr("an escape that is none"));
  EXPECT_THAT(error("dir 0 0 0 a\\x4"), HasSubstr("an escape that is none"));
  EXPECT_THAT(error("dir 0 0 0 a\tb"), HasSubstr("must be written \\x09"));
  EXPECT_THAT(error("dir 0 0 0 ../x"), HasSubstr("\"..\" in a path"));
  EXPECT_THAT(error_of("hello\n"), StartsWith("m: line 1: no manifest"));
}

TEST(ManifestText, LineMayBeLong) {
  const std::vector<Entry> entries = {
      {.path = "x",
       .size = 300'000,
       .data = InlineBytes{std::string(300'000, '\0')}},
      {.path = "y", .data = Empty()}};

  const Read read = read_all(text_of(entries));

  EXPECT_TRUE(read.end);
  EXPECT_THAT(read.entries, ElementsAreArray(entries));
}

}  // namespace
}  // namespace veneer::layerfs
