// SPDX-License-Identifier: MIT
//
// A directory for one test, and short ways to fill and read it.

#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "sys/fault.h"
#include "sys/fd.h"
#include "sys/open.h"
#include "test/support/result.h"
#include "test/support/scratch_dir.h"

namespace veneer::sys {

using veneer::testing::code_of;

class TempDirTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made());
    auto opened = open_dir(scratch_.path());
    ASSERT_TRUE(opened);
    dir_ = *std::move(opened);
  }
  void TearDown() override {
    fault::disarm();
    fault::pretend_old_kernel(false);
  }

  /// An O_PATH descriptor.
  int dir() const { return dir_.get(); }
  std::string path(std::string_view name) const { return scratch_.path(name); }
  bool exists(std::string_view name) const {
    return std::filesystem::exists(std::filesystem::symlink_status(path(name)));
  }
  void write(std::string_view name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
  }
  std::string read(std::string_view name) const {
    std::ostringstream content;
    content << std::ifstream(path(name), std::ios::binary).rdbuf();
    return content.str();
  }
  void link(std::string_view target, std::string_view name) const {
    std::filesystem::create_symlink(target, path(name));
  }
  void make_dir(std::string_view name) const {
    std::filesystem::create_directories(path(name));
  }
  UniqueFd open(const char* name, int flags, mode_t mode = 0644) const {
    return UniqueFd(
        ::openat(dir(), name, flags | O_CLOEXEC | O_NOFOLLOW, mode));
  }

 private:
  veneer::testing::ScratchDir scratch_;
  UniqueFd dir_;
};

/// Runs its tests as the kernel is, and as if it were an old one.
class EitherKernelTest : public TempDirTest,
                         public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    fault::pretend_old_kernel(GetParam());
  }
};

inline std::string kernel_name(const ::testing::TestParamInfo<bool>& info) {
  return info.param ? "OldKernel" : "ThisKernel";
}

#define VENEER_ON_EITHER_KERNEL(suite) \
  INSTANTIATE_TEST_SUITE_P(Kernels, suite, ::testing::Bool(), kernel_name)

}  // namespace veneer::sys
