// SPDX-License-Identifier: MIT

#include "fuse/session.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string_view>
#include <thread>

#include "base/cleanup.h"
#include "base/log.h"
#include "fuse/libfuse.h"
#include "fuse/stop_signals.h"
#include "sys/file.h"
#include "sys/open.h"

namespace veneer::fuse {

namespace {

// What libfuse has complained about on this thread, and the last errno it saw.
struct Complaint {
  int code = 0;
  std::string text;
};
thread_local Complaint complaint;

__attribute__((format(printf, 2, 0))) void take_log(fuse_log_level level,
                                                    const char* format,
                                                    va_list arguments) {
  const int code = errno;
  char line[512];
  std::vsnprintf(line, sizeof(line), format, arguments);
  std::string_view text = line;
  while (text.ends_with('\n')) text.remove_suffix(1);
  constexpr std::string_view kPrefix = "fuse: ";
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());

  if (level > FUSE_LOG_WARNING) {
    if (level == FUSE_LOG_DEBUG) std::fprintf(stderr, "%s\n", line);
    return;
  }
  complaint.code = code;
  complaint.text += text;
  log_info("libfuse: {}", text);
}

// As libfuse's option parser wants a value with a comma in it.
std::string escaped(std::string_view option) {
  std::string out;
  for (const char c : option) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

fuse_session* new_session(const std::vector<std::string>& mount_options,
                          bool debug, Dispatcher& dispatcher) {
  fuse_args args = FUSE_ARGS_INIT(0, nullptr);
  const Cleanup free_args([&] { fuse_opt_free_args(&args); });
  fuse_opt_add_arg(&args, "veneer");
  if (debug) fuse_opt_add_arg(&args, "--debug");
  for (const std::string& option : mount_options) {
    fuse_opt_add_arg(&args, ("-o" + escaped(option)).c_str());
  }
  const fuse_lowlevel_ops ops = Dispatcher::operations();
  return fuse_session_new(&args, &ops, sizeof(ops), &dispatcher);
}

}  // namespace

std::vector<std::string> mount_options_for(const SessionOptions& options,
                                           bool is_root) {
  std::vector<std::string> out = {"fsname=" + options.fs_name,
                                  "subtype=" + options.subtype,
                                  "default_permissions"};
  if (options.allow_other.value_or(is_root)) out.emplace_back("allow_other");
  if (options.dev.value_or(is_root)) out.emplace_back("dev");
  if (options.suid.value_or(is_root)) out.emplace_back("suid");
  if (options.read_only) out.emplace_back("ro");
#ifdef VENEER_FUSE_HAS_IO_URING
  if (options.cache.io_uring) out.emplace_back("io_uring");
#endif
  out.insert(out.end(), options.mount_options.begin(),
             options.mount_options.end());
  return out;
}

Session::Session(overlay::Filesystem& filesystem, SessionOptions options)
    : options_(std::move(options)),
      dispatcher_(filesystem, {.cache = options_.cache,
                               .never_syncs = options_.never_syncs,
                               .status = options_.status,
                               .on_ready = [this] {
                                 serving_.store(true);
                                 if (options_.on_ready) options_.on_ready();
                               }}) {}

Session::~Session() {
  if (session_ == nullptr) return;
  unmount();
  fuse_session_destroy(session_);
}

Result<void> Session::attach(const std::string& where,
                             const std::vector<std::string>& mount_options) {
  fuse_set_log_func(&take_log);
  complaint = {};
  session_ = new_session(mount_options, options_.debug, dispatcher_);
  if (session_ == nullptr) return Error(EINVAL, "mount", complaint.text);

  complaint = {};
  if (fuse_session_mount(session_, where.c_str()) != 0) {
    const int code = complaint.code;
    fuse_session_destroy(std::exchange(session_, nullptr));
    return Error(code != 0 ? code : EPERM, "mount", where);
  }
  return {};
}

Result<std::unique_ptr<Session>> Session::mount(overlay::Filesystem& filesystem,
                                                SessionOptions options) {
  // The kernel would mount on a file as well.
  TRY(sys::open_dir(options.mount_point));
  std::unique_ptr<Session> session(new Session(filesystem, std::move(options)));
  TRY(session->attach(session->mount_point(),
                      mount_options_for(session->options_, geteuid() == 0)));
  session->is_ours_to_unmount_ = true;
  return session;
}

Result<std::unique_ptr<Session>> Session::serve_fd(
    overlay::Filesystem& filesystem, int device, SessionOptions options) {
  std::unique_ptr<Session> session(new Session(filesystem, std::move(options)));
  std::vector<std::string> mount_options;
#ifdef VENEER_FUSE_HAS_IO_URING
  if (session->options_.cache.io_uring) mount_options.emplace_back("io_uring");
#endif
  TRY(session->attach("/dev/fd/" + std::to_string(device), mount_options));
  return session;
}

unsigned Session::threads() const {
  // Requests are short, and idle threads cost nothing: there are as many as
  // were ever busy at a time. A copy-up must not keep the others waiting.
  constexpr unsigned kLeast = 4;
  constexpr unsigned kMost = 16;
  if (options_.threads != 0) return options_.threads;
  return std::clamp(std::thread::hardware_concurrency(), kLeast, kMost);
}

Result<void> Session::run() {
  std::optional<StopSignals> signals;
  if (options_.handle_signals) {
    signals.emplace([this] { stop(); },
                    [this] { fuse_session_exit(session_); });
  }

  fuse_loop_config* config = fuse_loop_cfg_create();
  const Cleanup free_config([&] { fuse_loop_cfg_destroy(config); });
  fuse_loop_cfg_set_max_threads(config, threads());
  fuse_loop_cfg_set_clone_fd(config, options_.clone_fd ? 1 : 0);
  const int result = fuse_session_loop_mt(session_, config);
  serving_.store(false);

  // Before the signals' thread is waited for: if it hangs in the mount, this
  // sets it free.
  unmount();
  if (result != 0) return Error(std::abs(result), "serve", mount_point());
  return {};
}

void Session::stop() {
  flush();
  fuse_session_exit(session_);
#ifndef VENEER_FUSE_EXIT_WAKES_LOOP
  // A worker sees the end with the next request, so there must be one.
  if (Result<sys::UniqueFd> root = sys::open_dir(mount_point())) {
    ignore_error(sys::stat_fs(root->get()));
  }
#endif
}

// Dirty pages, of shared mappings or of a write-back cache, can be written only
// as long as someone takes them.
void Session::flush() const {
  if (mount_point().empty() || !serving_.load()) return;
  const Result<sys::UniqueFd> path = sys::open_dir(mount_point());
  if (!path) return;
  const Result<sys::UniqueFd> root =
      sys::reopen(path->get(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root) ignore_error(sys::sync_fs(root->get()));
}

void Session::unmount() {
  if (is_ours_to_unmount_) fuse_session_unmount(session_);
}

}  // namespace veneer::fuse
