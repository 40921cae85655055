// SPDX-License-Identifier: MIT
//
// File handles: name_to_handle_at(2) and open_by_handle_at(2), for as long as
// the object lives, whatever happens to its name and its layer meanwhile.

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class FileHandleTest : public OverlayTest {
 protected:
  using Handle = std::vector<std::uint64_t>;  // aligned for file_handle

  Handle handle_of(const std::string& path) {
    Handle memory(sizeof(file_handle) / 8 + 1 + MAX_HANDLE_SZ / 8);
    auto* handle = reinterpret_cast<file_handle*>(memory.data());
    handle->handle_bytes = MAX_HANDLE_SZ;
    int mount_id = 0;
    EXPECT_THAT(
        ::name_to_handle_at(AT_FDCWD, m(path).c_str(), handle, &mount_id, 0),
        Succeeds())
        << path;
    return memory;
  }
  int open_handle(Handle& memory, int flags) {
    const Fd mount(::open(m().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    auto* handle = reinterpret_cast<file_handle*>(memory.data());
    return ::open_by_handle_at(mount.get(), handle, flags | O_CLOEXEC);
  }
};

// Row 58
TEST_P(FileHandleTest, OpensALowerFileAndAnUpperOne) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("low")}}},
         .upper = {{"u", File("up")}}});
  Handle lower_handle = handle_of("d/f");
  Handle upper_handle = handle_of("u");

  const Fd lower_fd(open_handle(lower_handle, O_RDONLY));
  const Fd upper_fd(open_handle(upper_handle, O_RDONLY));

  EXPECT_EQ(pread_all(lower_fd), "low");
  EXPECT_EQ(pread_all(upper_fd), "up");
}

// Row 58
TEST_P(FileHandleTest, SurvivesCopyUpAndRename) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("low")}}}, .upper = {}});
  Handle handle = handle_of("d/f");

  ASSERT_THAT(append("d/f", "+"), Succeeds());
  ASSERT_THAT(rename("d/f", "g"), Succeeds());

  const Fd fd(open_handle(handle, O_RDONLY));
  ASSERT_THAT(fd.get(), Succeeds());
  EXPECT_EQ(pread_all(fd), "low+");
  EXPECT_EQ(fstat_of(fd).st_ino, lstat("g").st_ino);
}

// Row 58
TEST_P(FileHandleTest, SurvivesDroppedCaches) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("low")}}}, .upper = {}});
  Handle handle = handle_of("d/f");

  drop_caches();

  const Fd fd(open_handle(handle, O_RDONLY));
  ASSERT_THAT(fd.get(), Succeeds());
  EXPECT_EQ(pread_all(fd), "low");
}

// Row 58
TEST_P(FileHandleTest, SurvivesDroppedCachesAfterCopyUp) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("low")}}}, .upper = {}});
  Handle handle = handle_of("d/f");
  ASSERT_THAT(append("d/f", "+"), Succeeds());

  drop_caches();

  const Fd fd(open_handle(handle, O_RDWR));
  ASSERT_THAT(fd.get(), Succeeds());
  EXPECT_EQ(pread_all(fd), "low+");
}

// Row 58
TEST_P(FileHandleTest, OpensADirectory) {
  mount({.lower = {{{"d", Dir()}, {"d/f", File("low")}}}, .upper = {}});
  Handle handle = handle_of("d");

  const Fd fd(open_handle(handle, O_RDONLY | O_DIRECTORY));
  ASSERT_THAT(fd.get(), Succeeds());
  const Fd child(::openat(fd.get(), "f", O_RDONLY));

  EXPECT_EQ(pread_all(child), "low");
}

// Row 58
TEST_P(FileHandleTest, OfARemovedFileIsStale) {
  mount({.lower = {{{"f", File("low")}}}, .upper = {}});
  Handle handle = handle_of("f");

  ASSERT_THAT(unlink("f"), Succeeds());

  const Fd fd(open_handle(handle, O_RDONLY));
  EXPECT_THAT(fd.get(), FailsWith(ESTALE));
}

VENEER_WITH_KERNEL_NFS(FileHandleTest);

}  // namespace
}  // namespace veneer::testing
