// SPDX-License-Identifier: MIT
//
// Five hundred lower layers, as many as the kernel's overlayfs takes.

#include <fcntl.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

constexpr int kLayers = 500;

class ManyLowersTest : public OverlayTest {
 protected:
  // Layer i holds "own<i>", "d/part<i>" and a "same" that says i.
  void mount_stack() {
    Mount spec;
    for (int i = 0; i < kLayers; ++i) {
      const std::string number = std::to_string(i);
      spec.lower.push_back({{"own" + number, File(number)},
                            {"d", Dir()},
                            {"d/part" + number, File(number)},
                            {"same", File(number)}});
    }
    mount(std::move(spec));
  }
};

TEST_P(ManyLowersTest, EveryLayerShows) {
  mount_stack();

  EXPECT_EQ(list().size(), kLayers + 2U);
  EXPECT_EQ(list("d").size(), static_cast<std::size_t>(kLayers));
  EXPECT_EQ(read_file("own0"), "0");
  EXPECT_EQ(read_file("own499"), "499");
  EXPECT_EQ(read_file("d/part250"), "250");
  EXPECT_EQ(read_file("same"), "0");
}

TEST_P(ManyLowersTest, LowestLayersFilesAreChangedAndRemoved) {
  mount_stack();

  EXPECT_THAT(append("d/part499", "!"), Succeeds());
  EXPECT_THAT(unlink("same"), Succeeds());
  EXPECT_THAT(rename("own499", "moved"), Succeeds());

  EXPECT_EQ(read_file("d/part499"), "499!");
  EXPECT_FALSE(exists("same"));
  remount();
  EXPECT_EQ(read_file("d/part499"), "499!");
  EXPECT_EQ(read_file("moved"), "499");
  EXPECT_FALSE(exists("same"));
  EXPECT_EQ(list("d").size(), static_cast<std::size_t>(kLayers));
}

VENEER_ON_EVERY_TARGET(ManyLowersTest);

}  // namespace
}  // namespace veneer::testing
