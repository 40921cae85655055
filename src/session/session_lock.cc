// SPDX-License-Identifier: MIT

#include "session/session_lock.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <chrono>
#include <thread>
#include <utility>

#include "session/config.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/open.h"

namespace veneer::session {
namespace {

Result<Manifest> manifest_in(const std::string& work) {
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(work));
  return read_manifest(dir.get());
}

Error in_use(const std::string& path, const std::string& work) {
  const auto manifest = manifest_in(work);
  if (manifest && is_served(*manifest)) {
    return sentence(EBUSY, fmt::format("{0} is mounted at {1} (unmount it "
                                       "first: veneer umount {1})",
                                       path, manifest->mount_point));
  }
  return sentence(EBUSY, fmt::format("{} is in use by another command, or by "
                                     "an overlay that is mounted elsewhere "
                                     "(wait for the one, unmount the other)",
                                     path));
}

Result<sys::UniqueFd> open_locked(const std::string& path) {
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(path));
  auto readable = sys::reopen(dir.get(), O_RDONLY | O_DIRECTORY);
  if (!readable) return readable.error().about(path);
  TRY(sys::lock_dir(readable->get()));
  return readable;
}

Result<SessionLock> try_lock(const std::string& upper,
                             const std::string& work) {
  SessionLock lock;
  // In the order of a mount.
  auto locked = open_locked(upper);
  if (locked) {
    lock.upper = *std::move(locked);
  } else if (locked.error().code() == EBUSY) {
    return in_use(upper, work);
  } else if (locked.error().code() != ENOENT) {
    return locked.error();
  }
  locked = open_locked(work);
  if (!locked && locked.error().code() == EBUSY) return in_use(work, work);
  if (!locked) return locked.error();
  lock.work = *std::move(locked);
  return lock;
}

}  // namespace

bool is_served(const Manifest& manifest) {
  return manifest.mounted &&
         find_process(manifest.server.pid) == manifest.server;
}

bool is_ending(const std::string& work) {
  const auto manifest = manifest_in(work);
  if (!manifest || find_process(manifest->server.pid) != manifest->server) {
    return false;
  }
  const auto mounted = sys::find_mount(manifest->mount_point);
  return mounted && !*mounted;
}

Result<SessionLock> lock_session(const std::string& upper,
                                 const std::string& work) {
  constexpr std::chrono::milliseconds kPause{20};
  constexpr int kAttempts = 250;
  for (int attempt = 1;; ++attempt) {
    auto lock = try_lock(upper, work);
    if (lock) return lock;
    const bool again =
        lock.error().code() == EBUSY && attempt < kAttempts && is_ending(work);
    if (!again) return lock;
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace veneer::session
