// SPDX-License-Identifier: MIT
//
// Copy-up: whole, small, once, ordered and unseen.

#include <thread>

#include "test/unit/overlay/scene.h"

namespace veneer::overlay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using veneer::testing::code_of;

class CopyUpTest : public veneer::testing::Scene {
 protected:
  void SetUp() override {
    Scene::SetUp();
    write("lower/d/e/f", "0123456789");
  }
  std::uint64_t copies() { return fs().stats().copy_ups; }
  std::uint64_t bytes() { return fs().stats().copy_up_bytes; }
};

TEST_F(CopyUpTest, ReadingCopiesNothing) {
  open();
  content("d/e/f");
  names("d/e");
  attr_of("d/e/f");
  EXPECT_EQ(code_of(fs().fsync(at("d/e/f"), false)), 0);

  EXPECT_THAT(names_in("upper"), IsEmpty());
}

TEST_F(CopyUpTest, WriteBringsTheFileAndItsAncestors) {
  make_dir("lower/d/e/other");
  open();
  ASSERT_EQ(put("d/e/f", "x"), 0);

  EXPECT_EQ(read("upper/d/e/f"), "x123456789");
  EXPECT_THAT(names_in("upper/d/e"), ElementsAre("f"));
  EXPECT_EQ(read("lower/d/e/f"), "0123456789");
}

TEST_F(CopyUpTest, MetadataBringNoData) {
  open();
  ASSERT_EQ(chmod("d/e/f", 0600), 0);

  EXPECT_EQ(copies(), 0U);
  EXPECT_EQ(stat_of("upper/d/e/f").st_blocks, 0);
  EXPECT_EQ(content("d/e/f"), "0123456789");
  ASSERT_EQ(put("d/e/f", "x"), 0);
  EXPECT_EQ(bytes(), 10U);
  EXPECT_EQ(mark_of("upper/d/e/f", "metacopy"), std::nullopt);
}

TEST_F(CopyUpTest, TruncationBringsOnlyWhatSurvives) {
  open();
  ASSERT_EQ(code_of(fs().set_attr(caller_, at("d/e/f"), {.size = 3})), 0);
  EXPECT_EQ(bytes(), 3U);
  EXPECT_EQ(content("d/e/f"), "012");
  write("lower/g", "0123456789");
  remount();
  ASSERT_EQ(code_of(fs().set_attr(caller_, at("g"), {.size = 0})), 0);

  EXPECT_EQ(bytes(), 0U);
  EXPECT_EQ(content("g"), "");
}

TEST_F(CopyUpTest, UnlinkBringsNothing) {
  open();
  ASSERT_EQ(remove("d/e/f"), 0);

  EXPECT_EQ(copies() + fs().stats().metadata_copy_ups, 2U);  // d and d/e
  EXPECT_TRUE(is_whiteout("upper/d/e/f"));
}

TEST_F(CopyUpTest, NumberNamesAndTimesStayAsTheyWere) {
  for (const auto mode :
       {InodeMode::kLayer, InodeMode::kVirtual, InodeMode::kPersistent}) {
    std::filesystem::remove_all(path("upper"));
    std::filesystem::remove_all(path("upper.work"));
    open({.options = {.inode_mode = mode}});
    std::map<std::string, Attr> before;
    for (const char* name : {"", "d", "d/e", "d/e/f"}) {
      before[name] = attr_of(name);
    }
    const NodeId id = at("d/e/f");
    ASSERT_EQ(code_of(fs().set_xattr(caller_, id, "user.k", "v", 0)), 0);
    for (int round = 0; round < 2; ++round) {
      for (const auto& [name, attr] : before) {
        const Attr now = attr_of(name);
        EXPECT_EQ(now.ino, attr.ino) << name << " " << round;
        EXPECT_EQ(now.mode, attr.mode) << name;
        EXPECT_EQ(now.uid, attr.uid) << name;
        EXPECT_EQ(now.nlink, attr.nlink) << name;
        EXPECT_EQ(now.mtime.tv_sec, attr.mtime.tv_sec) << name;
        EXPECT_EQ(now.mtime.tv_nsec, attr.mtime.tv_nsec) << name;
      }
      EXPECT_EQ(listing("d/e")["f"], before["d/e/f"].ino) << round;
      if (mode == InodeMode::kVirtual) break;  // lasts as long as the mount
      remount();
    }
  }
}

TEST_F(CopyUpTest, HandleFromBeforeSeesWhatIsWrittenAfter) {
  open();
  const NodeId id = at("d/e/f");
  ASSERT_EQ(content(id), "0123456789");
  ASSERT_EQ(put("d/e/f", "x"), 0);

  EXPECT_EQ(content(id), "x123456789");
  ASSERT_EQ(rename("d/e/f", "g"), 0);
  ASSERT_EQ(put("g", "y"), 0);
  EXPECT_EQ(content(id), "y123456789");
}

TEST_F(CopyUpTest, UnlinkedLowerFileCanStillBeWritten) {
  open();
  const NodeId id = at("d/e/f");
  ASSERT_EQ(remove("d/e/f"), 0);

  EXPECT_EQ(content(id), "0123456789");
  EXPECT_EQ(put(id, "x"), 0);
  EXPECT_EQ(content(id), "x123456789");
  EXPECT_EQ(fs().get_attr(id)->nlink, 0U);
  EXPECT_FALSE(has("d/e/f"));
  fs().forget(id, 1000);
  EXPECT_EQ(code_of(fs().get_attr(id)), ESTALE);
}

TEST_F(CopyUpTest, FullDiskLeavesTheLowerFileAndCanBeTriedAgain) {
  for (std::uint64_t n = 1; n < 40; ++n) {
    close();
    std::filesystem::remove_all(path("upper"));
    std::filesystem::remove_all(path("upper.work"));
    open();
    sys::fault::arm_error(n, ENOSPC);
    const int code = put("d/e/f", "x");
    sys::fault::disarm();
    if (code == 0) {
      EXPECT_GT(n, 5U);
      return;
    }
    EXPECT_EQ(code, ENOSPC) << n;
    EXPECT_EQ(content("d/e/f").substr(1), "123456789") << n;
    EXPECT_EQ(put("d/e/f", "y"), 0) << n;
    EXPECT_EQ(content("d/e/f"), "y123456789") << n;
  }
  ADD_FAILURE() << "never done";
}

TEST_F(CopyUpTest, ReadOnlyOverlayRefusesEveryChange) {
  open({.upper = ""});

  EXPECT_TRUE(fs().read_only());
  EXPECT_EQ(put("d/e/f", "x"), EROFS);
  EXPECT_EQ(chmod("d", 0700), EROFS);
  EXPECT_EQ(create("x"), EROFS);
  EXPECT_EQ(remove("d/e/f"), EROFS);
  EXPECT_EQ(remove_directory("d/e"), EROFS);
  EXPECT_EQ(rename("d", "x"), EROFS);
  EXPECT_EQ(link_to("d/e/f", "x"), EROFS);
  EXPECT_EQ(code_of(fs().make_unnamed(caller_, kRootId, S_IFREG | 0600)),
            EROFS);
  EXPECT_EQ(code_of(fs().fallocate(caller_, at("d/e/f"), 0, 0, 1)), EROFS);
  EXPECT_EQ(code_of(fs().set_xattr(caller_, at("d"), "user.k", "v", 0)), EROFS);
}

// --- Threads ----------------------------------------------------------------

TEST_F(CopyUpTest, RacingWritersShareOneCopy) {
  open();
  const NodeId id = at("d/e/f");
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      const char byte = static_cast<char>('a' + t);
      EXPECT_EQ(put(id, std::string_view(&byte, 1), t), 0);
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(copies(), 1U);
  EXPECT_EQ(content(id), "abcdef6789");
}

// Names come, move and go in two directories while others look; afterwards the
// disk says what memory says.
TEST_F(CopyUpTest, ThreadsOnOneTreeLeaveItWhole) {
  for (int i = 0; i < 6; ++i) write("lower/d/n" + std::to_string(i), "low");
  open();
  const NodeId dirs[2] = {at("d"), at("d/e")};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::uint64_t random = t + 1;
      const auto pick = [&](std::uint64_t below) {
        random = random * 6364136223846793005U + 1442695040888963407U;
        return (random >> 33) % below;
      };
      for (int i = 0; i < 120; ++i) {
        const NodeId dir = dirs[pick(2)];
        const std::string name = "n" + std::to_string(pick(6));
        const std::string other = "n" + std::to_string(pick(6));
        switch (pick(5)) {
          case 0: {
            const auto made =
                fs().make(caller_, dir, name, S_IFREG | 0644, 0, {});
            if (made) fs().forget(made->id, 1);
            break;
          }
          case 1:
            (void)code_of(fs().unlink(caller_, dir, name));
            break;
          case 2:
            (void)code_of(
                fs().rename(caller_, dir, name, dirs[pick(2)], other, 0));
            break;
          case 3: {
            const auto found = fs().lookup(dir, name);
            ASSERT_TRUE(found) << found.error().message();
            if (!*found) break;
            (void)put((*found)->id, "w");
            fs().forget((*found)->id, 1);
            break;
          }
          default:
            ASSERT_TRUE(
                fs().read_dir(dir, 0, [](const ListedEntry&) { return true; }));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto before = std::pair(names("d"), names("d/e"));
  std::map<std::string, std::string> contents;
  for (const std::string& name : before.first) {
    if (name != "e") contents[name] = content("d/" + name);
  }

  remount();

  EXPECT_EQ(std::pair(names("d"), names("d/e")), before);
  for (const auto& [name, text] : contents) {
    EXPECT_EQ(content("d/" + name), text) << name;
  }
}

}  // namespace
}  // namespace veneer::overlay
