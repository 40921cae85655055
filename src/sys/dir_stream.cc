// SPDX-License-Identifier: MIT
//
// getdents64(2) into a buffer that each thread keeps.

#include "sys/dir_stream.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/cleanup.h"
#include "sys/call.h"

namespace veneer::sys {
namespace {

constexpr std::size_t kBufferSize = std::size_t{32} * 1024;

// A listing started from inside another one's sink finds the thread's buffer in
// use and brings its own.
struct ThreadBuffer {
  std::unique_ptr<std::byte[]> bytes;
  bool in_use = false;
};
thread_local ThreadBuffer thread_buffer;

bool is_dot_or_dot_dot(const char* name) {
  return name[0] == '.' &&
         (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

Result<void> read_dir_into(std::byte* buffer, int dir, DirSink sink) {
  if (::lseek(dir, 0, SEEK_SET) < 0) return last_error("lseek");
  for (;;) {
    const long length = retry_interrupted(
        [&] { return ::syscall(SYS_getdents64, dir, buffer, kBufferSize); });
    if (length < 0) return last_error("getdents64");
    if (length == 0) return {};
    for (long at = 0; at < length;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(buffer + at);
      at += entry->d_reclen;
      if (is_dot_or_dot_dot(entry->d_name)) continue;
      sink(entry->d_name, entry->d_ino, entry->d_type);
    }
  }
}

}  // namespace

Result<void> read_dir(int dir, DirSink sink) {
  if (thread_buffer.in_use) {
    const auto own = std::make_unique_for_overwrite<std::byte[]>(kBufferSize);
    return read_dir_into(own.get(), dir, sink);
  }
  if (thread_buffer.bytes == nullptr) {
    thread_buffer.bytes =
        std::make_unique_for_overwrite<std::byte[]>(kBufferSize);
  }
  thread_buffer.in_use = true;
  const Cleanup done([] { thread_buffer.in_use = false; });
  return read_dir_into(thread_buffer.bytes.get(), dir, sink);
}

}  // namespace veneer::sys
