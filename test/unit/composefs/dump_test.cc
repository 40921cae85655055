// SPDX-License-Identifier: MIT
//
// Dumps: what is understood, what is refused and where, and what is printed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "composefs/dump_text.h"
#include "composefs/tree.h"

namespace veneer::composefs {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kRoot = "/ 4096 40755 2 0 0 0 0.0 - - -\n";
const std::string kDigest =
    "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

std::string printed(const Tree& tree,
                    const std::vector<std::string>& filter = {}) {
  std::string text;
  const auto done =
      write_dump(tree, filter, [&text](std::string_view more) -> Result<void> {
        text += more;
        return {};
      });
  EXPECT_TRUE(done);
  return text;
}

std::string again(const std::string& dump) {
  const auto tree = read_dump(dump);
  EXPECT_TRUE(tree) << tree.error().message();
  return tree ? printed(**tree) : "";
}

// `lines` after the root, refused with `what`.
void expect_refused(const std::string& lines, const std::string& what,
                    bool is_strict = false) {
  const auto tree = read_dump(kRoot + lines, {.is_strict = is_strict});
  ASSERT_FALSE(tree) << lines;
  EXPECT_THAT(tree.error().message(), HasSubstr(what)) << lines;
  EXPECT_THAT(tree.error().message(), StartsWith("dump:"));
}

TEST(Dump, WhatIsPrintedIsWhatWasRead) {
  const std::string dump =
      kRoot +
      "/b 2049 60600 1 0 0 2049 0.0 - - -\n"
      "/c 3 100644 2 1 2 0 -3.7 - abc - user.a=1 user.b=\\x3d\\x20\n"
      "/d 4096 41777 2 0 0 0 1.1 - - -\n"
      "/d/link 3 @100644 2 1 2 0 -3.7 /c abc - user.a=1 user.b=\\x3d\\x20\n"
      "/e 9 100644 1 0 0 0 0.0 5a/" +
      kDigest.substr(2) + " - " + kDigest +
      "\n"
      "/f 9 100644 1 0 0 0 0.0 some/path - -\n"
      "/g 9 100644 1 0 0 0 0.0 - - -\n"
      "/s 6 120777 1 0 0 0 0.0 target - -\n"
      "/sp\\x20ace\\n\\t\\r\\\\\\xff 1 100644 1 0 0 0 0.0 - \\x2d -\n";

  EXPECT_EQ(again(dump), dump);
}

TEST(Dump, DirectoriesArePrintedSortedAndWhole) {
  EXPECT_EQ(again(kRoot + "/z 0 100644 1 0 0 0 0.0 - - -\n"
                          "/a 4096 40755 2 0 0 0 0.0 - - -\n"
                          "/a-b 0 100644 1 0 0 0 0.0 - - -\n"
                          "/a/x 0 100644 1 0 0 0 0.0 - - -\n"),
            kRoot +
                "/a 4096 40755 2 0 0 0 0.0 - - -\n"
                "/a/x 0 100644 1 0 0 0 0.0 - - -\n"
                "/a-b 0 100644 1 0 0 0 0.0 - - -\n"
                "/z 0 100644 1 0 0 0 0.0 - - -\n");
}

TEST(Dump, FilterKeepsWholeNamesInTheRoot) {
  const auto tree = read_dump(kRoot +
                              "/a 4096 40755 2 0 0 0 0.0 - - -\n"
                              "/a/b 0 100644 1 0 0 0 0.0 - - -\n"
                              "/ab 0 100644 1 0 0 0 0.0 - - -\n"
                              "/b 0 100644 1 0 0 0 0.0 - - -\n");
  ASSERT_TRUE(tree) << tree.error().message();

  EXPECT_EQ(printed(**tree, {"a"}), kRoot +
                                        "/a 4096 40755 2 0 0 0 0.0 - - -\n"
                                        "/a/b 0 100644 1 0 0 0 0.0 - - -\n");
}

TEST(Dump, PathsMayHaveSlashesTooManyOrNoneAtTheFront) {
  EXPECT_EQ(again(kRoot + "d 0 40755 2 0 0 0 0.0 - - -\n"
                          "/d//f 0 100644 1 0 0 0 0.0 - - -"),
            kRoot +
                "/d 0 40755 2 0 0 0 0.0 - - -\n"
                "/d/f 0 100644 1 0 0 0 0.0 - - -\n");
}

TEST(Dump, LinksMayComeBeforeTheirTargetAndLeadToLinks) {
  const auto tree = read_dump(kRoot +
                              "/a 0 @100644 - - - - - /b - -\n"
                              "/b 0 @100644 - - - - - c - -\n"
                              "/c 0 100644 1 0 0 0 0.0 - - -\n");
  ASSERT_TRUE(tree) << tree.error().message();

  EXPECT_EQ((*tree)->target(1), 3U);
  EXPECT_EQ((*tree)->target(2), 3U);
}

TEST(Dump, LastOfEqualXattrKeysCounts) {
  EXPECT_THAT(again(kRoot + "/f 0 100644 1 0 0 0 0.0 - - - user.a=1 user.b=2 "
                            "user.a=3\n"),
              HasSubstr(" user.a=3 user.b=2\n"));
}

TEST(Dump, FieldsAreCheckedAndNamed) {
  const std::string rest = " 1 0 0 0 0.0 - - -\n";
  expect_refused("/f x 100644" + rest, "dump:2: SIZE: 'x' is no number");
  expect_refused("/f -1 100644" + rest, "SIZE");
  expect_refused("/f 99999999999999999999 100644" + rest, "too large");
  expect_refused("/f 0 108644" + rest, "MODE");
  expect_refused("/f 0 644" + rest, "MODE: it has no type");
  expect_refused("/f 0 100644 1 0 4294967296 0 0.0 - - -\n", "GID");
  expect_refused("/f 0 100644 1 0 0 0 1 - - -\n", "MTIME");
  expect_refused("/f 0 100644 1 0 0 0 1.x - - -\n", "MTIME");
  expect_refused("/f 3 100644 1 0 0 0 0.0 - ab -\n", "CONTENT: 2 bytes");
  expect_refused("/f 9 100644 1 0 0 0 0.0 - - 5a5a\n", "DIGEST");
  expect_refused("/f 9 100644 1 0 0 0 0.0 - - \n", "DIGEST");
  expect_refused("/s 0 120777 1 0 0 0 0.0 - - -\n", "PAYLOAD");
  expect_refused("/f 0 100644 1 0 0\n", "RDEV is missing");
  expect_refused(
      "/f 5001 100644 1 0 0 0 0.0 - " + std::string(5001, 'x') + " -\n",
      "CONTENT: more than");
  expect_refused("/f 9 100644 1 0 0 0 0.0 " + std::string(4096, 'x') + " - -\n",
                 "PAYLOAD: it is too long");
}

TEST(Dump, PathsAreChecked) {
  const std::string rest = " 0 100644 1 0 0 0 0.0 - - -\n";
  expect_refused("/no/f" + rest, "PATH: no earlier line");
  expect_refused("/." + rest, "PATH");
  expect_refused("/.." + rest, "PATH");
  expect_refused("/d/" + rest, "PATH: the name is empty");
  expect_refused(rest, "PATH");
  expect_refused("/" + std::string(256, 'n') + rest, "PATH: the name is too");
  expect_refused("/a\\x00b" + rest, "PATH: a NUL byte");
  expect_refused(kRoot, "PATH: the root is there twice");
  expect_refused("/f" + rest + "/g" + rest + "/f" + rest,
                 "dump:4: the name is there twice");
  expect_refused("/f" + rest + "/f/g" + rest, "PATH: no earlier line");
}

TEST(Dump, LinksAreChecked) {
  const std::string file = "/f 0 100644 1 0 0 0 0.0 - - -\n";
  expect_refused("/a 0 @100644 1 0 0 0 0.0 /none - -\n" + file,
                 "dump:2: the hard link's target is not there");
  expect_refused(file + "/a 0 @100644 1 0 0 0 0.0 /a - -\n",
                 "dump:3: the hard link leads to itself");
  expect_refused(
      "/a 0 @100644 1 0 0 0 0.0 /b - -\n"
      "/b 0 @100644 1 0 0 0 0.0 /a - -\n",
      "leads to itself");
  expect_refused("/a 0 @100644 1 0 0 0 0.0 / - -\n", "to a directory");
  expect_refused("/a 0 @40755 1 0 0 0 0.0 /f - -\n", "MODE: a hard link");
}

TEST(Dump, XattrsAreChecked) {
  const std::string line = "/f 0 100644 1 0 0 0 0.0 - - - ";
  expect_refused(line + "user.a\n", "has no '='");
  expect_refused(line + "user.a=1  user.b=2\n", "has no '='");
  expect_refused(line + "=1\n", "an xattr's key");
  expect_refused(line + std::string(256, 'k') + "=1\n", "an xattr's key");
  expect_refused(line + "user.a=" + std::string(40000, 'v') + "\n",
                 "the xattrs are too large");
  expect_refused(line + "user.a=" + std::string(70000, 'v') + "\n",
                 "the xattrs are too long");
}

TEST(Dump, EscapesAreChecked) {
  for (const char* const bad : {"\\", "\\q", "\\x1", "\\xg0", "\\X41"}) {
    expect_refused(std::string("/f") + bad + " 0 100644 1 0 0 0 0.0 - - -\n",
                   "is no escape");
  }
  expect_refused(std::string("/f\0 0 100644 1 0 0 0 0.0 - - -\n", 32),
                 "a NUL byte");
}

TEST(Dump, FirstLineIsTheRoot) {
  for (const char* const text : {"", "\n", "/f 0 100644 1 0 0 0 0.0 - - -\n",
                                 "/ 0 100644 1 0 0 0 0.0 - - -\n"}) {
    EXPECT_FALSE(read_dump(std::string_view(text))) << text;
  }
}

TEST(Dump, StrictRefusesWhatIsMerelyOdd) {
  expect_refused("/f 0 100644 1 0 0 0 0.0 - - -", "no newline", true);
  expect_refused("/s 9 120777 1 0 0 0 0.0 target - -\n", "SIZE", true);
  expect_refused("/f 0 100644 1 0 0 7 0.0 - - -\n", "RDEV", true);
  EXPECT_TRUE(read_dump(kRoot, {.is_strict = true}));
}

TEST(Dump, LinesOfAnyLengthUpToTheLimitComeInAnyPieces) {
  const std::string dump =
      kRoot + "/f 5000 100644 1 0 0 0 0.0 - " + std::string(5000, 'x') + " -\n";
  std::size_t at = 0;
  const auto tree =
      read_dump([&](std::span<std::byte> room) -> Result<std::size_t> {
        if (at == dump.size()) return std::size_t{0};
        room[0] = static_cast<std::byte>(dump[at++]);
        return std::size_t{1};
      });
  ASSERT_TRUE(tree) << tree.error().message();
  EXPECT_EQ(printed(**tree), dump);

  const auto endless =
      read_dump([](std::span<std::byte> room) -> Result<std::size_t> {
        std::ranges::fill(room, std::byte{'x'});
        return room.size();
      });
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().code(), EFBIG);
}

TEST(Dump, ErrorOfTheSourceIsPassedOn) {
  const auto tree = read_dump([](std::span<std::byte>) -> Result<std::size_t> {
    return Error(EIO, "read");
  });
  ASSERT_FALSE(tree);
  EXPECT_EQ(tree.error().code(), EIO);
}

}  // namespace
}  // namespace veneer::composefs
