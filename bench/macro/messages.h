// SPDX-License-Identifier: MIT
//
// The messages that a mount of ours has been sent, as `veneer status` counts
// them. Asking sends a few itself, always the same: they are taken off.

#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "veneer/result.h"

namespace veneer::bench {

using Messages = std::map<std::string, std::int64_t>;

class MessageCounter {
 public:
  /// `program`: veneer; `at`: the mount point.
  MessageCounter(std::string program, std::string at)
      : program_(std::move(program)), at_(std::move(at)) {}

  Result<void> start();
  /// What was sent since start(), by kind, without kinds of which there were
  /// none.
  Result<Messages> stop();

 private:
  Result<Messages> ask() const;

  const std::string program_;
  const std::string at_;
  Messages own_;  ///< what asking once sends
  Messages before_;
};

}  // namespace veneer::bench
