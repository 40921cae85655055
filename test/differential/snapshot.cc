// SPDX-License-Identifier: MIT
//
// Walks a tree from inside it, in the order of names.

#include "test/differential/snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "test/differential/random.h"

namespace veneer::testing::differential {
namespace {

struct Listed {
  std::string name;
  std::uint64_t ino = 0;
  unsigned char type = 0;
};

std::string failed(const char* call) {
  return std::string(call) + ": " + std::strerror(errno);
}

std::string read_file(const std::string& path, std::string& problem) {
  const int fd =
      open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  std::string bytes;
  if (fd < 0) {
    problem = failed("open");
    return bytes;
  }
  std::string chunk(1 << 17, '\0');
  ssize_t got = 0;
  while ((got = read(fd, chunk.data(), chunk.size())) > 0) {
    bytes.append(chunk, 0, static_cast<std::size_t>(got));
  }
  if (got < 0) problem = failed("read");
  close(fd);
  return bytes;
}

std::vector<Listed> list(const std::string& path, std::string& problem) {
  std::vector<Listed> names;
  DIR* stream = opendir(path.c_str());
  if (stream == nullptr) {
    problem = failed("opendir");
    return names;
  }
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    names.push_back({name, entry->d_ino, entry->d_type});
  }
  if (errno != 0) problem = failed("readdir");
  closedir(stream);
  std::sort(names.begin(), names.end(),
            [](const Listed& a, const Listed& b) { return a.name < b.name; });
  return names;
}

std::map<std::string, std::string> xattrs_of(const std::string& path,
                                             std::string& problem) {
  std::map<std::string, std::string> xattrs;
  std::string names(65536, '\0');
  const ssize_t size = llistxattr(path.c_str(), names.data(), names.size());
  if (size < 0) {
    problem = failed("listxattr");
    return xattrs;
  }
  names.resize(static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    std::string value(65536, '\0');
    const ssize_t length =
        lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (length < 0) {
      problem = failed(("getxattr " + name).c_str());
      continue;
    }
    value.resize(static_cast<std::size_t>(length));
    xattrs[name] = value;
  }
  return xattrs;
}

class Inside {
 public:
  Inside(int root_fd, int host_fd) : host_fd_(host_fd) { enter(root_fd); }
  ~Inside() { enter(host_fd_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  static void enter(int fd) {
    if (fchdir(fd) != 0 || chroot(".") != 0) std::abort();
  }
  int host_fd_;
};

Entry look_at(const std::string& path) {
  const std::string name = path.empty() ? "." : path;
  Entry entry;
  entry.path = path;
  const auto stat = view_of(AT_FDCWD, name.c_str(), false);
  if (!stat) {
    entry.problem = failed("stat");
    return entry;
  }
  entry.stat = *stat;
  if ((stat->mode & S_IFMT) == S_IFLNK) {
    std::string target(4200, '\0');
    const ssize_t size = readlink(name.c_str(), target.data(), target.size());
    if (size < 0) entry.problem = failed("readlink");
    target.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    entry.link = target;
  }
  if (stat->is_regular()) {
    const std::string bytes = read_file(name, entry.problem);
    entry.content = digest(bytes);
    if (entry.problem.empty() && bytes.size() != stat->size) {
      entry.problem = "size and content disagree";
    }
  }
  entry.xattrs = xattrs_of(name, entry.problem);
  return entry;
}

void walk(const std::string& path, std::size_t self, Snapshot& tree) {
  std::vector<Listed> names =
      list(path.empty() ? "." : path, tree[self].problem);
  std::string before;
  for (const Listed& listed : names) {
    if (listed.name == before) {
      ++tree[self].twice;
      continue;
    }
    before = listed.name;
    const std::string child =
        path.empty() ? listed.name : path + "/" + listed.name;
    Entry entry = look_at(child);
    entry.type_agrees = IFTODT(entry.stat.mode) == listed.type;
    entry.ino_agrees = entry.stat.ino == listed.ino;
    const bool is_dir = entry.stat.is_dir();
    tree.push_back(std::move(entry));
    if (!is_dir) continue;
    ++tree[self].subdirs;
    walk(child, tree.size() - 1, tree);
  }
}

}  // namespace

Snapshot snapshot_of(int root_fd, int host_fd) {
  const Inside inside(root_fd, host_fd);
  Snapshot tree{look_at("")};
  walk("", 0, tree);
  return tree;
}

std::map<std::string, std::string> raw_state_of(int root_fd, int host_fd) {
  std::map<std::string, std::string> state;
  for (const Entry& entry : snapshot_of(root_fd, host_fd)) {
    const Inside inside(root_fd, host_fd);
    struct stat s{};
    lstat(entry.path.empty() ? "." : entry.path.c_str(), &s);
    std::string text = entry.problem + entry.link;
    const auto add = [&text](auto number) {
      text += ' ' + std::to_string(number);
    };
    add(s.st_mode), add(s.st_uid), add(s.st_gid), add(s.st_nlink);
    // Not st_blocks: to map a hole of a tmpfs file for reading allocates pages.
    add(s.st_size), add(s.st_ino), add(s.st_rdev);
    for (const timespec& time : {s.st_atim, s.st_mtim, s.st_ctim}) {
      add(time.tv_sec), add(time.tv_nsec);
    }
    add(entry.content);
    for (const auto& [name, value] : entry.xattrs) {
      text += ' ' + escape(name) + '=' + escape(value);
    }
    state[entry.path] = text;
  }
  return state;
}

}  // namespace veneer::testing::differential
