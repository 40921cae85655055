// SPDX-License-Identifier: MIT
//
// Running a program in our place: with our standard streams and terminal, our
// signals, and its exit status as ours.
//
//   TRY_ASSIGN(sys::SignalRelay relay, sys::SignalRelay::start());
//   ... start threads ...
//   TRY_ASSIGN(const sys::ChildEnd end, relay.run(argv, directory));

#pragma once

#include <signal.h>

#include <string>
#include <vector>

#include "veneer/result.h"

namespace veneer::sys {

struct ChildEnd {
  int status = 0;  ///< exit status, or 128 + signal
  /// The last signal that was passed on; 0: none.
  int relayed = 0;
};

/// While one exists, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 do
/// nothing to this process; those that come while a program runs are passed on
/// to it. What a terminal sends goes to the program anyhow, and is not sent a
/// second time.
class SignalRelay {
 public:
  /// Requires that no thread has been started: those that are started later
  /// leave the signals to the relay.
  static Result<SignalRelay> start();
  /// Signals act as before; those that came since the program ended, now.
  ~SignalRelay();
  SignalRelay(SignalRelay&& other) noexcept;
  SignalRelay& operator=(SignalRelay&&) = delete;

  /// Runs `argv`, found on PATH, in `directory`, and waits for it. It finds its
  /// signals as they were before the relay, and `directory` as PWD.
  /// Fails  ENOENT, EACCES, ENOEXEC  it cannot be run; the subject is its name
  Result<ChildEnd> run(const std::vector<std::string>& argv,
                       const std::string& directory);

 private:
  explicit SignalRelay(const sigset_t& before) : before_(before) {}
  Result<ChildEnd> wait(pid_t child);

  sigset_t before_;
  bool active_ = true;
};

}  // namespace veneer::sys
