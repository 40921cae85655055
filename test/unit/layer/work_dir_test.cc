// SPDX-License-Identifier: MIT
//
// The work directory: swept when it is opened, whatever a crash left there.

#include "layer/host/work_dir.h"

#include <thread>
#include <vector>

#include "test/unit/layer/scratch.h"

namespace veneer::layer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using veneer::testing::code_of;

class WorkDirTest : public veneer::testing::Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    make_dir("w");
  }
  std::unique_ptr<WorkDir> open(bool index = false) {
    auto work = WorkDir::open(open_path("w").get(), index);
    EXPECT_TRUE(work) << work.error().message();
    return work ? *std::move(work) : nullptr;
  }
};

TEST_F(WorkDirTest, OpensWithoutAnIndexUnlessAskedForOne) {
  const auto work = open();

  EXPECT_EQ(work->index_fd(), -1);
  EXPECT_THAT(names_in("w"), ElementsAre("work"));
}

TEST_F(WorkDirTest, IndexIsKeptWhenSwept) {
  open(true).reset();
  write("w/index/00fb", "copy");
  write("w/work/#1", "left");

  const auto work = open(true);

  EXPECT_GE(work->index_fd(), 0);
  EXPECT_THAT(names_in("w/index"), ElementsAre("00fb"));
  EXPECT_THAT(names_in("w/work"), IsEmpty());
}

TEST_F(WorkDirTest, SweepTakesEveryKindOfObject) {
  write("w/work/dir/sub/file", "x");
  make_link("/etc/passwd", "w/work/link");
  ASSERT_EQ(::mkfifo(path("w/work/fifo").c_str(), 0600), 0);
  whiteout("w/work/whiteout");
  make_dir("w/work/shut", 0);

  open();

  EXPECT_THAT(names_in("w/work"), IsEmpty());
}

TEST_F(WorkDirTest, SweepFollowsNoLink) {
  write("kept/file", "x");
  make_dir("w/work");
  make_link(path("kept"), "w/work/link");

  open();

  EXPECT_TRUE(exists("kept/file"));
  EXPECT_THAT(names_in("w/work"), IsEmpty());
}

TEST_F(WorkDirTest, SweepTakesADirectoryOfAnyDepth) {
  make_deep("w/work", "d", 20'000);

  open();

  EXPECT_THAT(names_in("w/work"), IsEmpty());
}

TEST_F(WorkDirTest, SweepGoesOnWhereOneWasInterrupted) {
  // A sweep that was killed leaves what it had moved up.
  for (const char* left :
       {"w/work/#deep0", "w/work/#deep1", "w/work/a", "w/work/z"}) {
    make_deep(left, "d", 150);
  }

  open();

  EXPECT_THAT(names_in("w/work"), IsEmpty());
}

TEST_F(WorkDirTest, FreshNamesAreNeverTheSame) {
  const auto work = open();
  std::vector<std::string> names[4];
  std::vector<std::thread> threads;
  for (auto& mine : names) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) mine.push_back(work->fresh_name());
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::set<std::string> all;
  for (const auto& mine : names) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 4000U);
}

TEST_F(WorkDirTest, WhiteoutsAreLinksOfOneInode) {
  const auto work = open();

  const auto first = work->make_whiteout();
  const auto second = work->make_whiteout();
  make_dir("u");
  ASSERT_TRUE(work->link_whiteout(open_path("u").get(), "gone"));

  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  EXPECT_TRUE(is_whiteout("w/work/" + *first));
  EXPECT_TRUE(is_whiteout("u/gone"));
  EXPECT_EQ(stat_of("w/work/" + *first).st_ino, stat_of("u/gone").st_ino);
  EXPECT_EQ(stat_of("w/work/" + *second).st_ino, stat_of("u/gone").st_ino);
}

TEST_F(WorkDirTest, LinkWhiteoutLeavesATakenNameAlone) {
  const auto work = open();
  write("u/taken", "mine");

  EXPECT_EQ(code_of(work->link_whiteout(open_path("u").get(), "taken")),
            EEXIST);

  EXPECT_EQ(read("u/taken"), "mine");
}

TEST_F(WorkDirTest, WornOutWhiteoutIsReplacedByAnotherOne) {
  const auto work = open();
  make_dir("u");
  ASSERT_TRUE(work->link_whiteout(open_path("u").get(), "a"));
  // The second change from here on is the link: say that it has too many.
  sys::fault::arm_error(1, EMLINK);

  const auto linked = work->link_whiteout(open_path("u").get(), "b");

  sys::fault::disarm();
  ASSERT_TRUE(linked) << linked.error().message();
  EXPECT_TRUE(is_whiteout("u/b"));
  EXPECT_NE(stat_of("u/a").st_ino, stat_of("u/b").st_ino);
}

TEST_F(WorkDirTest, DiscardTakesFilesTreesAndWhatIsNotThere) {
  const auto work = open();
  write("w/work/file", "x");
  write("w/work/tree/a/b", "x");
  make_link("nowhere", "w/work/link");

  for (const char* name : {"file", "tree", "link", "absent"}) {
    work->discard(name);
  }

  EXPECT_THAT(names_in("w/work"), IsEmpty());
}

TEST_F(WorkDirTest, DiscardTakesADirectoryOfAnyDepthByTheNextMount) {
  {
    const auto work = open();
    for (const char* name : {"w/work/#1", "w/work/#2"}) {
      make_deep(name, "d", 200);
    }
    work->discard("#1");
    work->discard("#2");
    EXPECT_FALSE(exists("w/work/#1"));
    EXPECT_FALSE(exists("w/work/#2"));
  }

  open();

  EXPECT_THAT(names_in("w/work"), IsEmpty());
}

TEST_F(WorkDirTest, ThreadsShareTheKeptWhiteout) {
  const auto work = open();
  make_dir("u");
  const sys::UniqueFd upper = open_path("u");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string name = std::to_string(t) + "-" + std::to_string(i);
        EXPECT_TRUE(work->link_whiteout(upper.get(), name.c_str()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(names_in("u").size(), 200U);
  EXPECT_EQ(stat_of("u/0-0").st_nlink, 201U);
}

}  // namespace
}  // namespace veneer::layer
