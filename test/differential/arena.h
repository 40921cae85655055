// SPDX-License-Identifier: MIT
//
// The directories of one run: layers shared by two overlays, an upper, a work
// directory and a mount point for each.
//
// The layers are read by us through a mount that keeps access times as they
// are, and by the overlays through one that would show every access.

#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "test/differential/implementation.h"
#include "test/differential/op.h"
#include "test/differential/snapshot.h"

namespace veneer::testing::differential {

class Arena {
 public:
  explicit Arena(std::string base) : base_(std::move(base)) {}

  /// Makes everything and builds the layers that `script` describes. None, or
  /// what went wrong.
  std::optional<std::string> build(const Script& script, int host_fd);

  /// Overlay `mount` (0 or 1) over upper `upper` (0 or 1).
  Site site(int mount, int upper) const;

  /// Upper 0 or 1 as it is on disk.
  Snapshot upper_state(int upper, int host_fd) const;

  /// Every lower as it is now, raw.
  std::vector<std::map<std::string, std::string>> lower_state(
      int host_fd) const;

 private:
  std::optional<std::string> build_layer(const Script& script,
                                         std::uint32_t layer, int host_fd);
  std::string layer_dir(std::uint32_t layer) const;

  std::string base_;
  std::uint32_t layers_ = 1;
};

/// An open descriptor of a directory, closed at the end.
class OpenDir {
 public:
  explicit OpenDir(const std::string& path);
  ~OpenDir();
  OpenDir(const OpenDir&) = delete;
  OpenDir& operator=(const OpenDir&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace veneer::testing::differential
