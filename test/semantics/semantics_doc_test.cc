// SPDX-License-Identifier: MIT
//
// docs/semantics.md against the tests it cites: a row for each of the 73
// points, and every cited test one that exists.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace veneer::testing {
namespace {

std::vector<std::string> read_document() {
  std::ifstream in(VENEER_SOURCE_DIR "/docs/semantics.md");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// What a line has of the form "SomeTest.SomeName".
std::vector<std::string> citations(std::string_view line) {
  constexpr std::string_view kMiddle = "Test.";
  const auto is_word = [&](std::size_t at) {
    return at < line.size() &&
           std::isalnum(static_cast<unsigned char>(line[at])) != 0;
  };
  std::vector<std::string> found;
  for (std::size_t at = line.find(kMiddle); at != line.npos;
       at = line.find(kMiddle, at + 1)) {
    std::size_t begin = at;
    std::size_t end = at + kMiddle.size();
    while (begin > 0 && is_word(begin - 1)) --begin;
    while (is_word(end)) ++end;
    if (end > at + kMiddle.size()) {
      found.emplace_back(line.substr(begin, end - begin));
    }
  }
  return found;
}

// "Suite.Name" of every registered test, without the target.
std::set<std::string> registered_tests() {
  std::set<std::string> names;
  const auto* unit = ::testing::UnitTest::GetInstance();
  for (int i = 0; i < unit->total_test_suite_count(); ++i) {
    const auto* suite = unit->GetTestSuite(i);
    for (int k = 0; k < suite->total_test_count(); ++k) {
      const std::string name = suite->GetTestInfo(k)->name();
      names.insert(suite->name() + ("." + name.substr(0, name.find('/'))));
    }
  }
  return names;
}

TEST(SemanticsDocTest, EveryPointHasARowThatCitesATest) {
  const auto lines = read_document();

  for (int row = 1; row <= 73; ++row) {
    const std::string start = "| " + std::to_string(row) + " |";
    EXPECT_TRUE(std::ranges::any_of(lines,
                                    [&](const std::string& line) {
                                      return line.starts_with(start) &&
                                             !citations(line).empty();
                                    }))
        << "row " << row;
  }
}

TEST(SemanticsDocTest, EveryCitedTestExists) {
  const std::set<std::string> tests = registered_tests();

  for (const std::string& line : read_document()) {
    for (const std::string& name : citations(line)) {
      EXPECT_TRUE(tests.contains(name)) << name;
    }
  }
}

}  // namespace
}  // namespace veneer::testing
