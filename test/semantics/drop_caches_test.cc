// SPDX-License-Identifier: MIT
//
// The kernel may forget any name or page at any time. A mount must not lose a
// live file over it. (Every other test runs under the same pressure when
// VENEER_TEST_DROP_CACHES is set.)

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class DropCachesTest : public OverlayTest {
 protected:
  // Runs `action` while another thread drops caches over and over.
  static void under_pressure(const std::function<void()>& action) {
    std::atomic<bool> stop = false;
    std::thread dropper([&] {
      while (!stop) drop_caches();
    });
    action();
    stop = true;
    dropper.join();
  }
};

TEST_P(DropCachesTest, OpenFilesKeepTheirContentAndTheirIdentity) {
  mount({.lower = {{{"d", Dir()},
                    {"d/read", File("read")},
                    {"d/write", File("write")},
                    {"d/gone", File("gone")},
                    {"d/moved", File("moved")}}},
         .upper = {}});
  const Fd read = open("d/read");
  const Fd write = open("d/write", O_RDWR);
  const Fd gone = open("d/gone", O_RDWR);
  const Fd moved = open("d/moved");
  const ino_t number = fstat_of(read).st_ino;

  ASSERT_THAT(unlink("d/gone"), Succeeds());
  ASSERT_THAT(rename("d/moved", "elsewhere"), Succeeds());
  ASSERT_THAT(::pwrite(write.get(), "W", 1, 0), SyscallReturns(1));
  for (int i = 0; i < 5; ++i) {
    drop_caches();
    EXPECT_EQ(pread_all(read), "read");
    EXPECT_EQ(pread_all(write), "Write");
    EXPECT_EQ(pread_all(gone), "gone");
    EXPECT_EQ(pread_all(moved), "moved");
    EXPECT_THAT(::pwrite(gone.get(), "gone", 4, 0), SyscallReturns(4));
    EXPECT_EQ(fstat_of(read).st_ino, number);
    EXPECT_EQ(lstat("d/read").st_ino, number);
  }
}

TEST_P(DropCachesTest, ManyChangesUnderPressureAllStay) {
  Tree lower0 = {{"d", Dir()}};
  for (int i = 0; i < 40; ++i) {
    lower0.set("d/f" + std::to_string(i), File(std::to_string(i)));
  }
  mount({.lower = {lower0}, .upper = {}});

  Tree after = {{"d", Dir()}, {"e", Dir()}};
  under_pressure([&] {
    EXPECT_THAT(mkdir("e"), Succeeds());
    for (int i = 0; i < 40; ++i) {
      const std::string name = "f" + std::to_string(i);
      const std::string number = std::to_string(i);
      switch (i % 4) {
        case 0:
          EXPECT_THAT(append("d/" + name, "+"), Succeeds());
          after.set("d/" + name, File(number + "+"));
          break;
        case 1:
          EXPECT_THAT(rename("d/" + name, "e/" + name), Succeeds());
          after.set("e/" + name, File(number));
          break;
        case 2:
          EXPECT_THAT(unlink("d/" + name), Succeeds());
          break;
        default:
          EXPECT_THAT(chmod("d/" + name, 0600), Succeeds());
          after.set("d/" + name, File(number).mode(0600));
      }
    }
  });

  EXPECT_THAT(merged(), TreeIs(after));
  remount();
  EXPECT_THAT(merged(), TreeIs(after));
}

TEST_P(DropCachesTest, DeepDescriptorsOfMovedDirectoriesWorkUnderPressure) {
  mount({.lower = {{{"a", Dir()},
                    {"a/b", Dir()},
                    {"a/b/c", Dir()},
                    {"a/b/c/f", File("deep")}}},
         .upper = {}});
  const Fd dir = open("a/b/c", O_DIRECTORY);

  under_pressure([&] {
    for (int i = 0; i < 10; ++i) {
      EXPECT_THAT(rename("a/b", "x"), Succeeds());
      const Fd from_x(::openat(dir.get(), "f", O_RDONLY));
      EXPECT_EQ(pread_all(from_x), "deep");
      EXPECT_THAT(rename("x", "a/b"), Succeeds());
      EXPECT_EQ(read_file("a/b/c/f"), "deep");
    }
  });
}

VENEER_ON_EVERY_TARGET(DropCachesTest);

}  // namespace
}  // namespace veneer::testing
