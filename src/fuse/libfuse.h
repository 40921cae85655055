// SPDX-License-Identifier: MIT
//
// libfuse's low-level interface, and what this build of it offers.
//
// The library is at its best from 3.18.3 on; down to 3.14 it is used as it is
// and does without the rest. What differs is decided here by feature macros, so
// that the code elsewhere asks for a feature and never for a version.

#pragma once

#include <sys/stat.h>

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 14)
#endif
#include <fuse_lowlevel.h>

/// O_TMPFILE; capabilities in 64 bits; the kernel told not to interrupt.
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
#define VENEER_FUSE_HAS_TMPFILE 1
#define VENEER_FUSE_HAS_FEATURE_FLAGS 1
#define VENEER_FUSE_HAS_NO_INTERRUPT 1
#endif

/// statx(2) with the birth time; io_uring; a loop that fuse_session_exit()
/// wakes by itself.
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
#define VENEER_FUSE_HAS_STATX 1
#define VENEER_FUSE_EXIT_WAKES_LOOP 1
#endif
#ifdef FUSE_CAP_OVER_IO_URING
#define VENEER_FUSE_HAS_IO_URING 1
#endif

namespace veneer::fuse {

/// fuse_file_info::kill_suidgid came with a bug-fix release, so it is looked
/// for by name: whether the kernel asks to clear set-id bits on this write.
template <typename FileInfo>
bool asks_to_kill_set_id(const FileInfo& info, bool otherwise) {
  if constexpr (requires { info.kill_suidgid; }) {
    return info.kill_suidgid != 0;
  } else {
    return otherwise;
  }
}

}  // namespace veneer::fuse
