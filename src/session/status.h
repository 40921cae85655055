// SPDX-License-Identifier: MIT
//
// What a mounted overlay says about itself: the JSON text of `veneer status`.
//
//   state     "mounted"
//   server    who serves it: process id, kind, version
//   layers    upper, work and lower directories
//   recovered what became of an interrupted commit or discard
//   settings  each with its value and why it has that value
//   counters  since the mount: messages by kind, copy-ups, bytes, cache hits
//
// Scripts read it: keys are added, never renamed.

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "finalize/commit.h"
#include "layer/host/open_layers.h"
#include "overlay/filesystem.h"
#include "session/config.h"
#include "session/plan.h"
#include "session/process_id.h"

namespace veneer::fuse {
class Session;
}

namespace veneer::session {

enum class ServerKind { kDaemon, kForeground, kLibrary };

/// What does not change while mounted.
struct StatusFacts {
  Config config;
  Plan plan;
  layer::UpperReport upper;
  /// What was done, before mounting, about an interrupted commit or discard.
  finalize::Recovered recovered = finalize::Recovered::kNothing;
  ServerKind kind = ServerKind::kDaemon;
  ProcessId server;
  bool allow_other = false;
  unsigned threads = 0;
};

/// `fuse` may be null, before there is one.
std::string describe_status(const StatusFacts& facts,
                            const overlay::Filesystem& filesystem,
                            const fuse::Session* fuse);

}  // namespace veneer::session
