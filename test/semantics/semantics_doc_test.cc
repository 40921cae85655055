// SPDX-License-Identifier: MIT
//
// docs/semantics.md against the tests it cites: a row for each of the 73
// points, and every cited test one that exists.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

namespace veneer::testing {
namespace {

std::string read_document() {
#ifdef VENEER_SOURCE_DIR
  std::ifstream in(VENEER_SOURCE_DIR "/docs/semantics.md");
#else
  std::ifstream in("docs/semantics.md");
#endif
  return {std::istreambuf_iterator<char>(in), {}};
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
  const std::string text = read_document();

  for (int row = 1; row <= 73; ++row) {
    const std::regex line("\n\\| " + std::to_string(row) +
                          " \\|[^\n]*[A-Za-z]+Test\\.[A-Za-z0-9]+[^\n]*\\|\n");
    EXPECT_TRUE(std::regex_search(text, line)) << "row " << row;
  }
}

TEST(SemanticsDocTest, EveryCitedTestExists) {
  const std::string text = read_document();
  const std::set<std::string> tests = registered_tests();
  const std::regex citation("[A-Za-z0-9]+Test\\.[A-Z][A-Za-z0-9]+");

  for (std::sregex_iterator it(text.begin(), text.end(), citation), end;
       it != end; ++it) {
    EXPECT_TRUE(tests.contains(it->str())) << it->str();
  }
}

}  // namespace
}  // namespace veneer::testing
