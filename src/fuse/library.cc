// SPDX-License-Identifier: MIT

#include "fuse/library.h"

#include "fuse/libfuse.h"

namespace veneer::fuse {

std::string library_version() { return fuse_pkgversion(); }

bool library_has_io_uring() {
#ifdef VENEER_FUSE_HAS_IO_URING
  return true;
#else
  return false;
#endif
}

bool library_has_passthrough() {
#ifdef FUSE_CAP_PASSTHROUGH
  return true;
#else
  return false;
#endif
}

}  // namespace veneer::fuse
