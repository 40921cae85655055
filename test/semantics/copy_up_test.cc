// SPDX-License-Identifier: MIT
//
// Copy-up: the first change to a lower file makes a private copy of it, whole,
// with everything but the change as it was. Nobody sees it happen.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr time_t kLongAgo = 1'000'000'000;

class CopyUpTest : public OverlayTest {};

TEST_P(CopyUpTest, WriteKeepsModeOwnerAndXattrs) {
  mount({.lower = {{{"f", File("hello").mode(0640).owner(7, 8).xattr("user.k",
                                                                     "v")}}},
         .upper = {}});

  EXPECT_THAT(append("f", "!"), Succeeds());

  const Tree after = {
      {"f", File("hello!").mode(0640).owner(7, 8).xattr("user.k", "v")}};
  EXPECT_THAT(merged(), TreeIs(after));
  EXPECT_THAT(upper(), TreeIs(after));
}

TEST_P(CopyUpTest, ChmodKeepsContentAndTimes) {
  mount({.lower = {{{"f", File("hello").mtime(kLongAgo, 123'456'789)}}},
         .upper = {}});

  EXPECT_THAT(chmod("f", 0600), Succeeds());

  const Tree after = {
      {"f", File("hello").mode(0600).mtime(kLongAgo, 123'456'789)}};
  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

TEST_P(CopyUpTest, ChownKeepsContentAndMtime) {
  mount({.lower = {{{"f", File("hello").mtime(kLongAgo)}}}, .upper = {}});

  EXPECT_THAT(lchown("f", 5, 6), Succeeds());

  EXPECT_THAT(merged(),
              TreeIs(Tree{{"f", File("hello").owner(5, 6).mtime(kLongAgo)}}));
}

// Row 32
TEST_P(CopyUpTest, AncestorsKeepTheirAttributes) {
  const Tree lower0 = {
      {"a", Dir().mode(0711).owner(1, 2).xattr("user.x", "1").mtime(kLongAgo)},
      {"a/b", Dir().mode(01777).owner(3, 4).mtime(kLongAgo, 5)},
      {"a/b/f", File("x")}};
  mount({.lower = {lower0}, .upper = {}});

  EXPECT_THAT(append("a/b/f", "y"), Succeeds());

  Tree after = lower0;
  after.set("a/b/f", File("xy"));
  EXPECT_THAT(merged(), TreeIs(after));
  EXPECT_THAT(upper(), TreeIs(after));
}

TEST_P(CopyUpTest, OnlyTheChangedFileIsCopied) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}, {"d/b", File("2")}}},
         .upper = {}});

  EXPECT_THAT(append("d/a", "!"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{{"d", Dir()}, {"d/a", File("1!")}}));
}

TEST_P(CopyUpTest, ReadingCopiesNothing) {
  mount({.lower = {{{"d", Dir()}, {"d/a", File("1")}, {"s", Symlink("d/a")}}},
         .upper = {}});

  EXPECT_EQ(read_file("d/a"), "1");
  EXPECT_EQ(readlink("s"), "d/a");
  EXPECT_THAT(list("d"), ::testing::ElementsAre("a"));

  EXPECT_THAT(upper(), TreeIs(Tree{}));
}

TEST_P(CopyUpTest, TopmostLowerWins) {
  mount(
      {.lower = {{{"f", File("top")}}, {{"f", File("bottom")}}}, .upper = {}});

  EXPECT_THAT(append("f", "!"), Succeeds());

  EXPECT_EQ(read_file("f"), "top!");
  EXPECT_THAT(upper(), TreeIs(Tree{{"f", File("top!")}}));
}

TEST_P(CopyUpTest, WriteInTheMiddleKeepsTheRest) {
  const std::string before(300'000, 'a');
  mount({.lower = {{{"f", File(before)}}}, .upper = {}});
  Fd fd = open("f", O_RDWR);

  EXPECT_THAT(::pwrite(fd.get(), "XYZ", 3, 150'000), SyscallReturns(3));

  std::string after = before;
  after.replace(150'000, 3, "XYZ");
  EXPECT_TRUE(pread_all(fd) == after);
  EXPECT_TRUE(read_file("f") == after);
  fd.reset();
  remount();
  EXPECT_TRUE(read_file("f") == after);
}

TEST_P(CopyUpTest, TruncateKeepsTheHead) {
  mount({.lower = {{{"f", File("0123456789")}}}, .upper = {}});

  EXPECT_THAT(truncate("f", 4), Succeeds());

  EXPECT_EQ(read_file("f"), "0123");
  EXPECT_THAT(truncate("f", 6), Succeeds());
  EXPECT_EQ(read_file("f"), std::string("0123\0\0", 6));
}

TEST_P(CopyUpTest, EmptyFileIsCopied) {
  mount({.lower = {{{"f", File("").mode(0600)}}}, .upper = {}});

  EXPECT_THAT(append("f", "first"), Succeeds());

  EXPECT_THAT(upper(), TreeIs(Tree{{"f", File("first").mode(0600)}}));
}

// Row 15
TEST_P(CopyUpTest, ReaderOpenedBeforeSeesLaterWrites) {
  mount({.lower = {{{"f", File("before")}}}, .upper = {}});
  const Fd reader = open("f");
  EXPECT_EQ(pread_all(reader), "before");

  EXPECT_THAT(write_file("f", "after it all"), Succeeds());

  EXPECT_EQ(pread_all(reader), "after it all");
}

// Row 16
TEST_P(CopyUpTest, ReaderOpenedBeforeSeesLaterWritesWithCachesDropped) {
  mount({.lower = {{{"f", File("before")}}}, .upper = {}});
  const Fd reader = open("f");
  EXPECT_EQ(pread_all(reader), "before");

  EXPECT_THAT(write_file("f", "after it all"), Succeeds());
  ::sync();
  drop_caches();

  EXPECT_EQ(pread_all(reader), "after it all");
  EXPECT_EQ(fstat_of(reader).st_size, 12);
}

// Row 43
TEST_P(CopyUpTest, ReadOnlyDescriptorOfLowerFileTakesChmodXattrAndTimes) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  const Fd fd = open("f");
  const timespec times[2] = {{kLongAgo, 1}, {kLongAgo, 2}};

  EXPECT_THAT(::fchmod(fd.get(), 0604), Succeeds());
  EXPECT_THAT(::fchown(fd.get(), 9, 9), Succeeds());
  EXPECT_THAT(::futimens(fd.get(), times), Succeeds());

  EXPECT_THAT(
      merged(),
      TreeIs(Tree{{"f", File("x").mode(0604).owner(9, 9).mtime(kLongAgo, 2)}}));
  EXPECT_EQ(fstat_of(fd).st_mode & 07777U, 0604U);
}

TEST_P(CopyUpTest, FileWithAHoleAtTheEndKeepsItsSize) {
  mount({.lower = {{{"f", File("")}}}, .upper = {}});
  ASSERT_THAT(::truncate(l(0, "f").c_str(), 1 << 20), Succeeds());
  accept_lower_changes();

  EXPECT_THAT(append("f", "end"), Succeeds());

  EXPECT_EQ(lstat("f").st_size, (1 << 20) + 3);
}

TEST_P(CopyUpTest, LeavesTheWorkDirectoryEmpty) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("x")}}}, .upper = {}});

  EXPECT_THAT(append("d/f", "y"), Succeeds());
  EXPECT_THAT(unlink("d/f"), Succeeds());
  EXPECT_THAT(mkdir("d/n"), Succeeds());
  EXPECT_THAT(rmdir("d/n"), Succeeds());
  unmount();

  const Tree work = read_tree(work_path());
  for (const auto& [path, entry] : work.entries()) {
    EXPECT_TRUE(entry.kind == Kind::kDir || entry.kind == Kind::kWhiteout ||
                path.starts_with("index/") || path == "veneer.json")
        << "left behind: " << path;
  }
}

VENEER_ON_EVERY_TARGET(CopyUpTest);

// Row 36: shared extents need a file system that has them, the same for both.
class ReflinkCopyUpTest : public OverlayTest {};

TEST_P(ReflinkCopyUpTest, WriteToALowerFileSharesItsExtents) {
  mount({.lower = {{{"big", File(std::string(64 << 20, 'b'))}}},
         .upper = {},
         .disk = DiskKind::kXfs});
  const Finished before = run({"df", "--output=used", "-k", l(0, "")});

  // In the middle: after an append XFS reserves room past the end.
  const Fd fd = open("big", O_RDWR);
  EXPECT_THAT(::pwrite(fd.get(), "!", 1, 32 << 20), SyscallReturns(1));

  ::sync();
  const Finished after = run({"df", "--output=used", "-k", l(0, "")});
  const auto used = [](const Finished& df) {
    return std::stol(df.out.substr(df.out.find('\n')));
  };
  EXPECT_LT(used(after) - used(before), 4096);
  EXPECT_EQ(lstat("big").st_size, 64 << 20);
}

VENEER_ON_EVERY_TARGET(ReflinkCopyUpTest);

}  // namespace
}  // namespace veneer::testing
