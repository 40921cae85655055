// SPDX-License-Identifier: MIT
//
// A mounted overlay to put load on: one lower, an upper, a mount point, on a
// tmpfs of its own. Unlike the fixture of the semantics tests it has no time
// limit of a minute, as loads run as long as one likes; a mount that no longer
// answers is torn off when the test's own deadline passes.

#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "test/support/disk.h"
#include "test/support/overlay_test.h"

namespace veneer::testing {

class Stage {
 public:
  /// Makes the directories; nothing is mounted yet. `size` limits the tmpfs.
  explicit Stage(Target target, std::vector<std::string> options = {});
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  [[nodiscard]] std::string lower() const { return disk_->path() + "/lower"; }
  [[nodiscard]] std::string quiet_lower() const {
    return disk_->quiet() + "/lower";
  }
  [[nodiscard]] std::string merged() const { return place_ + "/merged"; }

  /// Empty, or why it could not be done. A mount is forced off after `seconds`.
  std::string mount(int seconds);
  /// Unmounting also tells what a sanitizer found meanwhile.
  std::string unmount();

  /// The process that serves the mount, if it is one.
  [[nodiscard]] std::optional<pid_t> daemon() const;

 private:
  void guard(const std::stop_token& stop, int seconds);

  Target target_;
  std::vector<std::string> options_;
  std::string place_;
  std::unique_ptr<Disk> disk_;
  bool is_mounted_ = false;
  std::jthread guard_;
};

/// What the machine lacks to run on `target`, or empty.
std::string missing_for(Target target);

/// True if the program was built with a sanitizer, which changes what it costs.
bool is_sanitized();

/// The number in environment variable `name`, or `fallback`.
long setting(const char* name, long fallback);

}  // namespace veneer::testing
