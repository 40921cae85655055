// SPDX-License-Identifier: MIT
//
// openat2(2) where the kernel has it, else a walk by hand.

#include "sys/open.h"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "sys/call.h"
#include "sys/fault.h"

namespace veneer::sys {
namespace {

// The kernel takes paths of 4095 bytes.
constexpr std::size_t kLongestStep = 4000;
constexpr int kStepFlags = O_PATH | O_DIRECTORY;

bool is_tmpfile(int flags) { return (flags & O_TMPFILE) == O_TMPFILE; }

Result<void> before_open(int flags) {
  if ((flags & (O_CREAT | O_TRUNC)) != 0 || is_tmpfile(flags)) [[unlikely]] {
    return fault::before_mutation("open");
  }
  return {};
}

Result<UniqueFd> checked(int fd, const char* operation) {
  if (fd < 0) [[unlikely]]
    return last_error(operation);
  return UniqueFd(fd);
}

// openat(2) with what always belongs to it, whatever the name.
Result<UniqueFd> open_raw(int dir, const char* name, int flags, mode_t mode) {
  return checked(retry_interrupted([&] {
                   return ::openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW,
                                   mode);
                 }),
                 "openat");
}

int openat2(int dir, const char* path, int flags, mode_t mode) {
  open_how how = {};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

bool has_openat2() {
  static const bool has =
      is_implemented([] { return ::syscall(SYS_openat2, -1, "", nullptr, 0); });
  return has && !fault::is_old_kernel();
}

bool has_dot_dot(std::string_view path) {
  for (std::size_t at = path.find(".."); at != path.npos;
       at = path.find("..", at + 1)) {
    const bool starts = at == 0 || path[at - 1] == '/';
    const bool ends = at + 2 == path.size() || path[at + 2] == '/';
    if (starts && ends) return true;
  }
  return false;
}

// One step along a path that the kernel can take whole.
Result<UniqueFd> open_step(int dir, const char* path, int flags, mode_t mode) {
  return checked(
      retry_interrupted([&] { return openat2(dir, path, flags, mode); }),
      "openat2");
}

// A path that is too long for the kernel, in steps that end at slashes.
Result<UniqueFd> open_in_steps(int root, std::string_view path, int flags,
                               mode_t mode) {
  UniqueFd at;
  while (path.size() > kLongestStep) {
    const std::size_t end = path.rfind('/', kLongestStep);
    if (end == path.npos || end == 0) return Error(ENAMETOOLONG, "openat2");
    // With its slash, a link at the end of the step is one in the way: ELOOP.
    const std::string step(path.substr(0, end + 1));
    TRY_ASSIGN(at,
               open_step(at ? at.get() : root, step.c_str(), kStepFlags, 0));
    path.remove_prefix(std::min(path.find_first_not_of('/', end), path.size()));
  }
  // Nothing left means that slashes ended the path: it is a directory.
  const std::string rest(path.empty() ? "." : path);
  return open_step(at.get(), rest.c_str(), flags, mode);
}

// A directory on the way. Opened like this a link is ENOTDIR; openat2 says
// ELOOP.
Result<UniqueFd> open_component(int dir, const char* name) {
  auto opened = open_raw(dir, name, kStepFlags, 0);
  if (opened || opened.error().code() != ENOTDIR) return opened;
  struct stat status;
  const int result = ::fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW);
  const bool is_link = result == 0 && S_ISLNK(status.st_mode);
  return Error(is_link ? ELOOP : ENOTDIR, "openat");
}

// Without openat2: component by component, each of which is no link.
Result<UniqueFd> walk_beneath(int root, std::string_view path, int flags,
                              mode_t mode) {
  UniqueFd at;
  std::string name;
  for (;;) {
    const std::size_t begin = path.find_first_not_of('/');
    if (begin == path.npos) break;
    const std::size_t end = path.find('/', begin);
    // A slash behind the last component asks for a directory.
    const bool is_last = end == path.npos;
    if (!name.empty()) {
      TRY_ASSIGN(at, open_component(at ? at.get() : root, name.c_str()));
    }
    name = path.substr(begin, is_last ? path.npos : end - begin);
    path = is_last ? std::string_view() : path.substr(end);
    if (path.find_first_not_of('/') == path.npos && !path.empty()) {
      flags |= O_DIRECTORY;
    }
  }
  if (name.empty()) name = ".";
  return open_raw(at ? at.get() : root, name.c_str(), flags, mode);
}

Result<UniqueFd> open_path(const std::string& path, int flags) {
  const int fd = retry_interrupted(
      [&] { return ::open(path.c_str(), flags | O_CLOEXEC); });
  if (fd < 0) return Error(errno, "open", path);
  return UniqueFd(fd);
}

}  // namespace

Result<UniqueFd> open_dir(const std::string& path) {
  return open_path(path, O_PATH | O_DIRECTORY);
}

Result<UniqueFd> open_file(const std::string& path) {
  return open_path(path, O_RDONLY | O_NONBLOCK);
}

Result<UniqueFd> open_setting(const std::string& path, int flags) {
  return open_path(path, flags);
}

Result<UniqueFd> open_at(int dir, const char* name, int flags, mode_t mode) {
  if (std::strchr(name, '/') != nullptr || std::strcmp(name, "..") == 0)
      [[unlikely]] {
    return Error(EINVAL, "openat");
  }
  TRY(before_open(flags));
  return open_raw(dir, name, flags, mode);
}

Result<UniqueFd> open_beneath(int root, const std::string& relative, int flags,
                              mode_t mode) {
  if (has_dot_dot(relative) || relative.starts_with('/')) [[unlikely]] {
    return Error(EXDEV, "openat2");
  }
  TRY(before_open(flags));
  if (relative.empty()) return open_raw(root, ".", flags, mode);
  if (!has_openat2()) return walk_beneath(root, relative, flags, mode);

  if (relative.size() > kLongestStep) [[unlikely]] {
    return open_in_steps(root, relative, flags, mode);
  }
  return open_step(root, relative.c_str(), flags, mode);
}

Result<UniqueFd> reopen(int fd, int flags) {
  TRY(before_open(flags));
  flags |= O_CLOEXEC;
  if ((flags & O_DIRECTORY) != 0) {
    const int again =
        retry_interrupted([&] { return ::openat(fd, ".", flags, 0600); });
    // The way through "." needs search permission, the other one does not.
    if (again >= 0 || errno != EACCES) return checked(again, "openat");
  }
  const ProcFdPath path(fd);
  return checked(retry_interrupted([&] {
                   return ::open(path.c_str(), flags & ~O_NOFOLLOW, 0600);
                 }),
                 "open");
}

Result<UniqueFd> open_tmpfile(int dir, int flags, mode_t mode) {
  TRY(before_open(O_TMPFILE));
  return open_raw(dir, ".", flags | O_TMPFILE, mode);
}

}  // namespace veneer::sys
