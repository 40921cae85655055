// SPDX-License-Identifier: MIT
//
// The loop device is attached by mount(8), which also detaches it when the
// file system is unmounted.

#include "test/support/disk.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "test/support/process.h"

namespace veneer::testing {

Disk::Disk(DiskKind kind, const std::string& place, const std::string& size)
    : place_(place) {
  for (const std::string& dir : {place_, path(), quiet()}) {
    ::mkdir(dir.c_str(), 0755);
  }
  if (kind == DiskKind::kXfs) {
    mount_xfs();
  } else {
    const std::string options =
        "mode=0755" + (size.empty() ? "" : ",size=" + size);
    if (::mount("test", path().c_str(), "tmpfs", MS_STRICTATIME,
                options.c_str()) != 0) {
      missing_ = std::string("the right to mount a tmpfs (") +
                 std::strerror(errno) + ")";
    }
  }
  if (!missing_.empty()) return;
  constexpr unsigned long kQuiet =
      MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOATIME;
  if (::mount(path().c_str(), quiet().c_str(), nullptr, MS_BIND, nullptr) !=
          0 ||
      ::mount(nullptr, quiet().c_str(), nullptr, kQuiet, nullptr) != 0) {
    missing_ = std::string("bind mounts (") + std::strerror(errno) + ")";
  }
}

Disk::~Disk() {
  ::umount2(quiet().c_str(), MNT_DETACH);
  ::umount2(path().c_str(), MNT_DETACH);
  ::unlink((place_ + "/image").c_str());
  for (const std::string& dir : {quiet(), path(), place_}) {
    ::rmdir(dir.c_str());
  }
}

void Disk::mount_xfs() {
  const std::string image = place_ + "/image";
  const Finished made = run(
      {"sh", "-c", "truncate -s 512M \"$1\" && mkfs.xfs -q -m reflink=1 \"$1\"",
       "sh", image});
  if (made.status != 0) {
    missing_ = "mkfs.xfs (" + made.err + ")";
    return;
  }
  const Finished mounted =
      run({"mount", "-o", "loop,strictatime", image, path()});
  if (mounted.status != 0) missing_ = "a loop device (" + mounted.err + ")";
}

}  // namespace veneer::testing
