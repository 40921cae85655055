// SPDX-License-Identifier: MIT
//
// Directories of one test that are to be layers: filled by hand, with the marks
// of the kernel's overlayfs and of the aufs form, and read back by hand.
//
// Everything is removed afterwards, whatever its depth.

#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "layer/host/open_layers.h"
#include "layer/host/work_dir.h"
#include "sys/fault.h"
#include "sys/fd.h"
#include "test/support/result.h"
#include "test/support/scratch_dir.h"

namespace veneer::testing {

inline bool is_root() { return ::geteuid() == 0; }

inline std::string form_name(
    const ::testing::TestParamInfo<layer::WhiteoutForm>& info) {
  return info.param == layer::WhiteoutForm::kKernel ? "Kernel" : "DotWh";
}

class Scratch : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made());
    ASSERT_EQ(::chmod(scratch_.path().c_str(), 0755), 0);
  }
  void TearDown() override {
    sys::fault::disarm();
    // Trees that are too deep for the standard library.
    const sys::UniqueFd dir(
        ::open(scratch_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ignore_error(layer::remove_contents(dir.get()));
  }

  std::string path(std::string_view name) const { return scratch_.path(name); }

  // --- Filling ---
  void make_dir(std::string_view name, mode_t mode = 0755) const {
    std::filesystem::create_directories(path(name));
    ASSERT_EQ(::chmod(path(name).c_str(), mode), 0) << name;
  }
  void write(std::string_view name, std::string_view content,
             mode_t mode = 0644) const {
    const std::size_t slash = name.rfind('/');
    if (slash != name.npos) {
      std::filesystem::create_directories(path(name.substr(0, slash)));
    }
    std::ofstream(path(name), std::ios::binary) << content;
    ASSERT_EQ(::chmod(path(name).c_str(), mode), 0) << name;
  }
  void make_link(std::string_view target, std::string_view name) const {
    ASSERT_EQ(::symlink(std::string(target).c_str(), path(name).c_str()), 0);
  }
  /// Another name, of a symbolic link itself too.
  void hard_link(std::string_view name, std::string_view another) const {
    ASSERT_EQ(::link(path(name).c_str(), path(another).c_str()), 0) << another;
  }
  /// A character device 0:0.
  void whiteout(std::string_view name) const {
    ASSERT_EQ(::mknod(path(name).c_str(), S_IFCHR, 0), 0) << name;
  }
  void set_xattr(std::string_view name, const std::string& xattr,
                 std::string_view value) const {
    ASSERT_EQ(::lsetxattr(path(name).c_str(), xattr.c_str(), value.data(),
                          value.size(), 0),
              0)
        << name << " " << xattr << ": " << std::strerror(errno);
  }
  /// Sets overlay.`suffix` in the namespace of whoever runs the test.
  void mark(std::string_view name, std::string_view suffix,
            std::string_view value) const {
    set_xattr(name, own(suffix), value);
  }

  // --- Reading ---
  static std::string own(std::string_view suffix) {
    return (is_root() ? "trusted.overlay." : "user.overlay.") +
           std::string(suffix);
  }
  std::string read(std::string_view name) const {
    std::ostringstream content;
    content << std::ifstream(path(name), std::ios::binary).rdbuf();
    return content.str();
  }
  std::optional<std::string> xattr(std::string_view name,
                                   const std::string& xattr) const {
    std::string value(65536, '\0');
    const ssize_t size = ::lgetxattr(path(name).c_str(), xattr.c_str(),
                                     value.data(), value.size());
    if (size < 0) return std::nullopt;
    value.resize(static_cast<std::size_t>(size));
    return value;
  }
  std::optional<std::string> mark_of(std::string_view name,
                                     std::string_view suffix) const {
    return xattr(name, own(suffix));
  }
  struct stat stat_of(std::string_view name) const {
    struct stat status{};
    EXPECT_EQ(::lstat(path(name).c_str(), &status), 0) << name;
    return status;
  }
  bool exists(std::string_view name) const {
    struct stat status{};
    return ::lstat(path(name).c_str(), &status) == 0;
  }
  bool is_whiteout(std::string_view name) const {
    struct stat status{};
    return ::lstat(path(name).c_str(), &status) == 0 &&
           S_ISCHR(status.st_mode) && status.st_rdev == 0;
  }
  std::set<std::string> names_in(std::string_view name) const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path(name))) {
      names.insert(entry.path().filename());
    }
    return names;
  }

  /// An O_PATH descriptor.
  sys::UniqueFd open_path(std::string_view name) const {
    return sys::UniqueFd(
        ::open(path(name).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  }

  /// `top`/`name`/`name`/... `depth` levels down, deeper than any path.
  void make_deep(std::string_view top, const char* name, int depth) const {
    make_dir(top);
    sys::UniqueFd at = open_path(top);
    for (int i = 0; i < depth; ++i) {
      ASSERT_EQ(::mkdirat(at.get(), name, 0755), 0);
      at = sys::UniqueFd(
          ::openat(at.get(), name, O_PATH | O_DIRECTORY | O_CLOEXEC));
      ASSERT_TRUE(at);
    }
  }

 private:
  ScratchDir scratch_;
};

}  // namespace veneer::testing
