// SPDX-License-Identifier: MIT
//
// An empty directory for one test, removed with all that is in it.

#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace veneer::session {

class ScratchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "veneerXXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = std::filesystem::canonical(name);
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  std::string path(const std::string& name) const { return root_ / name; }
  std::string dir(const std::string& name) const {
    std::filesystem::create_directories(root_ / name);
    return root_ / name;
  }
  std::string file(const std::string& name) const {
    std::ofstream(root_ / name) << "text";
    return root_ / name;
  }
  bool exists(const std::string& name) const {
    return std::filesystem::exists(
        std::filesystem::symlink_status(root_ / name));
  }

 private:
  std::filesystem::path root_;
};

}  // namespace veneer::session
