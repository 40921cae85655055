// SPDX-License-Identifier: MIT
//
// mmap(2), private and read-only.

#include "sys/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "sys/call.h"
#include "sys/file.h"

namespace veneer::sys {

Result<MappedFile> MappedFile::map(int fd) {
  TRY_ASSIGN(const Attr attr, stat_fd(fd));
  if (!S_ISREG(attr.mode)) return Error(ENODEV, "mmap");
  if (attr.size == 0) return MappedFile();  // mmap refuses an empty one
  const auto size = static_cast<std::size_t>(attr.size);
  void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (start == MAP_FAILED) return last_error("mmap");
  return MappedFile({static_cast<const std::byte*>(start), size});
}

void MappedFile::advise(int advice) const noexcept {
  if (bytes_.empty()) return;
  // Advice not taken changes nothing but the speed.
  static_cast<void>(
      ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), advice));
}

void MappedFile::unmap() noexcept {
  if (bytes_.empty()) return;
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  bytes_ = {};
}

}  // namespace veneer::sys
