// SPDX-License-Identifier: MIT
//
// The fuzzer's option strings as an ordinary test, whole and cut short.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "fuzz/option_string.h"

namespace veneer::session {
namespace {

TEST(FuzzCorpus, OptionStringsAreUnderstoodOrRefused) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           VENEER_SOURCE_DIR "/fuzz/corpus/option_string")) {
    std::ostringstream content;
    content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    const std::string text = content.str();
    SCOPED_TRACE(entry.path());
    for (std::size_t size = 0; size <= text.size(); ++size) {
      fuzz::check_option_string(std::string_view(text).substr(0, size));
    }
    ++files;
  }
  EXPECT_GT(files, 10);
}

}  // namespace
}  // namespace veneer::session
