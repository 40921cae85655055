// SPDX-License-Identifier: MIT
//
// A fuzzer's inputs, its findings among them, for ordinary tests.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace veneer::testing {

/// Gives each file of fuzz/corpus/`name` to `check`: whole, and cut short at
/// each of its bytes. Fails where there is no corpus.
template <typename Check>
void check_corpus(std::string_view name, Check&& check) {
  const std::filesystem::path corpus =
      std::filesystem::path(VENEER_SOURCE_DIR) / "fuzz/corpus" / name;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    std::ostringstream content;
    content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    const std::string bytes = content.str();
    SCOPED_TRACE(entry.path());
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      check(std::string_view(bytes).substr(0, size));
    }
    ++files;
  }
  EXPECT_GT(files, 10) << corpus;
}

}  // namespace veneer::testing
