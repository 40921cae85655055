// SPDX-License-Identifier: MIT
//
// What stat(2) says about a file, wherever it lives.
//
// One plain struct for all layers: a directory of this machine, a LayerFS
// layer, a composefs image, and the merged tree. Fields mean what they mean in
// statx(2); those a layer does not know are zero.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>

namespace veneer {

struct Attr {
  std::uint64_t dev = 0;  ///< of the filesystem, as makedev(3) packs it
  std::uint64_t ino = 0;
  std::uint32_t mode = 0;  ///< type and permissions
  std::uint32_t nlink = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t rdev = 0;  ///< of a device node, as makedev(3) packs it
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;  ///< of 512 bytes
  std::uint32_t blksize = 0;
  bool has_btime = false;
  timespec atime = {};
  timespec mtime = {};
  timespec ctime = {};
  timespec btime = {};           ///< if has_btime
  std::uint64_t mnt_id = 0;      ///< 0 where unknown
  std::uint64_t attributes = 0;  ///< STATX_ATTR_*
};

}  // namespace veneer
