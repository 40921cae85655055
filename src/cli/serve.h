// SPDX-License-Identifier: MIT
//
// Mounting, and serving the mount until it is unmounted: by a daemon, which
// lets its starter go when the mount answers, or in the foreground.

#pragma once

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

/// The exit status. As a daemon, it returns in two processes.
int serve(const session::Config& config, const Server& server);

}  // namespace veneer::cli
