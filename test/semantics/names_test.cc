// SPDX-License-Identifier: MIT
//
// A name is any bytes but NUL and slash, up to 255 of them, and means nothing
// to the overlay: neither text nor marker.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class NamesTest : public OverlayTest {};

const std::string kLongest(255, 'n');
const std::string kBytes = "\xff\xfe-\x01\x80 \n\xc3";

// Row 25
TEST_P(NamesTest, NameOf255BytesIsCreatedAndRemoved) {
  mount({.lower = {{}}, .upper = {}});

  EXPECT_THAT(write_file(kLongest, "x"), Succeeds());
  EXPECT_EQ(read_file(kLongest), "x");
  EXPECT_THAT(list(), ::testing::ElementsAre(kLongest));
  EXPECT_THAT(unlink(kLongest), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

// Row 25
TEST_P(NamesTest, LowerNameOf255BytesIsRemoved) {
  mount({.lower = {{{kLongest, File("x")}}}, .upper = {}});

  EXPECT_THAT(unlink(kLongest), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{}));
  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{}));
}

// Row 25
TEST_P(NamesTest, LowerNameOf255BytesIsCopiedUpAndRenamed) {
  const std::string other(255, 'o');
  mount({.lower = {{{kLongest, File("x")}}}, .upper = {}});

  EXPECT_THAT(append(kLongest, "y"), Succeeds());
  EXPECT_THAT(rename(kLongest, other), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{other, File("xy")}}));
  remount();
  EXPECT_THAT(merged(), TreeIs(Tree{{other, File("xy")}}));
}

// Row 25
TEST_P(NamesTest, LowerDirectoryOf255BytesIsEmptiedAndRemoved) {
  mount({.lower = {{{kLongest, Dir()}, {kLongest + "/f", File("x")}}},
         .upper = {}});

  EXPECT_THAT(unlink(kLongest + "/f"), Succeeds());
  EXPECT_THAT(rmdir(kLongest), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{}));
}

TEST_P(NamesTest, NameOf256BytesIsTooLong) {
  const std::string name(256, 'n');
  mount({.lower = {{{"f", File()}}}, .upper = {}});

  EXPECT_THAT(write_file(name, "x"), FailsWith(ENAMETOOLONG));
  EXPECT_THAT(lstat_status(name), FailsWith(ENAMETOOLONG));
  EXPECT_THAT(rename("f", name), FailsWith(ENAMETOOLONG));
  EXPECT_THAT(mkdir(name), FailsWith(ENAMETOOLONG));
}

// Row 26
TEST_P(NamesTest, NameThatIsNotTextWorksInEveryOperation) {
  mount({.lower = {{{kBytes, File("x")}, {kBytes + "d", Dir()}}}, .upper = {}});

  EXPECT_EQ(read_file(kBytes), "x");
  EXPECT_THAT(append(kBytes, "y"), Succeeds());
  EXPECT_THAT(rename(kBytes, kBytes + "d/" + kBytes), Succeeds());
  EXPECT_THAT(symlink(kBytes, kBytes + "s"), Succeeds());

  const Tree after = {{kBytes + "d", Dir()},
                      {kBytes + "d/" + kBytes, File("xy")},
                      {kBytes + "s", Symlink(kBytes)}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
  EXPECT_THAT(unlink(kBytes + "d/" + kBytes), Succeeds());
  EXPECT_THAT(rmdir(kBytes + "d"), Succeeds());
}

// Row 24
TEST_P(NamesTest, NamesBeginningLikeAMarkerAreOrdinary) {
  mount({.lower = {{{"passwd", File("kept")}}}, .upper = {}});

  EXPECT_THAT(write_file(".wh.passwd", ""), Succeeds());
  EXPECT_THAT(write_file(".wh..wh..opq", "text"), Succeeds());
  EXPECT_THAT(mkdir(".wh.dir"), Succeeds());
  EXPECT_THAT(write_file(".wh.", "x"), Succeeds());

  const Tree after = {{"passwd", File("kept")},
                      {".wh.passwd", File()},
                      {".wh..wh..opq", File("text")},
                      {".wh.dir", Dir()},
                      {".wh.", File("x")}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

// Row 24
TEST_P(NamesTest, NameBeginningLikeAMarkerIsRenamedAndRemoved) {
  mount({.lower = {{{"a", File("1")}, {"b", File("2")}}}, .upper = {}});

  EXPECT_THAT(rename("a", ".wh.b"), Succeeds());
  EXPECT_THAT(merged(), TreeIs(Tree{{".wh.b", File("1")}, {"b", File("2")}}));
  EXPECT_THAT(unlink(".wh.b"), Succeeds());

  EXPECT_THAT(merged(), TreeIs(Tree{{"b", File("2")}}));
}

// Row 24
TEST_P(NamesTest, LowerFileNamedLikeAMarkerButWithContentIsAFile) {
  mount({.lower = {{{".wh.b", File("text")}, {"b", File("2")}}}, .upper = {}});

  EXPECT_THAT(merged(),
              TreeIs(Tree{{".wh.b", File("text")}, {"b", File("2")}}));
}

TEST_P(NamesTest, TreeIsAsDeepAsPathsAllow) {
  mount({.lower = {{}}, .upper = {}});
  Fd dir = open("", O_DIRECTORY);
  const std::string name(250, 'd');

  for (int depth = 0; depth < 40; ++depth) {
    ASSERT_THAT(::mkdirat(dir.get(), name.c_str(), 0755), Succeeds());
    dir = Fd(::openat(dir.get(), name.c_str(), O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(dir.is_open()) << depth;
  }

  const Fd file(::openat(dir.get(), "f", O_CREAT | O_RDWR, 0644));
  EXPECT_THAT(::write(file.get(), "deep", 4), SyscallReturns(4));
  EXPECT_EQ(pread_all(file), "deep");
}

VENEER_ON_EVERY_TARGET(NamesTest);

}  // namespace
}  // namespace veneer::testing
