// SPDX-License-Identifier: MIT

#include "session/unmount.h"

#include <fmt/format.h>

#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "finalize/json_path.h"
#include "fuse/control.h"
#include "session/config.h"
#include "session/directories.h"
#include "session/manifest.h"
#include "session/plan.h"
#include "session/process_id.h"
#include "sys/mount.h"
#include "sys/open.h"
#include "sys/service.h"

namespace veneer::session {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerTime{5000};
constexpr milliseconds kEndTime{60000};
constexpr milliseconds kPollTime{20};

// What has to be known of a server before its mount is gone.
struct Server {
  ProcessId id;
  bool is_library = false;  // the process goes on without the mount
  std::string work;
};

// The kernel's overlay over an image, which ends by itself.
bool is_image_mount(const sys::MountEntry& mounted) {
  return mounted.fs_type == "overlay" && mounted.source == "composefs";
}

Result<sys::MountEntry> find_overlay(const std::string& mount_point,
                                     const std::string& resolved) {
  TRY_ASSIGN(const std::optional<sys::MountEntry> mounted,
             sys::find_mount(resolved));
  if (!mounted) {
    return sentence(EINVAL, fmt::format("nothing is mounted at {} (see: "
                                        "findmnt -t fuse.veneer)",
                                        mount_point));
  }
  if (mounted->fs_type != "fuse.veneer" && !is_image_mount(*mounted)) {
    return sentence(EINVAL,
                    fmt::format("what is mounted at {0} is no overlay of "
                                "Veneer's but of type {1} (use: umount {0})",
                                mount_point, mounted->fs_type));
  }
  return *mounted;
}

// The question may never be answered, and then the thread that asks it cannot
// be stopped: it is left behind.
Result<std::string> ask(const std::string& resolved) {
  auto answer = std::make_shared<std::promise<Result<std::string>>>();
  std::future<Result<std::string>> future = answer->get_future();
  std::thread([answer, resolved] {
    answer->set_value(fuse::read_status(resolved));
  }).detach();
  if (future.wait_for(kAnswerTime) == std::future_status::ready) {
    return future.get();
  }
  return sentence(ETIMEDOUT,
                  fmt::format("the server of {} does not answer (if it hangs, "
                              "kill it, then: veneer umount {})",
                              resolved, resolved));
}

std::optional<Server> parse_server(const std::string& text) {
  const auto status = nlohmann::json::parse(text, nullptr, false);
  if (!status.is_object()) return std::nullopt;
  const auto server = status.find("server");
  if (server == status.end() || !server->is_object()) return std::nullopt;
  Server result;
  if (const auto pid = server->find("pid");
      pid != server->end() && pid->is_number_integer()) {
    result.id.pid = pid->get<pid_t>();
  }
  if (const auto time = server->find("start_time");
      time != server->end() && time->is_number_integer()) {
    result.id.start_time = time->get<std::uint64_t>();
  }
  if (const auto kind = server->find("kind"); kind != server->end()) {
    result.is_library = *kind == "library";
  }
  if (const auto layers = status.find("layers"); layers != status.end() &&
                                                 layers->is_object() &&
                                                 layers->contains("work")) {
    result.work = finalize::path_from_json(layers->at("work")).value_or("");
  }
  return result;
}

Error still_served(const std::string& mount_point, const ProcessId& id) {
  return sentence(
      ETIMEDOUT,
      fmt::format("{} is unmounted here, but process {} still serves it: "
                  "another mount namespace has it, or files are open (find "
                  "it: grep fuse.veneer /proc/*/mountinfo)",
                  mount_point, id.pid));
}

// A library's process lives on; its manifest says when it has let go.
Result<void> wait_for_library(const std::string& mount_point,
                              const Server& server) {
  if (server.work.empty()) return {};
  for (milliseconds waited{0}; waited < kEndTime; waited += kPollTime) {
    const auto work = sys::open_dir(server.work);
    if (!work) return {};
    const auto manifest = read_manifest(work->get());
    if (!manifest || !manifest->mounted) return {};
    std::this_thread::sleep_for(kPollTime);
  }
  return still_served(mount_point, server.id);
}

Result<void> wait_until_quiet(const std::string& mount_point,
                              const Server& server,
                              const Result<sys::UniqueFd>& process) {
  if (server.is_library) return wait_for_library(mount_point, server);
  if (!process) return {};  // gone already, or not to be seen from here
  TRY_ASSIGN(const bool ended, sys::wait_for_end(*process, kEndTime));
  if (!ended) return still_served(mount_point, server.id);
  return {};
}

// What the server does in the end, for one that was killed before it could.
void tidy_after(const sys::MountEntry& mounted, const Server& server) {
  // Without the server's word, the default place is looked at.
  const auto work = sys::open_dir(server.work.empty() ? mounted.source + ".work"
                                                      : server.work);
  if (!work) return;
  const auto manifest = read_manifest(work->get());
  if (manifest && manifest->made_mount_point &&
      manifest->mount_point == mounted.mount_point) {
    remove_if_empty(mounted.mount_point);
  }
}

Result<void> detach_by_fusermount(const std::string& path, bool lazily) {
  std::vector<std::string> argv = {"fusermount3", "-u"};
  if (lazily) argv.emplace_back("-z");
  argv.insert(argv.end(), {"--", path});
  const auto end = sys::run_program(argv);
  if (!end) {
    return sentence(EPERM, fmt::format("{} cannot be unmounted: there is no "
                                       "fusermount3 (install the package "
                                       "fuse3)",
                                       path));
  }
  if (end->status == 0) return {};
  if (end->errors.find("busy") != std::string::npos) return Error(EBUSY, "");
  std::string reason = end->errors.substr(0, end->errors.find('\n'));
  return sentence(EPERM, fmt::format("{} cannot be unmounted: {} (only who "
                                     "mounted it, and root, may)",
                                     path, reason));
}

}  // namespace

Result<void> detach_mount(const std::string& path, bool lazily) {
  auto detached = sys::unmount_at(path, lazily);
  if (!detached && detached.error().code() == EPERM) {
    detached = detach_by_fusermount(path, lazily);
  }
  if (!detached && detached.error().code() == EBUSY) {
    return sentence(EBUSY, fmt::format("{0} is in use (close what uses it; "
                                       "fuser -vm {0} lists it)",
                                       path));
  }
  return detached;
}

Result<std::string> fetch_status(const std::string& mount_point) {
  TRY_ASSIGN(const std::string resolved, resolve_mount_point(mount_point));
  TRY_ASSIGN(const sys::MountEntry mounted,
             find_overlay(mount_point, resolved));
  auto status = ask(mounted.mount_point);
  if (!status && status.error().code() == ENOTCONN) {
    return sentence(ENOTCONN,
                    fmt::format("the server of {0} is gone (clear the mount: "
                                "veneer umount {0})",
                                mount_point));
  }
  if (!status && status.error().code() == EACCES) {
    return sentence(EACCES, fmt::format("{} lets only its owner in (ask as the "
                                        "user who mounted it)",
                                        mount_point));
  }
  return status;
}

Result<void> unmount(const std::string& mount_point) {
  const auto resolved = resolve_mount_point(mount_point);
  if (!resolved) {
    return sentence(
        resolved.error().code(),
        fmt::format("{} cannot be looked up: {} (check the path)", mount_point,
                    reason_of(resolved.error().code())));
  }
  TRY_ASSIGN(const sys::MountEntry mounted,
             find_overlay(mount_point, *resolved));
  if (is_image_mount(mounted)) return detach_mount(*resolved, false);

  const auto status = ask(*resolved);
  const bool dead = !status && (status.error().code() == ENOTCONN ||
                                status.error().code() == ECONNABORTED);
  Server server;
  if (status) server = parse_server(*status).value_or(Server());
  // Held before unmounting, so that the number cannot be another's by then.
  auto process = sys::open_process(server.id.pid);
  if (process && find_process(server.id.pid) != server.id) {
    process = Error(ESRCH, "pidfd_open");
  }

  TRY(detach_mount(*resolved, dead));
  TRY(wait_until_quiet(mount_point, server, process));
  tidy_after(mounted, server);
  return {};
}

}  // namespace veneer::session
