// SPDX-License-Identifier: MIT

#include "session/find_session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "finalize/json_path.h"
#include "layer/host/overlay_xattrs.h"
#include "session/config.h"
#include "session/plan.h"
#include "session/session_lock.h"
#include "session/unmount.h"
#include "sys/credentials.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::session {
namespace {

constexpr std::string_view kUpperEnd = ".upper";
constexpr std::string_view kMountPointEnd = ".mountpoint";

// "L.upper" as "L.work"; empty if `path` has no such end.
std::string beside(const std::string& path, std::string_view end) {
  if (!path.ends_with(end)) return "";
  return path.substr(0, path.size() - end.size()) + ".work";
}

bool is_one_directory(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto first = sys::open_dir(a);
  const auto second = sys::open_dir(b);
  if (!first || !second) return false;
  const auto one = sys::stat_fd(first->get());
  const auto other = sys::stat_fd(second->get());
  return one && other && one->dev == other->dev && one->ino == other->ino;
}

// The manifest in `work`; none if it is no work directory of ours.
Result<std::optional<Manifest>> manifest_at(const std::string& work) {
  if (work.empty()) return std::optional<Manifest>();
  const auto dir = sys::open_dir(work);
  if (!dir) return std::optional<Manifest>();
  auto manifest = read_manifest(dir->get());
  if (manifest) {
    manifest->work = work;
    return std::optional<Manifest>(*std::move(manifest));
  }
  switch (manifest.error().code()) {
    case ENOENT:
      return std::optional<Manifest>();
    case EUCLEAN:
      return sentence(
          EUCLEAN, fmt::format("{}/veneer.json is damaged (mount the overlay "
                               "again with the same directories, which writes "
                               "it anew)",
                               work));
    default:
      return sentence(manifest.error().code(),
                      fmt::format("{}/veneer.json cannot be read: {} (check "
                                  "its permissions)",
                                  work, reason_of(manifest.error().code())));
  }
}

std::string marked_work(const std::string& upper) {
  const auto dir = sys::open_dir(upper);
  if (!dir) return "";
  const auto mark = sys::get_xattr_fd(dir->get(), work_mark_name().c_str());
  return mark && *mark ? **mark : "";
}

// Where the work directory of `upper` may be, the likeliest first.
std::vector<std::string> work_candidates(const std::string& upper) {
  return {marked_work(upper), upper + ".work", beside(upper, kUpperEnd)};
}

FoundSession found(Manifest manifest) {
  FoundSession session;
  if (is_served(manifest)) {
    session.state = SessionState::kMounted;
  } else if (manifest.mounted) {
    session.state = SessionState::kKilled;
  }
  session.manifest = std::move(manifest);
  return session;
}

std::optional<sys::MountEntry> overlay_at(const std::string& name) {
  const auto resolved = resolve_mount_point(name);
  if (!resolved) return std::nullopt;
  auto mounted = sys::find_mount(*resolved);
  if (!mounted || !*mounted || (*mounted)->fs_type != "fuse.veneer") {
    return std::nullopt;
  }
  return *std::move(mounted);
}

Error without_upper(const std::string& name) {
  return sentence(EINVAL,
                  fmt::format("the overlay at {} has no upper, so nothing can "
                              "have changed (name another session)",
                              name));
}

// What is mounted at `resolved`, by its server's word.
Result<FoundSession> find_mounted(const std::string& name,
                                  const sys::MountEntry& mounted) {
  const auto text = fetch_status(mounted.mount_point);
  if (!text) {
    // Without a server, the default place is looked at.
    TRY_ASSIGN(auto manifest, manifest_at(mounted.source + ".work"));
    const bool fits = text.error().code() == ENOTCONN && manifest &&
                      manifest->mount_point == mounted.mount_point;
    if (!fits) return text.error();
    return found(*std::move(manifest));
  }
  const auto status = nlohmann::json::parse(*text, nullptr, false);
  std::string work;
  if (status.is_object() && status.contains("layers")) {
    const auto& layers = status["layers"];
    if (layers.is_object() && layers.contains("work")) {
      work = finalize::path_from_json(layers["work"]).value_or("");
    }
  }
  if (work.empty()) return without_upper(name);
  TRY_ASSIGN(auto manifest, manifest_at(work));
  if (!manifest) {
    return sentence(ENOENT, fmt::format("the work directory {} of {} has lost "
                                        "its veneer.json (unmount and mount "
                                        "again)",
                                        work, name));
  }
  FoundSession session = found(*std::move(manifest));
  session.state = SessionState::kMounted;
  return session;
}

Error unknown(const std::string& name, const std::string& path) {
  const auto there = sys::find_at(AT_FDCWD, path.c_str());
  if (path.empty() || (there && !*there)) {
    return sentence(ENOENT, fmt::format("there is no session {} (name its "
                                        "mount point, its upper or its work "
                                        "directory)",
                                        name));
  }
  return sentence(EINVAL,
                  fmt::format("{} belongs to no session: nothing of Veneer's "
                              "is mounted there, and no overlay has used it as "
                              "its upper (name a mount point, an upper or a "
                              "work directory)",
                              name));
}

}  // namespace

std::optional<std::string> find_mount_point(const std::string& name) {
  if (const auto mounted = overlay_at(name)) return mounted->mount_point;
  return std::nullopt;
}

Result<FoundSession> find_session(const std::string& name) {
  if (name.empty()) return unknown("''", "");
  if (const auto mounted = overlay_at(name)) {
    return find_mounted(name, *mounted);
  }
  const std::string path = to_absolute(name);

  TRY_ASSIGN(auto manifest, manifest_at(path));
  if (manifest) return found(*std::move(manifest));
  for (const std::string& work : work_candidates(path)) {
    TRY_ASSIGN(manifest, manifest_at(work));
    if (manifest && is_one_directory(manifest->upper, path)) {
      manifest->upper = path;
      return found(*std::move(manifest));
    }
  }
  TRY_ASSIGN(manifest, manifest_at(beside(path, kMountPointEnd)));
  if (manifest && manifest->mount_point == path) {
    return found(*std::move(manifest));
  }
  return unknown(name, path);
}

Result<std::optional<FoundSession>> session_at(const std::string& upper,
                                               const std::string& work) {
  TRY_ASSIGN(auto manifest, manifest_at(work));
  if (!manifest) return std::optional<FoundSession>();
  manifest->upper = upper;
  return std::optional<FoundSession>(found(*std::move(manifest)));
}

finalize::Directories directories_of(const FoundSession& session) {
  return {.lowers = session.manifest.lowers,
          .stores = session.manifest.stores,
          .upper = session.manifest.upper,
          .work = session.manifest.work,
          .began = session.manifest.began};
}

std::string work_mark_name() {
  const auto ns = sys::have_capability(CAP_SYS_ADMIN)
                      ? layer::XattrNamespace::kTrusted
                      : layer::XattrNamespace::kUser;
  return layer::own_name(ns, layer::kWork);
}

void mark_work(const std::string& upper, const std::string& work) {
  if (work == upper + ".work" || work == beside(upper, kUpperEnd)) return;
  const auto dir = sys::open_dir(upper);
  if (!dir) return;
  const std::string name = work_mark_name();
  const auto before = sys::get_xattr_fd(dir->get(), name.c_str());
  if (before && *before == work) return;
  ignore_error(sys::set_xattr_fd(dir->get(), name.c_str(), work));
}

}  // namespace veneer::session
