// SPDX-License-Identifier: MIT
//
// Changes to a layer behind the mount. What shows of them is undefined, here
// and in the kernel: names already seen may stay as they were, new ones may or
// may not appear. Defined is that nothing else suffers, and that the next
// mount sees the layers as they are.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class LayerChangesTest : public OverlayTest {
 protected:
  void mount_files() {
    mount({.lower = {{{"d", Dir()},
                      {"d/a", File("a")},
                      {"d/b", File("b")},
                      {"kept", File("kept")}}},
           .upper = {}});
  }
};

// Row 60
TEST_P(LayerChangesTest, RemovedLowerFileDisturbsNothingElse) {
  mount_files();
  EXPECT_EQ(read_file("d/a"), "a");

  ASSERT_THAT(::unlink(l(0, "d/a").c_str()), Succeeds());
  accept_lower_changes();
  drop_caches();

  const Outcome opened = try_open("d/a", O_RDONLY);
  EXPECT_TRUE(opened.ok() || opened.error == ENOENT || opened.error == ESTALE ||
              opened.error == EIO)
      << opened;
  EXPECT_EQ(read_file("d/b"), "b");
  EXPECT_EQ(read_file("kept"), "kept");
  EXPECT_THAT(append("kept", "!"), Succeeds());
}

// Row 60
TEST_P(LayerChangesTest, NewLowerFileShowsAtTheNextMount) {
  mount_files();
  EXPECT_THAT(list("d"), ::testing::ElementsAre("a", "b"));

  build_tree({{"", Dir()}, {"c", File("c")}}, l(0, "d"));
  accept_lower_changes();
  EXPECT_EQ(read_file("d/a"), "a");
  remount();

  EXPECT_THAT(list("d"), ::testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(read_file("d/c"), "c");
}

// Row 60
TEST_P(LayerChangesTest, UpperEditedBetweenMountsIsTaken) {
  mount_files();
  ASSERT_THAT(append("d/a", "+"), Succeeds());
  unmount();
  ASSERT_THAT(::unlink(u("d/a").c_str()), Succeeds());
  build_tree({{"new", File("n")}}, u("d"));
  const Finished again = try_mount();
  ASSERT_EQ(again.status, 0) << again.err;

  EXPECT_EQ(read_file("d/new"), "n");
  EXPECT_EQ(read_file("d/a"), "a") << "the lower file shows again";
  EXPECT_THAT(list("d"), ::testing::ElementsAre("a", "b", "new"));
}

VENEER_ON_EVERY_TARGET(LayerChangesTest);

}  // namespace
}  // namespace veneer::testing
