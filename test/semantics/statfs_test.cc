// SPDX-License-Identifier: MIT
//
// statfs(2): the room there is to write in, which is the upper's.

#include <sys/statvfs.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class StatfsTest : public OverlayTest {
 protected:
  static struct statvfs room_of(const std::string& path) {
    struct statvfs room{};
    EXPECT_THAT(::statvfs(path.c_str(), &room), Succeeds()) << path;
    return room;
  }
};

// Row 53
TEST_P(StatfsTest, RoomIsThatOfTheUpper) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}, .upper_size = "4m"});

  const struct statvfs merged_room = room_of(m("d"));
  const struct statvfs upper_room = room_of(u());

  EXPECT_EQ(merged_room.f_blocks * merged_room.f_frsize, 4U << 20);
  EXPECT_EQ(merged_room.f_bfree * merged_room.f_frsize,
            upper_room.f_bfree * upper_room.f_frsize);
  EXPECT_EQ(merged_room.f_files, upper_room.f_files);
}

// Row 53
TEST_P(StatfsTest, LongestNameHas255Bytes) {
  mount({.lower = {{{"d", Dir()}}}, .upper = {}});

  EXPECT_EQ(room_of(m()).f_namemax, 255U);
}

// Row 53
TEST_P(StatfsTest, WritingShrinksTheRoom) {
  mount({.lower = {{}}, .upper = {}, .upper_size = "4m"});
  const auto before = room_of(m()).f_bavail;

  ASSERT_THAT(write_file("f", std::string(1 << 20, 'x')), Succeeds());

  EXPECT_LE(room_of(m()).f_bavail, before - (1 << 20) / room_of(m()).f_frsize);
}

TEST_P(StatfsTest, ReadOnlyMountAnswersToo) {
  mount({.lower = {{{"f", File("x")}}}, .read_only = true});

  EXPECT_EQ(room_of(m()).f_namemax, 255U);
}

VENEER_ON_EVERY_TARGET(StatfsTest);

}  // namespace
}  // namespace veneer::testing
