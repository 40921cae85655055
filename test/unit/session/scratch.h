// SPDX-License-Identifier: MIT
//
// An empty directory for one test, and short ways to fill it.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "test/support/scratch_dir.h"

namespace veneer::session {

class ScratchTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(scratch_.is_made()); }

  std::string path(const std::string& name) const {
    return std::filesystem::path(scratch_.path()) / name;
  }
  std::string dir(const std::string& name) const {
    std::filesystem::create_directories(path(name));
    return path(name);
  }
  std::string file(const std::string& name) const {
    std::ofstream(path(name)) << "text";
    return path(name);
  }
  bool exists(const std::string& name) const {
    return std::filesystem::exists(std::filesystem::symlink_status(path(name)));
  }

 private:
  veneer::testing::ScratchDir scratch_;
};

}  // namespace veneer::session
