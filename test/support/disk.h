// SPDX-License-Identifier: MIT
//
// A file system of the test's own: a fresh tmpfs, or XFS on a loop device for
// what tmpfs cannot do (shared extents). Read through quiet(), a read-only
// bind mount without access times, so that looking changes nothing; the file
// system itself keeps strict access times, so that any other look is noticed.

#pragma once

#include <cstdint>
#include <string>

namespace veneer::testing {

enum class DiskKind : std::uint8_t {
  kTmpfs,
  kXfs,  ///< 512 MiB, reflink=1, on a loop device
};

/// Mounts at construction, unmounts at destruction.
class Disk {
 public:
  /// Mounts below the empty directory `place`. `size` ("1m") limits a tmpfs.
  Disk(DiskKind kind, const std::string& place, const std::string& size = "");
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk();

  /// What could not be had ("a loop device"), or empty if all is well.
  [[nodiscard]] const std::string& missing() const { return missing_; }

  [[nodiscard]] std::string path() const { return place_ + "/fs"; }
  [[nodiscard]] std::string quiet() const { return place_ + "/quiet"; }

 private:
  void mount_xfs();

  std::string place_;
  std::string missing_;
};

}  // namespace veneer::testing
