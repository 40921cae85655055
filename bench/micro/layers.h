// SPDX-License-Identifier: MIT
//
// A lower directory of empty files with a merged tree over it, for measuring
// the engine without FUSE. On /dev/shm, so that no disk is measured.

#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "layer/host/open_layers.h"
#include "overlay/filesystem.h"

namespace veneer::bench {

inline std::string file_name(int file) { return fmt::format("file{}", file); }

class Layers {
 public:
  /// `count` files of `size` bytes in each of `layers` lower directories.
  Layers(int layers, int count, std::size_t size) {
    char path[] = "/dev/shm/veneer-micro-XXXXXX";
    if (::mkdtemp(path) == nullptr) fail("mkdtemp");
    root_ = path;
    for (int layer = 0; layer < layers; ++layer) {
      lowers_.push_back(fmt::format("{}/lower{}", root_, layer));
      std::filesystem::create_directory(lowers_.back());
      for (int file = 0; file < count; ++file) {
        const std::string name = lowers_.back() + "/" + file_name(file);
        const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT, 0644);
        if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(size)) != 0) {
          fail("lower file");
        }
        ::close(fd);
      }
    }
  }
  ~Layers() {
    filesystem_.reset();
    std::filesystem::remove_all(root_);
  }
  Layers(const Layers&) = delete;
  Layers& operator=(const Layers&) = delete;

  /// A merged tree that knows nothing yet, with an empty upper.
  overlay::Filesystem& fresh() {
    filesystem_.reset();
    const std::string upper = root_ + "/upper";
    const std::string work = root_ + "/work";
    for (const std::string& path : {upper, work}) {
      std::filesystem::remove_all(path);
      std::filesystem::create_directory(path);
    }
    std::vector<std::unique_ptr<Layer>> opened;
    for (const std::string& lower : lowers_) {
      auto layer = layer::open_host_lower(lower, lowers_.back() == lower);
      if (!layer) fail("lower");
      opened.push_back(*std::move(layer));
    }
    layer::UpperReport report;
    auto opened_upper =
        layer::open_host_upper({.upper = upper, .work = work}, report);
    if (!opened_upper) fail("upper");
    auto made = overlay::Filesystem::make(std::move(opened),
                                          *std::move(opened_upper), {});
    if (!made) fail("merged tree");
    filesystem_ = *std::move(made);
    return *filesystem_;
  }

 private:
  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "%s cannot be made\n", what);
    std::exit(1);
  }

  std::string root_;
  std::vector<std::string> lowers_;
  std::unique_ptr<overlay::Filesystem> filesystem_;
};

}  // namespace veneer::bench
