// SPDX-License-Identifier: MIT

#include "session/overlay_session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "base/log.h"
#include "fuse/library.h"
#include "fuse/read_ahead.h"
#include "session/find_session.h"
#include "session/finish.h"
#include "session/machine.h"
#include "session/session_lock.h"
#include "session/unmount.h"
#include "sys/mount.h"
#include "sys/open.h"
#include "sys/process.h"
#include "sys/service.h"
#include "sys/thread_umask.h"

namespace veneer::session {
namespace {

// Layers say these as whole sentences; other errors name the path alone.
Error from_layer(const Error& error) {
  const bool is_sentence =
      error.subject().find(' ') != std::string_view::npos &&
      (error.code() == EBUSY || error.code() == EXDEV ||
       error.code() == EINVAL || error.code() == EOPNOTSUPP);
  if (is_sentence) return sentence(error.code(), std::string(error.subject()));
  return error;
}

Error from_upper(const Plan& plan, const Error& error) {
  switch (error.code()) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOSPC:
    case EDQUOT:
      return sentence(error.code(),
                      fmt::format("upper {} and work directory {} cannot both "
                                  "be written to: {} (name directories that "
                                  "can be, or use --read-only)",
                                  plan.upper.path, plan.work.path,
                                  reason_of(error.code())));
    default:
      return from_layer(error);
  }
}

Result<std::unique_ptr<UpperLayer>> open_upper(
    const layer::UpperOptions& options, const Plan& plan,
    layer::UpperReport& report) {
  constexpr std::chrono::milliseconds kPause{20};
  constexpr int kAttempts = 250;
  for (int attempt = 1;; ++attempt) {
    report = {};
    auto upper = layer::open_host_upper(options, report);
    if (upper) return upper;
    const bool again = upper.error().code() == EBUSY && attempt < kAttempts &&
                       is_ending(plan.work.path);
    if (!again) return from_upper(plan, upper.error());
    std::this_thread::sleep_for(kPause);
  }
}

// `said` is what fusermount3 printed: the best reason there is.
Error from_mount(const Plan& plan, const Error& error,
                 const std::string& said) {
  const std::string reason =
      said.empty() ? reason_of(error.code()) : said.substr(0, said.find('\n'));
  return sentence(error.code(),
                  fmt::format("{} cannot be mounted: {} (veneer doctor says "
                              "what this machine lacks)",
                              plan.mount_point.path, reason));
}

// Open files that the overlay may keep: the layers' own descriptors and
// whatever else the process has open come first.
std::size_t open_files_for(std::size_t layers) {
  constexpr std::size_t kLeast = 32;
  constexpr std::size_t kMost = 1024;
  const auto limit = sys::raise_open_files_limit();
  const std::size_t taken = 4 * layers + 64;
  const std::size_t all = limit ? static_cast<std::size_t>(*limit) : taken;
  return std::clamp((all - std::min(all, taken)) / 4, kLeast, kMost);
}

// What a large tree in use comes to: directories, files, pins.
constexpr std::uint64_t kUsualOpenFiles = 8192;

Result<bool> decide_io_uring(Choice choice) {
  const bool possible =
      fuse::library_has_io_uring() && is_fuse_io_uring_enabled();
  if (choice == Choice::kOn && !possible) {
    return sentence(
        EOPNOTSUPP,
        fuse::library_has_io_uring()
            ? "the kernel does not let FUSE use io_uring (as root: echo Y > "
              "/sys/module/fuse/parameters/enable_uring)"
            : "this program was built with a libfuse that has no io_uring "
              "(build it with libfuse 3.18 or newer)");
  }
  return choice != Choice::kOff && possible;
}

// What mount(2) and fusermount3 would refuse, in better words.
Result<void> may_mount(const Options& options) {
  TRY(check_fuse_is_there());
  if (geteuid() == 0) return {};
  const Fusermount fusermount = find_fusermount();
  if (fusermount.path.empty()) {
    return sentence(ENOENT,
                    "there is no fusermount3, without which only root "
                    "can mount (install the package fuse3)");
  }
  if (options.allow_other.value_or(false) && !is_allow_other_allowed()) {
    return sentence(EPERM,
                    "allow_other is not allowed here (as root: add "
                    "user_allow_other to /etc/fuse.conf)");
  }
  return {};
}

}  // namespace

OverlaySession::OverlaySession(Config config, ServerKind kind) {
  facts_.config = std::move(config);
  facts_.kind = kind;
  facts_.server = current_process();
}

Result<std::unique_ptr<OverlaySession>> OverlaySession::start(Config config,
                                                              ServerKind kind) {
  make_absolute(config);
  ignore_error(sys::raise_open_files_limit());
  sys::reserve_descriptors(kUsualOpenFiles);
  std::unique_ptr<OverlaySession> session(
      new OverlaySession(std::move(config), kind));
  session->thread_ = std::thread([self = session.get()] { self->live(); });
  std::unique_lock lock(session->mu_);
  session->changed_.wait(lock,
                         [&] { return session->state_ != State::kStarting; });
  if (session->state_ == State::kEnded && !session->outcome_) {
    return session->outcome_.error();
  }
  lock.unlock();
  ignore_error(fuse::widen_read_ahead(session->plan().mount_point.path));
  return session;
}

OverlaySession::~OverlaySession() {
  if (is_mounted()) fuse_->stop();
  if (thread_.joinable()) thread_.join();
}

void OverlaySession::live() {
  if (auto up = go_up(); !up) {
    fuse_.reset();
    filesystem_.reset();
    work_dir_.reset();
    made_.reset();
    set_state(State::kEnded, std::move(up));
    return;
  }
  auto served = fuse_->run();
  if (served && !is_mounted()) {
    served = sentence(ECONNABORTED,
                      fmt::format("{} was unmounted before it answered (try "
                                  "again)",
                                  plan().mount_point.path));
  }
  auto down = go_down();
  set_state(State::kEnded, served ? std::move(down) : std::move(served));
}

Result<void> OverlaySession::go_up() {
  // From here on this thread, and those it starts, have a mask and a current
  // directory of their own, and keep nobody from unmounting theirs.
  TRY(sys::clear_thread_umask());
  TRY(sys::change_to_root());
  TRY_ASSIGN(facts_.plan, make_plan(facts_.config));
  TRY(end_interrupted());
  TRY_ASSIGN(MadeDirectories made, MadeDirectories::make(facts_.plan));
  made_.emplace(std::move(made));
  TRY(open_layers());
  return attach();
}

// A commit or a discard that was cut short: what it left is no overlay to be
// mounted.
Result<void> OverlaySession::end_interrupted() {
  const Plan& plan = facts_.plan;
  if (plan.work.path.empty() || plan.work.make) return {};
  TRY_ASSIGN(facts_.recovered,
             recover_before_mount(plan.upper.path, plan.work.path));
  if (facts_.recovered != finalize::Recovered::kNothing) {
    log_warning("{}: a commit or discard had been interrupted and was {}",
                plan.upper.path,
                facts_.recovered == finalize::Recovered::kFinished
                    ? "completed"
                    : "taken back");
  }
  return {};
}

Result<void> OverlaySession::open_layers() {
  const Plan& plan = facts_.plan;
  std::vector<std::string> paths = plan.lowers;
  std::unique_ptr<UpperLayer> upper;
  if (!plan.upper.path.empty() && plan.read_only) {
    paths.insert(paths.begin(), plan.upper.path);
  } else if (!plan.upper.path.empty()) {
    const layer::UpperOptions options{
        .upper = plan.upper.path,
        .work = plan.work.path,
        .form = facts_.config.options.whiteouts,
    };
    TRY_ASSIGN(upper, open_upper(options, plan, facts_.upper));
    TRY_ASSIGN(work_dir_, sys::open_dir(plan.work.path));
  }

  auto lowers = stack::open_lowers(paths, plan.stores, upper != nullptr);
  if (!lowers) return from_layer(lowers.error());

  const overlay::Options options{
      .inode_mode = facts_.config.options.inode_mode,
      .fsync = facts_.config.options.fsync,
      .open_files = open_files_for(paths.size() + 1),
  };
  auto filesystem =
      overlay::Filesystem::make(*std::move(lowers), std::move(upper), options);
  if (!filesystem) return from_layer(filesystem.error());
  filesystem_ = *std::move(filesystem);
  return {};
}

fuse::SessionOptions OverlaySession::fuse_options() {
  const Options& wanted = facts_.config.options;
  fuse::SessionOptions options;
  options.mount_point = facts_.plan.mount_point.path;
  options.fs_name =
      wanted.source.empty() ? facts_.plan.lowers.front() : wanted.source;
  options.read_only = filesystem_->read_only();
  options.allow_other = wanted.allow_other;
  options.dev = wanted.dev;
  options.suid = wanted.suid;
  if (!wanted.exec) options.mount_options.emplace_back("noexec");
  options.cache.timeout = wanted.timeout;
  // Off unless asked for: it delays the errors of a full disk to close(2).
  options.cache.writeback = wanted.writeback == Choice::kOn;
  options.threads = wanted.threads;
  options.never_syncs = wanted.fsync == overlay::FsyncPolicy::kVolatile;
  options.handle_signals = facts_.kind != ServerKind::kLibrary;
  options.status = [this] { return status(); };
  return options;
}

Result<void> OverlaySession::attach() {
  TRY(may_mount(facts_.config.options));
  fuse::SessionOptions options = fuse_options();
  TRY_ASSIGN(options.cache.io_uring,
             decide_io_uring(facts_.config.options.io_uring));
  facts_.allow_other = options.allow_other.value_or(geteuid() == 0);
  options.on_ready = [this] { set_state(State::kMounted, {}); };
  {
    std::optional<sys::CapturedStderr> captured;
    if (facts_.kind != ServerKind::kLibrary && geteuid() != 0) {
      if (auto started = sys::CapturedStderr::start()) {
        captured.emplace(*std::move(started));
      }
    }
    auto mounted = fuse::Session::mount(*filesystem_, std::move(options));
    if (!mounted) {
      return from_mount(facts_.plan, mounted.error(),
                        captured ? captured->text() : "");
    }
    fuse_ = *std::move(mounted);
  }
  facts_.threads = fuse_->threads();
  return record(true);
}

// What earlier mounts made is remembered.
Result<void> OverlaySession::record(bool mounted) {
  if (!work_dir_) return {};
  const Plan& plan = facts_.plan;
  if (mounted) {
    const auto before = read_manifest(work_dir_.get());
    manifest_ = before ? *before : Manifest();
    if (!before) manifest_.upper_was_empty = made_->upper_was_empty();
    if (!before || made_->upper_was_empty()) {
      manifest_.began = std::time(nullptr);
    }
    manifest_.over = false;
    manifest_.server = facts_.server;
    manifest_.lowers = plan.lowers;
    manifest_.stores = plan.stores;
    manifest_.upper = plan.upper.path;
    manifest_.work = plan.work.path;
    const bool same_place = manifest_.mount_point == plan.mount_point.path;
    manifest_.mount_point = plan.mount_point.path;
    manifest_.made_upper |= plan.upper.make;
    manifest_.made_work |= plan.work.make;
    manifest_.made_mount_point =
        plan.mount_point.make || (same_place && manifest_.made_mount_point);
    manifest_.options.assign(facts_.config.given.begin(),
                             facts_.config.given.end());
  }
  manifest_.mounted = mounted;
  mark_work(plan.upper.path, plan.work.path);
  return write_manifest(work_dir_.get(), manifest_);
}

Result<void> OverlaySession::go_down() {
  auto synced = filesystem_->shut_down();
  auto recorded = record(false);
  // The layers' locks go with them, and only then is the upper another's.
  fuse_.reset();
  filesystem_.reset();
  work_dir_.reset();
  made_.reset();
  const bool made_mount_point =
      facts_.plan.mount_point.make || manifest_.made_mount_point;
  if (made_mount_point) remove_if_empty(facts_.plan.mount_point.path);
  TRY(std::move(synced));
  return recorded;
}

void OverlaySession::set_state(State state, Result<void> outcome) {
  {
    const std::lock_guard lock(mu_);
    if (state == State::kMounted && made_) made_->keep();
    state_ = state;
    outcome_ = std::move(outcome);
  }
  changed_.notify_all();
}

bool OverlaySession::is_mounted() const {
  const std::lock_guard lock(mu_);
  return state_ == State::kMounted;
}

Result<void> OverlaySession::wait() {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [&] { return state_ == State::kEnded; });
  return outcome_;
}

Result<void> OverlaySession::unmount() {
  if (is_mounted()) {
    const std::string& path = plan().mount_point.path;
    const auto mounted = sys::find_mount(path);
    // Somebody else may have been faster.
    if (!mounted || (*mounted && (*mounted)->fs_type == "fuse.veneer")) {
      TRY(detach_mount(path, /*lazily=*/false));
    }
  }
  return wait();
}

std::string OverlaySession::status() const {
  return describe_status(facts_, *filesystem_, fuse_.get());
}

}  // namespace veneer::session
