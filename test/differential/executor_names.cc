// SPDX-License-Identifier: MIT
//
// Calls on names: rename, links, listings.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "test/differential/executor.h"

namespace veneer::testing::differential {

Outcome Executor::rename(const Op& op) {
  return outcome(syscall(SYS_renameat2, dir_of(op.at), op.path.c_str(),
                         dir_of(op.at2), op.path2.c_str(),
                         static_cast<unsigned>(op.flags)));
}

Outcome Executor::link(const Op& op) {
  if (op.kind == OpKind::kLinkFd) {
    return outcome(linkat(slot(op.fd), "", dir_of(op.at2), op.path2.c_str(),
                          AT_EMPTY_PATH));
  }
  return outcome(linkat(dir_of(op.at), op.path.c_str(), dir_of(op.at2),
                        op.path2.c_str(), static_cast<int>(op.flags)));
}

Outcome Executor::symlink(const Op& op) {
  return outcome(symlinkat(op.path2.c_str(), dir_of(op.at), op.path.c_str()));
}

Outcome Executor::readlink(const Op& op) {
  std::array<char, 4200> target{};
  const ssize_t length =
      readlinkat(dir_of(op.at), op.path.c_str(), target.data(), target.size());
  Outcome out = outcome(length);
  if (length >= 0) {
    out.detail = escape({target.data(), static_cast<std::size_t>(length)});
  }
  return out;
}

// The names with their types, sorted: the order is nobody's promise, that each
// comes once is.
Outcome Executor::readdir(const Op& op) {
  const int fd =
      op.fd != kNone
          ? dup(slot(op.fd))
          : ::openat(dir_of(op.at), op.path.c_str(),
                     O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return outcome(-1);
  DIR* stream = fdopendir(fd);
  if (stream == nullptr) {
    Outcome out = outcome(-1);
    ::close(fd);
    return out;
  }
  rewinddir(stream);
  std::vector<std::pair<std::string, bool>> names;  // and: can be found
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const bool found = entry->d_type != DT_CHR ||
                       view_of(dirfd(stream), entry->d_name, false) ||
                       errno != ENOENT;
    names.emplace_back(
        escape(entry->d_name) + "/" + std::to_string(entry->d_type), found);
    errno = 0;
  }
  Outcome out = outcome(errno == 0 ? 0 : -1);
  closedir(stream);
  std::sort(names.begin(), names.end());
  for (const auto& [name, found] : names) {
    out.detail += " " + name;
    if (found) out.note += " " + name;
  }
  return out;
}

}  // namespace veneer::testing::differential
