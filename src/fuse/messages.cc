// SPDX-License-Identifier: MIT

#include "fuse/messages.h"

namespace veneer::fuse {

namespace {

constexpr std::array<std::string_view, kMessageKinds> kNames = {
    "LOOKUP",     "FORGET",    "BATCH_FORGET", "GETATTR",
    "STATX",      "SETATTR",   "READLINK",     "SYMLINK",
    "MKNOD",      "MKDIR",     "UNLINK",       "RMDIR",
    "RENAME",     "LINK",      "OPEN",         "READ",
    "WRITE",      "STATFS",    "RELEASE",      "FSYNC",
    "SETXATTR",   "GETXATTR",  "LISTXATTR",    "REMOVEXATTR",
    "FLUSH",      "OPENDIR",   "READDIR",      "READDIRPLUS",
    "RELEASEDIR", "FSYNCDIR",  "CREATE",       "TMPFILE",
    "IOCTL",      "FALLOCATE", "LSEEK",        "COPY_FILE_RANGE",
};
static_assert(!kNames.back().empty());

}  // namespace

std::string_view message_name(Message message) {
  return kNames[static_cast<std::size_t>(message)];
}

}  // namespace veneer::fuse
