// SPDX-License-Identifier: MIT
//
// Commits of a part, and what is found out before a commit begins.

#include "finalize/commit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sys/xattr.h"
#include "test/unit/finalize/finish_scene.h"

namespace veneer::finalize {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

class Commit : public testing::FinishScene {
 protected:
  void SetUp() override {
    FinishScene::SetUp();
    if (!testing::is_root()) GTEST_SKIP() << "needs root";
  }
};

TEST_F(Commit, WhatIsLeftKeepsTheAttributesThatUsersGave) {
  write("lower/d/old", "text");
  open();
  ASSERT_EQ(remove("d/old"), 0);
  ASSERT_EQ(remove_directory("d"), 0);
  ASSERT_EQ(make_directory("d"), 0);
  ASSERT_EQ(create("d/taken"), 0);
  ASSERT_EQ(create("d/left"), 0);
  ASSERT_TRUE(
      fs().set_xattr(caller_, at("d"), "user.overlay.opaque", "mine", 0));

  ASSERT_EQ(commit({.exclude = {"left"}, .progress = {}}), "");

  EXPECT_THAT(lines(), ElementsAre("A d/left"));
  const auto kept = sys::get_xattr_at(AT_FDCWD, path("upper/d").c_str(),
                                      "user.overlay.opaque");
  ASSERT_TRUE(kept) << kept.error().message();
  EXPECT_THAT(*kept, Optional(std::string("mine")));
  EXPECT_TRUE(exists("lower/d/taken"));
  EXPECT_FALSE(exists("lower/d/old"));
}

TEST_F(Commit, OneThatIsAtomicCountsTheFilesItCopies) {
  write("lower/f", "text");
  open();
  ASSERT_EQ(put("f", "TEXT"), 0);
  close();

  const auto in_place =
      finalize::commit(directories(), {.dry_run = true, .progress = {}});
  const auto atomic = finalize::commit(
      directories(), {.atomic = true, .dry_run = true, .progress = {}});

  ASSERT_TRUE(in_place) << in_place.error().message();
  ASSERT_TRUE(atomic) << atomic.error().message();
  EXPECT_EQ(in_place->plan.moved_files, 1U);
  EXPECT_EQ(in_place->plan.copied_files, 0U);
  EXPECT_EQ(atomic->plan.moved_files, 0U);
  EXPECT_EQ(atomic->plan.copied_files, 1U);
  EXPECT_GT(atomic->plan.copied_bytes, 0U);
}

}  // namespace
}  // namespace veneer::finalize
