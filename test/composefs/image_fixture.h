// SPDX-License-Identifier: MIT
//
// A directory with a source, and the program run on it.

#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "test/support/overlay_test.h"
#include "test/support/process.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"

namespace veneer::testing {

class ImageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (veneer_program().empty()) VENEER_SKIP_WITHOUT("the program veneer");
    ASSERT_TRUE(scratch_.is_made());
    std::filesystem::create_directory(path("src"));
    build_tree({{"", Dir().mtime(0)},
                {"bin", Symlink("usr/bin").mtime(0)},
                {"etc", Dir().mtime(0)},
                {"etc/motd", File("hello\n").mtime(0)},
                {"etc/same", File(std::string(5000, 'x')).mtime(0)},
                {"lib", File(std::string(5000, 'x')).mtime(0)},
                {"tool", File(std::string(70000, 't')).mode(0755).mtime(0)}},
               path("src"));
  }

  [[nodiscard]] std::string path(const std::string& name) const {
    return scratch_.path(name);
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    return std::filesystem::exists(path(name));
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path(name), std::ios::binary).rdbuf();
    return text.str();
  }

  /// veneer composefs `arguments`
  Finished composefs(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {veneer_program(), "composefs"});
    return run(arguments);
  }
  /// The program under another name.
  Finished as(const std::string& name,
              std::vector<std::string> arguments) const {
    const std::string link = path(name);
    std::error_code ignored;
    std::filesystem::create_symlink(veneer_program(), link, ignored);
    arguments.insert(arguments.begin(), link);
    return run(arguments);
  }
  /// Makes "a.cfs" and the store "store" of "src".
  void make() const {
    const Finished end = composefs(
        {"create", "--objects", path("store"), path("src"), path("a.cfs")});
    ASSERT_EQ(end.status, 0) << end.err;
  }

  ScratchDir scratch_;
};

}  // namespace veneer::testing
