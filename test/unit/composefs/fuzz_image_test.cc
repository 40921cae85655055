// SPDX-License-Identifier: MIT
//
// What the fuzzer found, and what it began with.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "fuzz/composefs_image.h"

namespace veneer::composefs {
namespace {

TEST(FuzzCorpus, ImagesKeepTheReadersPromises) {
  const std::filesystem::path corpus =
      std::filesystem::path(VENEER_SOURCE_DIR) / "fuzz/corpus/composefs_image";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    std::ostringstream content;
    content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    const std::string bytes = content.str();
    SCOPED_TRACE(entry.path());
    fuzz::check_composefs_image(bytes);
    for (std::size_t size = 1024; size < bytes.size(); size += 61) {
      fuzz::check_composefs_image(std::string_view(bytes).substr(0, size));
    }
    ++files;
  }
  EXPECT_GT(files, 10) << corpus;
}

}  // namespace
}  // namespace veneer::composefs
