// SPDX-License-Identifier: MIT
//
// Images from dumps, in memory.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "composefs/dump_text.h"
#include "composefs/image_writer.h"
#include "composefs/plan.h"
#include "test/unit/composefs/hand_made.h"

namespace veneer::composefs {

/// The first line of a dump.
inline const std::string kDumpRoot = "/ 0 40755 2 0 0 0 0.0 - - -\n";

inline std::string image_of(const std::string& dump,
                            ImageVersions versions = {}) {
  const auto tree = read_dump(dump);
  EXPECT_TRUE(tree) << tree.error().message();
  if (!tree) return {};
  const auto plan = Plan::make(**tree, versions);
  EXPECT_TRUE(plan) << plan.error().message();
  if (!plan) return {};
  const sys::UniqueFd fd(::memfd_create("image", MFD_CLOEXEC));
  const auto written = write_image(**plan, fd.get());
  EXPECT_TRUE(written) << written.error().message();
  if (!written) return {};
  std::string bytes(written->size, '\0');
  EXPECT_EQ(::pread(fd.get(), bytes.data(), bytes.size(), 0),
            static_cast<ssize_t>(bytes.size()));
  return bytes;
}

/// The dumps of test/golden, by name.
inline std::vector<std::pair<std::string, std::string>> golden_dumps() {
  std::vector<std::pair<std::string, std::string>> dumps;
  const std::filesystem::path dir =
      std::filesystem::path(VENEER_SOURCE_DIR) / "test/golden/composefs";
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().extension() != ".dump") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    dumps.emplace_back(entry.path().stem(), text.str());
  }
  EXPECT_GT(dumps.size(), 10U) << dir;
  std::ranges::sort(dumps);
  return dumps;
}

}  // namespace veneer::composefs
