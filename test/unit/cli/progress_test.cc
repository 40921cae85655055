// SPDX-License-Identifier: MIT
//
// The bar at every width, and answers as people type them.

#include "cli/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "cli/ask.h"

namespace veneer::cli {
namespace {

TEST(ProgressMode, HasFourWords) {
  EXPECT_EQ(parse_progress_mode("auto"), ProgressMode::kAuto);
  EXPECT_EQ(parse_progress_mode("on"), ProgressMode::kOn);
  EXPECT_EQ(parse_progress_mode("off"), ProgressMode::kOff);
  EXPECT_EQ(parse_progress_mode("json"), ProgressMode::kJson);
  EXPECT_EQ(parse_progress_mode(""), std::nullopt);
  EXPECT_EQ(parse_progress_mode("JSON"), std::nullopt);
}

TEST(DrawBar, FillsWithTheWork) {
  EXPECT_EQ(draw_bar({.stage = "copying", .done = 1, .total = 4}, 25),
            "copying   [##......]  25%");
  EXPECT_EQ(draw_bar({.stage = "copying", .done = 4, .total = 4}, 25),
            "copying   [########] 100%");
}

TEST(DrawBar, SaysAllOnlyWhenAllIsDone) {
  EXPECT_EQ(draw_bar({.stage = "copying", .done = 9999, .total = 10000}, 25),
            "copying   [#######.]  99%");
  EXPECT_EQ(draw_bar({.stage = "copying", .done = 12, .total = 10}, 25),
            "copying   [########] 100%");
}

TEST(DrawBar, CountsWhereTheEndIsNotKnown) {
  EXPECT_EQ(draw_bar({.stage = "scanning", .done = 17, .total = 0}, 80),
            "scanning: 17");
}

TEST(DrawBar, NeverLeavesItsLine) {
  constexpr auto kMost = ~std::uint64_t{0};
  for (int columns = -1; columns <= 200; ++columns) {
    for (const finalize::Progress& progress :
         {finalize::Progress{.stage = "applying", .done = 3, .total = 7},
          finalize::Progress{.stage = "applying", .done = kMost, .total = 0},
          finalize::Progress{.stage = "applying", .done = 1, .total = kMost}}) {
      EXPECT_LE(static_cast<int>(draw_bar(progress, columns).size()),
                std::max(columns, 0));
    }
  }
}

TEST(MatchAnswer, TakesBeginningsThatMeanOneThing) {
  constexpr std::array<std::string_view, 4> kWords = {"preserve", "discard",
                                                      "commit", "compare"};

  EXPECT_EQ(match_answer("discard", kWords), "discard");
  EXPECT_EQ(match_answer("d", kWords), "discard");
  EXPECT_EQ(match_answer("comm", kWords), "commit");
  EXPECT_EQ(match_answer("com", kWords), "");
  EXPECT_EQ(match_answer("", kWords), "");
  EXPECT_EQ(match_answer("x", kWords), "");
  EXPECT_EQ(match_answer("discards", kWords), "");
}

}  // namespace
}  // namespace veneer::cli
