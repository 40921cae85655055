// SPDX-License-Identifier: MIT
//
// The fuzzer's inputs, its findings among them, as an ordinary test; and what
// is left of each when it is cut short.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "fuzz/overlay_marks.h"

namespace veneer::layer {
namespace {

TEST(FuzzCorpus, OverlayMarksHoldWhatIsPromised) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           VENEER_SOURCE_DIR "/fuzz/corpus/overlay_marks")) {
    std::ostringstream content;
    content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    const std::string bytes = content.str();
    SCOPED_TRACE(entry.path());
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      fuzz::check_overlay_marks(std::string_view(bytes).substr(0, size));
    }
    ++files;
  }
  EXPECT_GT(files, 10);
}

}  // namespace
}  // namespace veneer::layer
