// SPDX-License-Identifier: MIT
//
// The mount calls, and reading /proc/self/mountinfo (proc(5) has its grammar).

#include "sys/mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <charconv>

#include "sys/call.h"

namespace veneer::sys {
namespace {

// --- mountinfo ---

// Takes the text up to `separator`, or all of it, off the front of `rest`.
std::string_view take(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view front = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  return front;
}

template <typename T>
bool parse_number(std::string_view text, T& number) {
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// "\040" is a space, and so for tab, newline, backslash and number sign.
std::string unescape(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const bool is_escape =
        text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(&text[i + 1], &text[i] + 4, code, 8).ptr ==
            &text[i] + 4 &&
        code < 256;
    plain += is_escape ? static_cast<char>(code) : text[i];
    if (is_escape) i += 3;
  }
  return plain;
}

// 36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/sda1 rw,...
std::optional<MountEntry> parse_line(std::string_view line) {
  MountEntry entry;
  if (!parse_number(take(line, ' '), entry.mount_id)) return std::nullopt;
  if (!parse_number(take(line, ' '), entry.parent_id)) return std::nullopt;
  unsigned major = 0;
  unsigned minor = 0;
  if (!parse_number(take(line, ':'), major)) return std::nullopt;
  if (!parse_number(take(line, ' '), minor)) return std::nullopt;
  entry.dev = makedev(major, minor);
  entry.root = unescape(take(line, ' '));
  entry.mount_point = unescape(take(line, ' '));
  entry.options = unescape(take(line, ' '));
  // Any number of optional fields, closed by a dash.
  for (;;) {
    if (line.empty()) return std::nullopt;
    if (take(line, ' ') == "-") break;
  }
  entry.fs_type = unescape(take(line, ' '));
  entry.source = unescape(take(line, ' '));
  entry.super_options = unescape(take(line, ' '));
  if (entry.fs_type.empty()) return std::nullopt;
  return entry;
}

Result<std::string> read_all(int fd) {
  std::string text;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t count =
        retry_interrupted([&] { return ::read(fd, buffer, sizeof(buffer)); });
    if (count < 0) return last_error("read");
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

// Of a tree that nobody else sees yet.
Result<void> set_attributes(int tree, std::uint64_t set, std::uint64_t clear) {
  struct mount_attr attributes = {};
  attributes.attr_set = set;
  attributes.attr_clr = clear;
  attributes.propagation = MS_PRIVATE;
  return check(::syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH,
                         &attributes, sizeof(attributes)),
               "mount_setattr");
}

}  // namespace

Result<UniqueFd> clone_tree(const std::string& path) {
  UniqueFd tree(
      static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path.c_str(),
                                 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!tree) return Error(errno, "open_tree", path);
  auto done = set_attributes(tree.get(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME,
                             MOUNT_ATTR__ATIME);
  if (!done && done.error().code() == EPERM) {
    // In a user namespace the way of access times may be locked; reading then
    // updates them as it did before.
    done = set_attributes(tree.get(), MOUNT_ATTR_RDONLY, 0);
  }
  if (!done) return done.error().about(path);
  return tree;
}

Result<void> umount_at(const std::string& path, int flags) {
  if (::umount2(path.c_str(), flags) == 0) return {};
  return Error(errno, "umount", path);
}

std::vector<MountEntry> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> entries;
  while (!text.empty()) {
    auto entry = parse_line(take(text, '\n'));
    if (entry) entries.push_back(*std::move(entry));
  }
  return entries;
}

Result<std::vector<MountEntry>> read_mounts() {
  const UniqueFd file(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!file) return Error(errno, "open", "/proc/self/mountinfo");
  TRY_ASSIGN(const std::string text, read_all(file.get()));
  return parse_mountinfo(text);
}

Result<std::optional<MountEntry>> find_mount(const std::string& path) {
  std::string_view wanted = path;
  while (wanted.size() > 1 && wanted.ends_with('/')) wanted.remove_suffix(1);
  TRY_ASSIGN(std::vector<MountEntry> entries, read_mounts());
  std::optional<MountEntry> found;
  for (MountEntry& entry : entries) {
    if (entry.mount_point == wanted) found = std::move(entry);
  }
  return found;
}

}  // namespace veneer::sys
