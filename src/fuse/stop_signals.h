// SPDX-License-Identifier: MIT
//
// SIGTERM, SIGINT and SIGHUP as a polite request to stop.
//
// The first signal calls `on_first` on a thread of its own, where anything may
// be done, also what takes time. Whoever does not want to wait sends a second
// one: it calls `on_second` at once, inside the signal handler. SIGPIPE is
// ignored: a reader that has gone is an error like any other.
//
// One object at a time in a process. The former handlers come back with its
// end; so a library that does not want its program's signals makes none.

#pragma once

#include <semaphore.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>

namespace veneer::fuse {

class StopSignals {
 public:
  /// `on_second` must do nothing but what a signal handler may.
  StopSignals(std::function<void()> on_first, std::function<void()> on_second);
  /// Waits for `on_first`, if it is running.
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  static void handle(int signal);
  void wait_for_first();

  static std::atomic<StopSignals*> current;

  const std::function<void()> on_first_;
  const std::function<void()> on_second_;
  std::atomic<int> received_{0};
  std::atomic<bool> ending_{false};
  sem_t wake_;
  std::array<struct sigaction, 4> former_;
  std::thread thread_;
};

}  // namespace veneer::fuse
