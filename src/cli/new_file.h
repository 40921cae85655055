// SPDX-License-Identifier: MIT
//
// A file that appears under its name when it is whole, and not at all if it
// never is.

#pragma once

#include <string>

#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::cli {

class NewFile {
 public:
  /// What is no regular file (a pipe, a device, a descriptor's name in /proc)
  /// is written where it is.
  static Result<NewFile> create(const std::string& path);
  /// Removes what was not published.
  ~NewFile();
  NewFile(NewFile&&) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;

  int fd() const { return fd_.get(); }

  /// Syncs it and gives it its name.
  Result<void> publish();

 private:
  NewFile() = default;

  sys::UniqueFd dir_;
  sys::UniqueFd fd_;
  std::string name_;
  std::string new_name_;  // empty if it is written in place
};

}  // namespace veneer::cli
