// SPDX-License-Identifier: MIT

#include "cli/serve.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/commands.h"
#include "session/overlay_session.h"
#include "sys/process.h"
#include "sys/service.h"

namespace veneer::cli {
namespace {

Result<void> set_log(const std::string& log) {
  if (log.empty()) return {};
  const auto opened = sys::append_stderr_to(log);
  if (opened) return {};
  return session::sentence(
      opened.error().code(),
      fmt::format("log {} cannot be written: {} (name another file: --log)",
                  log, session::reason_of(opened.error().code())));
}

int serve_in_foreground(const Server& server, const Start& start) {
  if (const auto set = set_log(server.log); !set) return complain(set.error());
  const auto wait = start();
  if (!wait) return complain(wait.error());
  const auto ended = (*wait)();
  return ended ? 0 : complain(ended.error());
}

// In the child. The starter's pipes are let go of when the mount answers.
Result<Wait> start_daemon(const Server& server, const Start& start) {
  TRY_ASSIGN(Wait wait, start());
  TRY(set_log(server.log));
  TRY(sys::redirect_to_null(/*keep_stderr=*/!server.log.empty()));
  TRY(sys::change_to_root());
  return wait;
}

int serve_as_daemon(const Server& server, const Start& start) {
  auto forked = sys::fork_daemon();
  if (!forked) return complain(forked.error());
  if (forked->is_parent()) {
    const auto ready = forked->wait_ready();
    return ready ? 0 : complain(ready.error());
  }
  const auto wait = start_daemon(server, start);
  if (!wait) {
    forked->report_failure(wait.error());
    return kFailure;
  }
  ignore_error(forked->report_ready());
  return (*wait)() ? 0 : kFailure;
}

}  // namespace

void add_server_options(CLI::App& command, Server& server) {
  command
      .add_flag("-f,--foreground", server.foreground,
                "Stay in the foreground; end with Ctrl-C or SIGTERM.")
      ->group("The server");
  command
      .add_option("--log", server.log,
                  "Where the server writes warnings. Default: standard "
                  "error in the foreground, else nowhere.")
      ->type_name("FILE")
      ->group("The server");
}

int serve(const Server& server, const Start& start) {
  return server.foreground ? serve_in_foreground(server, start)
                           : serve_as_daemon(server, start);
}

int serve(const session::Config& config, const Server& server) {
  const auto kind = server.foreground ? session::ServerKind::kForeground
                                      : session::ServerKind::kDaemon;
  return serve(server, [&]() -> Result<Wait> {
    TRY_ASSIGN(auto started, session::OverlaySession::start(config, kind));
    const auto session = std::shared_ptr(std::move(started));
    return Wait([session] { return session->wait(); });
  });
}

}  // namespace veneer::cli
