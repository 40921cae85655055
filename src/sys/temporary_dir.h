// SPDX-License-Identifier: MIT
//
// An empty directory of a name that nobody else has, gone with the object.

#pragma once

#include <string>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::sys {

class TemporaryDir {
 public:
  /// Below `place`, open to its owner alone.
  static Result<TemporaryDir> make(const std::string& place = "/tmp");

  ~TemporaryDir();
  TemporaryDir(TemporaryDir&& other) noexcept
      : path_(std::exchange(other.path_, {})) {}
  TemporaryDir& operator=(TemporaryDir&&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryDir(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace veneer::sys
