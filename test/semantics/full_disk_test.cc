// SPDX-License-Identifier: MIT
//
// A full upper: the caller is told ENOSPC, the old content stays, and once
// there is room again all goes on.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class FullDiskTest : public OverlayTest {
 protected:
  // 1 MiB of room above a file of 4 MiB and some small ones.
  void mount_small() {
    mount({.lower = {{{"big", File(std::string(4 << 20, 'b'))},
                      {"small", File("small")},
                      {"d", Dir()},
                      {"d/f", File("f")},
                      {"empty", Dir()}}},
           .upper = {},
           .upper_size = "1m"});
  }
  void fill() {
    const Fd fd(::open(u("../filler").c_str(), O_CREAT | O_WRONLY, 0600));
    const std::string block(4096, 'x');
    while (::write(fd.get(), block.data(), block.size()) > 0) {
    }
    EXPECT_EQ(errno, ENOSPC);
  }
  void make_room() {
    EXPECT_THAT(::unlink(u("../filler").c_str()), Succeeds());
  }
};

TEST_P(FullDiskTest, CopyUpThatDoesNotFitLeavesTheOldContent) {
  mount_small();

  EXPECT_THAT(append("big", "!"), FailsWith(ENOSPC));

  EXPECT_TRUE(read_file("big") == std::string(4 << 20, 'b'));
  EXPECT_THAT(upper(), TreeIs(Tree{}));
  EXPECT_THAT(write_file("new", "fits"), Succeeds());
  EXPECT_EQ(read_file("new"), "fits");
}

TEST_P(FullDiskTest, FailedCopyUpGivesItsRoomBack) {
  mount_small();
  ASSERT_THAT(append("big", "!"), FailsWith(ENOSPC));

  EXPECT_THAT(write_file("half", std::string(512 << 10, 'h')), Succeeds());
  EXPECT_TRUE(read_file("half") == std::string(512 << 10, 'h'));
}

TEST_P(FullDiskTest, WriteSaysSoAndWorksWhenThereIsRoomAgain) {
  mount_small();
  ASSERT_THAT(write_file("f", "12"), Succeeds());
  fill();
  const Fd fd = open("f", O_WRONLY | O_APPEND);
  const std::string more(64 << 10, 'm');

  const Outcome full = outcome(::write(fd.get(), more.data(), more.size()));
  EXPECT_TRUE(full.error == ENOSPC || full.value < (64 << 10)) << full;
  make_room();

  EXPECT_THAT(::write(fd.get(), "34", 2), SyscallReturns(2));
  EXPECT_EQ(read_file("f").substr(0, 2), "12");
  EXPECT_TRUE(read_file("f").ends_with("34"));
}

TEST_P(FullDiskTest, EveryChangeWorksOrLeavesTheTreeAsItWas) {
  mount_small();
  const Tree before = merged();
  fill();
  constexpr Compare kLoose = {.dir_mtime = false, .root = false};
  const auto attempt = [&](const char* what, const Outcome& result) {
    EXPECT_TRUE(result.ok() || result.error == ENOSPC) << what << result;
    if (!result.ok()) {
      EXPECT_EQ(differences(before, merged(), kLoose), "") << what;
    }
    return result.ok();
  };

  if (attempt("chmod", chmod("small", 0600))) {
    EXPECT_THAT(chmod("small", 0644), Succeeds());
  }
  if (attempt("rename", rename("small", "moved"))) {
    EXPECT_THAT(rename("moved", "small"), Succeeds());
  }
  if (attempt("rename of a directory", rename("d", "e"))) {
    EXPECT_THAT(rename("e", "d"), Succeeds());
  }
  if (attempt("link", link("small", "second"))) {
    EXPECT_THAT(unlink("second"), Succeeds());
  }
  attempt("mkdir", mkdir("new"));

  make_room();
  EXPECT_THAT(append("small", "!"), Succeeds());
  EXPECT_EQ(read_file("small"), "small!");
  EXPECT_EQ(read_file("d/f"), "f");
}

TEST_P(FullDiskTest, UnlinkOnAFullDiskIsWholeOrNothing) {
  mount_small();
  fill();

  const Outcome removed = unlink("small");

  EXPECT_TRUE(removed.ok() || removed.error == ENOSPC) << removed;
  EXPECT_EQ(exists("small"), !removed.ok());
  make_room();
  if (!removed.ok()) {
    EXPECT_THAT(unlink("small"), Succeeds());
  }
  remount();
  EXPECT_FALSE(exists("small"));
}

VENEER_ON_EVERY_TARGET(FullDiskTest);

}  // namespace
}  // namespace veneer::testing
