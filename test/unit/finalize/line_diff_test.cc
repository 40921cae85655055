// SPDX-License-Identifier: MIT
//
// Line diffs: shortest by comparison with the textbook's table, right by
// patch(1), and in the form of diff(1).

#include "finalize/line_diff.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

#include "test/support/process.h"
#include "test/support/scratch_dir.h"

namespace veneer::finalize {
namespace {

using veneer::testing::run;

std::string hunks_of(std::string_view before, std::string_view after) {
  const auto a = split_lines(before);
  const auto b = split_lines(after);
  std::string text;
  write_hunks(a, b, diff_lines(a, b),
              [&](std::string_view piece) { text += piece; });
  return text;
}

// What the edits make of `before`.
std::string edited(std::string_view before, std::string_view after) {
  const auto a = split_lines(before);
  const auto b = split_lines(after);
  std::string text;
  std::size_t i = 0;
  for (const Edit& edit : diff_lines(a, b)) {
    for (; i < edit.begin; ++i) text += a[i];
    i = edit.end;
    for (std::size_t j = edit.new_begin; j < edit.new_end; ++j) text += b[j];
  }
  for (; i < a.size(); ++i) text += a[i];
  return text;
}

std::size_t cost_of(std::string_view before, std::string_view after) {
  std::size_t cost = 0;
  for (const Edit& edit : diff_lines(split_lines(before), split_lines(after))) {
    cost += edit.end - edit.begin + edit.new_end - edit.new_begin;
  }
  return cost;
}

// The length of a shortest script, from the table of all prefixes.
std::size_t least_cost(std::string_view before, std::string_view after) {
  const auto a = split_lines(before);
  const auto b = split_lines(after);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = a[i] == b[j] ? corner + 1 : std::max(above, row[j]);
      corner = above;
    }
  }
  return a.size() + b.size() - 2 * row.back();
}

class Texts {
 public:
  explicit Texts(std::uint32_t seed) : random_(seed) {}

  std::string text(std::size_t most_lines, unsigned kinds) {
    std::string text;
    for (std::size_t n = number(most_lines + 1); n > 0; --n)
      text += line(kinds);
    if (!text.empty() && number(4) == 0) text.pop_back();
    return text;
  }
  // A few lines of `before` go and come.
  std::string changed(std::string_view before, unsigned kinds) {
    std::string text;
    for (const auto line_before : split_lines(before)) {
      if (number(8) == 0) text += line(kinds);
      if (number(8) != 0) text += line_before;
    }
    return text;
  }

 private:
  std::size_t number(std::size_t below) { return random_() % below; }
  std::string line(unsigned kinds) {
    return fmt::format("{}\n", number(kinds));
  }
  std::mt19937 random_;
};

TEST(LineDiff, SplitsAfterEachLineFeed) {
  using Lines = std::vector<std::string_view>;
  EXPECT_EQ(split_lines(""), Lines{});
  EXPECT_EQ(split_lines("a\n\nb"), (Lines{"a\n", "\n", "b"}));
}

TEST(LineDiff, EqualTextsHaveNoEdits) {
  EXPECT_EQ(diff_lines(split_lines("a\nb\n"), split_lines("a\nb\n")),
            std::vector<Edit>{});
  EXPECT_EQ(diff_lines({}, {}), std::vector<Edit>{});
}

TEST(LineDiff, IsShortestAndRight) {
  Texts texts(1);
  for (int i = 0; i < 4000; ++i) {
    const unsigned kinds = 1 + static_cast<unsigned>(i) % 7;
    const std::string a = texts.text(24, kinds);
    const std::string b = texts.text(24, kinds);
    ASSERT_EQ(edited(a, b), b) << a << "---\n" << b;
    ASSERT_EQ(cost_of(a, b), least_cost(a, b)) << a << "---\n" << b;
  }
}

TEST(LineDiff, EditsHaveCommonLinesBetweenThem) {
  Texts texts(2);
  for (int i = 0; i < 1000; ++i) {
    const std::string a = texts.text(30, 4);
    const auto edits =
        diff_lines(split_lines(a), split_lines(texts.text(30, 4)));
    for (std::size_t e = 1; e < edits.size(); ++e) {
      ASSERT_GT(edits[e].begin, edits[e - 1].end);
      ASSERT_EQ(edits[e].begin - edits[e - 1].end,
                edits[e].new_begin - edits[e - 1].new_end);
    }
  }
}

TEST(LineDiff, AppendedBlockIsShownAtItsEnd) {
  EXPECT_EQ(hunks_of("{\n1\n}\n", "{\n1\n}\n{\n2\n}\n"),
            "@@ -1,3 +1,6 @@\n {\n 1\n }\n+{\n+2\n+}\n");
}

TEST(LineDiff, EmptySidesAndMissingLineFeeds) {
  EXPECT_EQ(hunks_of("", "a\nb\n"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
  EXPECT_EQ(hunks_of("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
  EXPECT_EQ(hunks_of("a", "a\n"),
            "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
  EXPECT_EQ(hunks_of("x\na", "y\na"),
            "@@ -1,2 +1,2 @@\n-x\n+y\n a\n\\ No newline at end of file\n");
}

TEST(LineDiff, HunksAreThoseOfDiff) {
  // Lines that are all different: there is one shortest script only.
  const veneer::testing::ScratchDir scratch;
  ASSERT_TRUE(scratch.is_made());
  std::string before;
  for (int i = 0; i < 100; ++i) before += fmt::format("line {}\n", i);
  for (const std::vector<int>& gone : std::vector<std::vector<int>>{
           {0}, {99}, {50}, {10, 17}, {10, 18}, {10, 11, 12, 19, 70}}) {
    std::string after;
    int number = 0;
    for (const auto line : split_lines(before)) {
      const bool goes = std::ranges::find(gone, number++) != gone.end();
      if (!goes) after += line;
      if (goes && number % 2 == 0) after += "another\n";
    }
    std::ofstream(scratch.path("a")) << before;
    std::ofstream(scratch.path("b")) << after;
    const auto diff = run({"diff", "-u", "--label=a", "--label=b",
                           scratch.path("a"), scratch.path("b")});
    ASSERT_EQ(diff.status, 1);
    EXPECT_EQ("--- a\n+++ b\n" + hunks_of(before, after), diff.out);
  }
}

TEST(LineDiff, PatchTakesIt) {
  const veneer::testing::ScratchDir scratch;
  ASSERT_TRUE(scratch.is_made());
  Texts texts(3);
  for (int i = 0; i < 60; ++i) {
    const std::string before = texts.text(200, 40);
    const std::string after = texts.changed(before, 40);
    if (before == after) continue;
    std::ofstream(scratch.path("a"), std::ios::binary) << before;
    std::ofstream(scratch.path("p"), std::ios::binary)
        << "--- a\n+++ a\n"
        << hunks_of(before, after);
    const auto patched = run({"patch", "-s", "-F0", "-o", scratch.path("b"),
                              scratch.path("a"), scratch.path("p")});
    ASSERT_EQ(patched.status, 0) << patched.out << patched.err;
    ASSERT_EQ(patched.out + patched.err, "") << "nothing may be fuzzy";
    std::ifstream file(scratch.path("b"), std::ios::binary);
    ASSERT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), after);
  }
}

TEST(LineDiff, LongAndDifferentTextsTakeBoundedTime) {
  std::mt19937 random(4);
  std::string a, b;
  for (int i = 0; i < 10'000; ++i) {
    a += fmt::format("{}\n", random() % 500);
    b += fmt::format("{}\n", random() % 500);
  }
  const double start = veneer::testing::thread_seconds();
  EXPECT_TRUE(edited(a, b) == b);
  EXPECT_LT(veneer::testing::thread_seconds() - start, 10);
}

TEST(LineDiff, OneChangeInALongTextIsFoundAtOnce) {
  std::string a, b;
  for (int i = 0; i < 100'000; ++i) {
    a += "same\n";
    b += i == 50'000 ? "other\n" : "same\n";
  }
  EXPECT_EQ(cost_of(a, b), 2U);
}

}  // namespace
}  // namespace veneer::finalize
