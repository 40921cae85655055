// SPDX-License-Identifier: MIT
//
// Building and comparing trees. Building works in two passes, because adding a
// child changes its directory's times: entries first, in order; then, from the
// deepest up, owner, mode, xattrs and times. Reading goes through lstat and
// never opens a FIFO, socket or device.

#include "test/support/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <ranges>
#include <sstream>

#include "test/support/fd.h"
#include "test/support/outcome.h"

namespace veneer::testing {
namespace {

constexpr std::size_t kDigestAbove = 256 * 1024;

std::string join(const std::string& root, const std::string& path) {
  return path.empty() ? root : root + "/" + path;
}

void expect_ok(long rc, const char* what, const std::string& path) {
  if (rc >= 0) return;
  const int error = errno;
  ADD_FAILURE() << what << " " << path << ": " << error_name(error);
}

void write_file_at(const std::string& path, const std::string& content) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644));
  expect_ok(fd.get(), "create", path);
  std::size_t done = 0;
  while (fd.is_open() && done < content.size()) {
    const ssize_t n =
        ::write(fd.get(), content.data() + done, content.size() - done);
    expect_ok(n, "write", path);
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

void bind_socket_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The address holds 107 bytes; a path through the parent's descriptor is
  // short whatever the tree's depth.
  const auto slash = path.rfind('/');
  const Fd dir(::open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY));
  const std::string address_path =
      "/proc/self/fd/" + std::to_string(dir.get()) + path.substr(slash);
  address_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  expect_ok(::bind(fd.get(), generic, sizeof(address)), "bind", path);
}

void make_entry(const Entry& entry, const std::string& path,
                const std::string& root) {
  const char* at = path.c_str();
  switch (entry.kind) {
    case Kind::kFile:
      write_file_at(path, entry.data);
      break;
    case Kind::kDir:
      if (path != root) expect_ok(::mkdir(at, 0755), "mkdir", path);
      break;
    case Kind::kSymlink:
      expect_ok(::symlink(entry.data.c_str(), at), "symlink", path);
      break;
    case Kind::kFifo:
      expect_ok(::mknod(at, S_IFIFO | 0644, 0), "mkfifo", path);
      break;
    case Kind::kSocket:
      bind_socket_at(path);
      break;
    case Kind::kCharDev:
      expect_ok(::mknod(at, S_IFCHR | 0644, entry.rdev), "mknod", path);
      break;
    case Kind::kBlockDev:
      expect_ok(::mknod(at, S_IFBLK | 0644, entry.rdev), "mknod", path);
      break;
    case Kind::kWhiteout:
      expect_ok(::mknod(at, S_IFCHR, 0), "make whiteout", path);
      break;
    case Kind::kHardLink:
      expect_ok(::link(join(root, entry.data).c_str(), at), "link", path);
      break;
  }
}

void set_attributes(const Entry& entry, const std::string& path) {
  const char* at = path.c_str();
  if (entry.ids) {
    expect_ok(::lchown(at, entry.ids->first, entry.ids->second), "chown", path);
  }
  if (entry.mode_bits && entry.kind != Kind::kSymlink) {
    expect_ok(::chmod(at, *entry.mode_bits), "chmod", path);
  }
  for (const auto& [name, value] : entry.xattrs) {
    expect_ok(::lsetxattr(at, name.c_str(), value.data(), value.size(), 0),
              ("setxattr " + name).c_str(), path);
  }
  if (entry.modified) {
    const timespec times[2] = {*entry.modified, *entry.modified};
    expect_ok(::utimensat(AT_FDCWD, at, times, AT_SYMLINK_NOFOLLOW), "utimens",
              path);
  }
}

Kind kind_of(const struct stat& status) {
  switch (status.st_mode & S_IFMT) {
    case S_IFDIR:
      return Kind::kDir;
    case S_IFLNK:
      return Kind::kSymlink;
    case S_IFIFO:
      return Kind::kFifo;
    case S_IFSOCK:
      return Kind::kSocket;
    case S_IFBLK:
      return Kind::kBlockDev;
    case S_IFCHR:
      return status.st_rdev == 0 ? Kind::kWhiteout : Kind::kCharDev;
    default:
      return Kind::kFile;
  }
}

std::string read_content(const std::string& path, std::size_t size) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW));
  expect_ok(fd.get(), "open to read", path);
  std::string content;
  content.reserve(size);
  std::vector<char> buffer(256 * 1024);
  while (fd.is_open()) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    expect_ok(n, "read", path);
    if (n <= 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return digested(content);
}

Xattrs read_xattrs(const std::string& path) {
  std::vector<char> names(64 * 1024);
  const ssize_t length = ::llistxattr(path.c_str(), names.data(), names.size());
  if (length < 0 && errno == ENOTSUP) return {};
  expect_ok(length, "listxattr", path);
  Xattrs result;
  for (ssize_t at = 0; at < length;) {
    const std::string name = names.data() + at;
    at += static_cast<ssize_t>(name.size()) + 1;
    std::vector<char> value(64 * 1024);
    const ssize_t size =
        ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    expect_ok(size, ("getxattr " + name).c_str(), path);
    if (size >= 0) {
      result[name] = {value.data(), static_cast<std::size_t>(size)};
    }
  }
  return result;
}

Entry read_entry(const std::string& path) {
  struct stat status{};
  expect_ok(::lstat(path.c_str(), &status), "lstat", path);
  Entry entry;
  entry.is_snapshot = true;
  entry.kind = kind_of(status);
  entry.rdev = status.st_rdev;
  entry.mode_bits = status.st_mode & 07777;
  entry.ids = {{status.st_uid, status.st_gid}};
  entry.modified = status.st_mtim;
  entry.accessed = status.st_atim;
  entry.changed = status.st_ctim;
  entry.nlink = status.st_nlink;
  entry.dev = status.st_dev;
  entry.ino = status.st_ino;
  entry.blocks = status.st_blocks;
  entry.xattrs = read_xattrs(path);
  if (entry.kind == Kind::kFile) {
    entry.data = read_content(path, static_cast<std::size_t>(status.st_size));
  } else if (entry.kind == Kind::kSymlink) {
    std::vector<char> target(static_cast<std::size_t>(status.st_size) + 4096);
    const ssize_t n = ::readlink(path.c_str(), target.data(), target.size());
    expect_ok(n, "readlink", path);
    if (n >= 0) entry.data = {target.data(), static_cast<std::size_t>(n)};
  }
  return entry;
}

std::vector<std::string> list_names(const std::string& path) {
  std::vector<std::string> names;
  DIR* dir = ::opendir(path.c_str());
  expect_ok(dir != nullptr ? 0 : -1, "opendir", path);
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(dir);
  std::ranges::sort(names);
  return names;
}

using InodeKey = std::pair<dev_t, ino_t>;

void read_into(Tree& tree, std::map<InodeKey, std::string>& seen,
               const std::string& root, const std::string& path) {
  Entry entry = read_entry(join(root, path));
  const bool is_dir = entry.kind == Kind::kDir;
  if (!is_dir && entry.nlink > 1) {
    const auto [it, is_new] = seen.try_emplace({entry.dev, entry.ino}, path);
    if (!is_new) entry.same_as = it->second;
  }
  tree.set(path, std::move(entry));
  if (!is_dir) return;
  for (const std::string& name : list_names(join(root, path))) {
    read_into(tree, seen, root, path.empty() ? name : path + "/" + name);
  }
}

const char* kind_name(Kind kind) {
  static constexpr const char* kNames[] = {
      "file",        "directory",    "symlink",  "FIFO",     "socket",
      "char device", "block device", "whiteout", "hard link"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string time_text(const timespec& time) {
  std::ostringstream text;
  text << time.tv_sec << "." << time.tv_nsec << "ns";
  return text.str();
}

bool equal(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// Collects the differences of one entry as lines of text.
class Difference {
 public:
  Difference(std::ostream& os, std::string path)
      : os_(os), path_(std::move(path)) {}

  template <typename T>
  void check(const char* what, const T& want, const T& got) {
    if (want == got) return;
    os_ << "  " << printable(path_) << ": " << what << " is " << got << ", not "
        << want << "\n";
  }
  void check_time(const char* what, const timespec& want, const timespec& got) {
    if (!equal(want, got)) check(what, time_text(want), time_text(got));
  }

 private:
  std::ostream& os_;
  std::string path_;
};

std::string octal(mode_t mode) {
  std::ostringstream text;
  text << "0" << std::oct << mode;
  return text.str();
}

std::string xattr_text(const Xattrs& xattrs) {
  std::string text = "{";
  for (const auto& [name, value] : xattrs) {
    text += " " + name + "=" + printable(value);
  }
  return text + " }";
}

void compare_xattrs(const Entry& want, const Entry& got, Difference& out) {
  if (want.is_snapshot) {
    out.check("set of xattrs", xattr_text(want.xattrs), xattr_text(got.xattrs));
    return;
  }
  for (const auto& [name, value] : want.xattrs) {
    const auto it = got.xattrs.find(name);
    out.check(
        name.c_str(), printable(value),
        it == got.xattrs.end() ? std::string("absent") : printable(it->second));
  }
}

void compare_snapshots(const Entry& want, const Entry& got, const Compare& how,
                       Difference& out) {
  const bool is_dir = want.kind == Kind::kDir;
  if (!is_dir && how.file_nlink) {
    out.check("nlink", want.nlink, got.nlink);
    out.check("first name", printable(want.same_as), printable(got.same_as));
  }
  if (how.ino) out.check("st_ino", want.ino, got.ino);
  if (how.atime) out.check_time("atime", want.accessed, got.accessed);
  if (how.ctime) out.check_time("ctime", want.changed, got.changed);
}

void compare_entries(const Entry& want, const Entry& got, const Compare& how,
                     Difference& out) {
  if (want.kind == Kind::kHardLink) {
    out.check("first name", want.data, got.same_as);
    return;
  }
  out.check("type", std::string(kind_name(want.kind)),
            std::string(kind_name(got.kind)));
  if (want.kind != got.kind) return;
  if (want.kind == Kind::kFile || want.kind == Kind::kSymlink) {
    out.check("content", printable(digested(want.data)), printable(got.data));
  }
  if (want.kind == Kind::kCharDev || want.kind == Kind::kBlockDev) {
    out.check("device number", want.rdev, got.rdev);
  }
  if (want.mode_bits) {
    out.check("mode", octal(*want.mode_bits), octal(*got.mode_bits));
  }
  if (want.ids) {
    out.check("uid", want.ids->first, got.ids->first);
    out.check("gid", want.ids->second, got.ids->second);
  }
  if (want.modified && (how.dir_mtime || want.kind != Kind::kDir)) {
    out.check_time("mtime", *want.modified, *got.modified);
  }
  compare_xattrs(want, got, out);
  if (want.is_snapshot) compare_snapshots(want, got, how, out);
}

Entry entry_of(Kind kind, std::string data = "", dev_t rdev = 0) {
  Entry entry;
  entry.kind = kind;
  entry.data = std::move(data);
  entry.rdev = rdev;
  return entry;
}

}  // namespace

Entry File(std::string content) {
  return entry_of(Kind::kFile, std::move(content));
}
Entry Dir() { return entry_of(Kind::kDir); }
Entry Symlink(std::string target) {
  return entry_of(Kind::kSymlink, std::move(target));
}
Entry Fifo() { return entry_of(Kind::kFifo); }
Entry Socket() { return entry_of(Kind::kSocket); }
Entry CharDev(unsigned major, unsigned minor) {
  return entry_of(Kind::kCharDev, "", makedev(major, minor));
}
Entry BlockDev(unsigned major, unsigned minor) {
  return entry_of(Kind::kBlockDev, "", makedev(major, minor));
}
Entry Whiteout() { return entry_of(Kind::kWhiteout); }
Entry HardLink(std::string other_path) {
  return entry_of(Kind::kHardLink, std::move(other_path));
}

std::vector<std::string> Tree::paths() const {
  const auto keys = std::views::keys(entries_);
  return {keys.begin(), keys.end()};
}

std::ostream& operator<<(std::ostream& os, const Tree& tree) {
  for (const auto& [path, entry] : tree.entries()) {
    os << "  " << (path.empty() ? "(root)" : printable(path)) << "  "
       << kind_name(entry.kind);
    if (!entry.data.empty()) {
      os << " \"" << printable(digested(entry.data)) << "\"";
    }
    if (entry.mode_bits) os << " " << octal(*entry.mode_bits);
    if (!entry.same_as.empty()) os << " = " << printable(entry.same_as);
    os << "\n";
  }
  return os;
}

void build_tree(const Tree& tree, const std::string& root) {
  for (const auto& [path, entry] : tree.entries()) {
    if (entry.kind != Kind::kHardLink) {
      make_entry(entry, join(root, path), root);
    }
  }
  for (const auto& [path, entry] : tree.entries()) {
    if (entry.kind == Kind::kHardLink) {
      make_entry(entry, join(root, path), root);
    }
  }
  for (const auto& [path, entry] : tree.entries() | std::views::reverse) {
    if (entry.kind != Kind::kHardLink) {
      set_attributes(entry, join(root, path));
    }
  }
}

std::string digested(const std::string& content) {
  if (content.size() <= kDigestAbove) return content;
  return "<" + std::to_string(content.size()) + " bytes, hash " +
         std::to_string(std::hash<std::string>{}(content)) + ">";
}

Tree read_tree(const std::string& root) {
  Tree tree;
  std::map<InodeKey, std::string> seen;
  read_into(tree, seen, root, "");
  return tree;
}

std::string differences(const Tree& want, const Tree& got, Compare how) {
  std::ostringstream text;
  for (const auto& [path, entry] : want.entries()) {
    if (path.empty() && !how.root) continue;
    if (!got.has(path)) {
      text << "  " << printable(path) << ": missing\n";
      continue;
    }
    Difference out(text, path);
    compare_entries(entry, got.at(path), how, out);
  }
  for (const auto& [path, entry] : got.entries()) {
    if (!path.empty() && !want.has(path)) {
      text << "  " << printable(path) << ": unexpected "
           << kind_name(entry.kind) << "\n";
    }
  }
  return text.str();
}

std::string printable(const std::string& bytes) {
  constexpr std::size_t kShown = 80;
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes.substr(0, kShown)) {
    const auto code = static_cast<unsigned char>(byte);
    if (code >= 0x20 && code < 0x7f) {
      text += byte;
    } else {
      text += {'\\', 'x', kHex[code >> 4], kHex[code & 15]};
    }
  }
  if (bytes.size() > kShown) {
    text += "... (" + std::to_string(bytes.size()) + " bytes)";
  }
  return text;
}

}  // namespace veneer::testing
