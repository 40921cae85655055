// SPDX-License-Identifier: MIT

#include "layerfs/blobs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "sys/file.h"
#include "sys/open.h"

namespace veneer::layerfs {

std::string BlobDir::path_of(const Digest256& sha256) const {
  return path_ + "/" + to_hex(sha256);
}

Result<BlobDir::Blob> BlobDir::open(const Digest256& sha256) const {
  if (path_.empty()) {
    return Error(ENOENT, "read", "blob " + to_hex(sha256) + ", of no store");
  }
  const std::string path = path_of(sha256);
  TRY_ASSIGN(sys::UniqueFd fd, sys::open_file(path, O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd.get()));
  if (!S_ISREG(attr.mode)) return Error(EIO, "read", path + ": no file");
  return Blob{sys::share(std::move(fd)), attr.size};
}

Result<BlobDir::Blob> BlobDir::get(const Digest256& sha256) {
  sys::SharedFd kept;
  {
    const MutexLock lock(mu_);
    if (const sys::SharedFd* known = open_.find(sha256)) kept = *known;
  }
  if (kept) {
    // It may have been cut short since.
    TRY_ASSIGN(const Attr attr, sys::stat_fd(kept->get()));
    return Blob{std::move(kept), attr.size};
  }
  TRY_ASSIGN(Blob blob, open(sha256));
  // What has to go is closed after the lock.
  std::optional<std::pair<Digest256, sys::SharedFd>> gone;
  const MutexLock lock(mu_);
  gone = open_.insert(sha256, blob.fd);
  return blob;
}

}  // namespace veneer::layerfs
