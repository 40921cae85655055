// SPDX-License-Identifier: MIT
//
// inotify(7): watches on files and directories of lower layers keep telling
// what happens after they are copied up.

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class InotifyTest : public OverlayTest {
 protected:
  // All events since the last call, together.
  static std::uint32_t events(const Fd& fd) {
    alignas(inotify_event) char buffer[16 * 1024];
    std::uint32_t all = 0;
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    for (ssize_t at = 0; at < n;) {
      inotify_event event{};
      std::memcpy(&event, buffer + at, sizeof(event));
      all |= event.mask;
      at += static_cast<ssize_t>(sizeof(event) + event.len);
    }
    return all;
  }
  Fd watch(const std::string& path) {
    Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    EXPECT_THAT(::inotify_add_watch(fd.get(), m(path).c_str(), IN_ALL_EVENTS),
                Succeeds());
    return fd;
  }
};

// Row 59
TEST_P(InotifyTest, WatchOnALowerFileTellsOfItsCopyUpsWrite) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  const Fd fd = watch("f");

  ASSERT_THAT(append("f", "y"), Succeeds());
  EXPECT_TRUE(events(fd) & IN_MODIFY);
  ASSERT_THAT(append("f", "z"), Succeeds());
  EXPECT_TRUE(events(fd) & IN_MODIFY);
  ASSERT_THAT(chmod("f", 0600), Succeeds());
  EXPECT_TRUE(events(fd) & IN_ATTRIB);
  drop_caches();
  ASSERT_THAT(append("f", "!"), Succeeds());
  EXPECT_TRUE(events(fd) & IN_MODIFY);
}

// Row 59
TEST_P(InotifyTest, WatchOnALowerDirectoryTellsOfNewAndRemovedNames) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("x")}}}, .upper = {}});
  const Fd fd = watch("d");

  ASSERT_THAT(write_file("d/n", "x"), Succeeds());
  EXPECT_TRUE(events(fd) & IN_CREATE);
  ASSERT_THAT(unlink("d/f"), Succeeds());
  EXPECT_TRUE(events(fd) & IN_DELETE);
  ASSERT_THAT(rename("d/n", "d/m"), Succeeds());
  EXPECT_TRUE(events(fd) & IN_MOVED_TO);
}

// Row 59
TEST_P(InotifyTest, WatchFollowsARenamedFile) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});
  const Fd fd = watch("f");

  ASSERT_THAT(rename("f", "g"), Succeeds());
  EXPECT_TRUE(events(fd) & IN_MOVE_SELF);
  ASSERT_THAT(append("g", "y"), Succeeds());

  EXPECT_TRUE(events(fd) & IN_MODIFY);
}

VENEER_ON_EVERY_TARGET_AND_HOST(InotifyTest);

}  // namespace
}  // namespace veneer::testing
