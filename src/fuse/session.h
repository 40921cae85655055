// SPDX-License-Identifier: MIT
//
// A mount and the threads that serve it.
//
//   TRY_ASSIGN(auto session, fuse::Session::mount(*filesystem, options));
//   TRY(session->run());       // until unmounted, or stop()
//   TRY(filesystem->shut_down());
//
// The life of a mount: mount() attaches it to the tree; from then on whoever
// touches it waits. run() answers. It ends when the mount is taken away
// (umount, fusermount3 -u) or by stop(), which first lets the kernel write what
// it holds back, then ends the service and detaches the mount, also if someone
// still uses it: they get ENOTCONN. With handle_signals the signals SIGTERM,
// SIGINT and SIGHUP call stop(); a second one ends the service at once.
//
// A process that is killed leaves a dead mount behind; any unmount clears it.
//
// Threads: run() blocks its caller; everything else may be called from any
// thread but those that answer requests.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fuse/cache_policy.h"
#include "fuse/dispatcher.h"
#include "overlay/filesystem.h"
#include "veneer/result.h"

struct fuse_session;

namespace veneer::fuse {

struct SessionOptions {
  /// Absolute; the directory must exist.
  std::string mount_point;
  /// What mount(8) shows as the source, and after "fuse." as the type.
  std::string fs_name = "veneer";
  std::string subtype = "veneer";

  bool read_only = false;
  /// Others than the mounting user may enter; rights are checked for all.
  /// Unset: root lets others in, nobody else does (fuse.conf has a say).
  std::optional<bool> allow_other;
  /// Device nodes and set-id bits have effect. Unset: for root, as on any
  /// local file system. Nobody else can have them.
  std::optional<bool> dev;
  std::optional<bool> suid;
  /// Further mount options, each by itself: "noexec", "context=...".
  std::vector<std::string> mount_options;

  CacheOptions cache;
  /// Most requests answered at a time; 0: as suits this machine.
  unsigned threads = 0;
  /// A /dev/fuse descriptor of its own for each thread.
  bool clone_fd = false;
  /// FSYNC succeeds without being sent.
  bool never_syncs = false;
  bool handle_signals = false;
  /// libfuse prints each request and reply.
  bool debug = false;

  /// The JSON text for `veneer status`. Called from any thread while run() is
  /// in progress.
  std::function<std::string()> status;
  /// Called once, from any thread, when the mount answers.
  std::function<void()> on_ready;
};

/// The options of mount(2) and libfuse that follow from `options`, in order.
std::vector<std::string> mount_options_for(const SessionOptions& options,
                                           bool is_root);

class Session {
 public:
  /// Mounts. `filesystem` outlives the session.
  /// Fails  EINVAL  a mount option that nobody knows
  ///        others  as mount(2), about the mount point
  static Result<std::unique_ptr<Session>> mount(overlay::Filesystem& filesystem,
                                                SessionOptions options);

  /// Serves what someone else mounts with `device`, an open /dev/fuse, which
  /// this session closes. mount_point is used by stop() alone and may be empty.
  static Result<std::unique_ptr<Session>> serve_fd(
      overlay::Filesystem& filesystem, int device, SessionOptions options);

  /// Unmounts if need be.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Answers requests until the mount is gone. Once.
  /// Fails  as the kernel refuses to go on; the mount is gone then too
  Result<void> run();

  /// Makes run() return, soon. Before run(), it returns at once.
  void stop();

  /// Takes the mount away, as far as nobody has and it is ours. After run(), or
  /// without it.
  void unmount();

  const std::string& mount_point() const { return options_.mount_point; }
  const MessageCounts& messages() const { return dispatcher_.messages(); }
  const CachePolicy& cache() const { return dispatcher_.cache(); }
  bool uses_io_uring() const { return dispatcher_.uses_io_uring(); }
  unsigned threads() const;

 private:
  Session(overlay::Filesystem& filesystem, SessionOptions options);

  Result<void> attach(const std::string& where,
                      const std::vector<std::string>& mount_options);
  void flush() const;

  const SessionOptions options_;
  std::atomic<bool> serving_{false};  // between the kernel's hello and the end
  Dispatcher dispatcher_;
  fuse_session* session_ = nullptr;
  bool is_ours_to_unmount_ = false;
};

}  // namespace veneer::fuse
