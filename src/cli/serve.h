// SPDX-License-Identifier: MIT
//
// Mounting, and serving the mount until it is unmounted: by a daemon, which
// lets its starter go when the mount answers, or in the foreground.

#pragma once

#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "session/config.h"

namespace veneer::cli {

struct Server {
  bool foreground = false;
  std::string log;  ///< a file for warnings; "": see --help
};

/// --foreground and --log.
void add_server_options(CLI::App& command, Server& server);

/// Returns when the mount is gone.
using Wait = std::function<Result<void>()>;
/// Mounts; returns when the mount answers.
using Start = std::function<Result<Wait>()>;

/// The exit status. As a daemon, it returns in two processes; `start` is called
/// in the one that serves.
int serve(const Server& server, const Start& start);
/// The same of an overlay of ours.
int serve(const session::Config& config, const Server& server);

}  // namespace veneer::cli
