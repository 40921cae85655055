// SPDX-License-Identifier: MIT
//
// A fresh directory for one test. It is in memory if there is such a place,
// since the disk is not the subject.

#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

namespace veneer::testing {

/// Made at construction, removed with all that is in it at destruction.
class ScratchDir {
 public:
  ScratchDir() : ScratchDir(in_memory()) {}
  explicit ScratchDir(const std::filesystem::path& place)
      : path_(std::filesystem::canonical(place) / "veneer-test-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~ScratchDir() {
    if (!is_made()) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  [[nodiscard]] bool is_made() const { return !path_.empty(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }

 private:
  static std::filesystem::path in_memory() {
    const bool has_shm = std::filesystem::is_directory("/dev/shm");
    return has_shm ? "/dev/shm" : std::filesystem::temp_directory_path();
  }

  std::string path_;
};

}  // namespace veneer::testing
