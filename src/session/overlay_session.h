// SPDX-License-Identifier: MIT
//
// One overlay's life: from checked directories over layers and the merged tree
// to a mount that is served, and back. The command line and the library's
// OverlayFS are both thin over this.
//
// Order on the way up: look at everything (plan.h), end a commit or discard
// that was interrupted, make what is missing, open the layers (which locks
// upper and work directory), mount, answer, write the manifest. A failure at
// any step takes the steps before it back. On the way down: the mount goes, the
// upper is synced as the policy asks, the manifest says so, the locks go, the
// mount point goes if we made it.
//
// All of it happens on one thread of this object, whose file mode mask is its
// own; requests are answered on the threads of fuse::Session.
//
// Threads: thread-safe; start() must not be called on a thread that answers
// requests of any overlay in this process.

#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "fuse/session.h"
#include "session/config.h"
#include "session/directories.h"
#include "session/manifest.h"
#include "session/plan.h"
#include "session/status.h"
#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::session {

class OverlaySession {
 public:
  /// Returns when the mount answers. kForeground and kDaemon take over SIGTERM,
  /// SIGINT and SIGHUP, which end the session.
  /// Fails  as make_plan(), MadeDirectories, the layers and the mount itself
  static Result<std::unique_ptr<OverlaySession>> start(Config config,
                                                       ServerKind kind);

  /// Ends the session, also if files are in use.
  ~OverlaySession();
  OverlaySession(const OverlaySession&) = delete;
  OverlaySession& operator=(const OverlaySession&) = delete;

  const Plan& plan() const { return facts_.plan; }

  /// Until the overlay is unmounted, by whomever, and everything is put away.
  /// Fails  what went wrong on the way down; the mount is gone all the same
  Result<void> wait();

  /// Unmounts, and waits as wait() does.
  /// Fails  EBUSY  files are in use; still mounted
  Result<void> unmount();

  bool is_mounted() const;

 private:
  enum class State { kStarting, kMounted, kEnded };

  OverlaySession(Config config, ServerKind kind);

  // On the thread of this object.
  void live();
  Result<void> go_up();
  Result<void> end_interrupted();
  Result<void> open_layers();
  Result<void> attach();
  Result<void> go_down();
  Result<void> record(bool mounted);
  void set_state(State state, Result<void> outcome);

  fuse::SessionOptions fuse_options();
  // Called while requests are answered.
  std::string status() const;

  StatusFacts facts_;  // complete before the mount answers, then immutable
  std::optional<MadeDirectories> made_;
  Manifest manifest_;
  sys::UniqueFd work_dir_;  // none: read-only
  std::unique_ptr<overlay::Filesystem> filesystem_;
  std::unique_ptr<fuse::Session> fuse_;

  mutable std::mutex mu_;  // memory only; nothing is called under it
  std::condition_variable changed_;
  State state_ = State::kStarting;
  Result<void> outcome_;
  std::thread thread_;
};

}  // namespace veneer::session
