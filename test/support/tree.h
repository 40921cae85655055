// SPDX-License-Identifier: MIT
//
// Directory trees as values: written in a test as a literal, built on disk,
// read back, and compared.
//
//   const Tree before = {{"etc", Dir()},
//                        {"etc/motd", File("hello").mode(0600).owner(1, 2)}};
//   build_tree(before, "/some/dir");
//   EXPECT_THAT(read_tree("/some/dir"), TreeIs(before));
//
// A literal promises only what it says: type, content and link target always,
// everything else (mode, owner, times, xattrs) when it was written down. A
// snapshot made by read_tree() says everything, so comparing with a snapshot
// compares everything. Paths are bytes, relative to the root; "" is the root.

#pragma once

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace veneer::testing {

enum class Kind : std::uint8_t {
  kFile,
  kDir,
  kSymlink,
  kFifo,
  kSocket,
  kCharDev,
  kBlockDev,
  kWhiteout,  ///< character device 0:0
  kHardLink,  ///< another name of the entry at `data`
};

using Xattrs = std::map<std::string, std::string>;

/// One entry of a tree. Absent optionals are "not said".
struct Entry {
  Kind kind = Kind::kFile;
  std::string data;  ///< content, link target, or the other name
  dev_t rdev = 0;
  std::optional<mode_t> mode_bits;
  std::optional<std::pair<uid_t, gid_t>> ids;
  std::optional<timespec> modified;
  Xattrs xattrs;

  // Said by snapshots only.
  bool is_snapshot = false;
  std::string same_as;  ///< the first path with this inode, if not this one
  nlink_t nlink = 0;
  dev_t dev = 0;
  ino_t ino = 0;
  timespec accessed{};
  timespec changed{};
  std::int64_t blocks = 0;

  Entry& mode(mode_t bits) & { return mode_bits = bits, *this; }
  Entry&& mode(mode_t bits) && { return std::move(mode(bits)); }
  Entry& owner(uid_t uid, gid_t gid) & { return ids = {{uid, gid}}, *this; }
  Entry&& owner(uid_t u, gid_t g) && { return std::move(owner(u, g)); }
  Entry& mtime(time_t sec, long ns = 0) & {
    return modified = timespec{sec, ns}, *this;
  }
  Entry&& mtime(time_t s, long ns = 0) && { return std::move(mtime(s, ns)); }
  Entry& xattr(const std::string& name, const std::string& value) & {
    return xattrs[name] = value, *this;
  }
  Entry&& xattr(const std::string& name, const std::string& value) && {
    return std::move(xattr(name, value));
  }
  /// A directory that hides what the layers below have at its path.
  Entry&& opaque() && {
    return std::move(xattr("trusted.overlay.opaque", "y"));
  }
};

Entry File(std::string content = "");
Entry Dir();
Entry Symlink(std::string target);
Entry Fifo();
Entry Socket();
Entry CharDev(unsigned major, unsigned minor);
Entry BlockDev(unsigned major, unsigned minor);
Entry Whiteout();
Entry HardLink(std::string other_path);

/// A set of paths with what is there. Ordered, so parents precede children.
class Tree {
 public:
  using Map = std::map<std::string, Entry>;

  Tree() = default;
  Tree(std::initializer_list<Map::value_type> entries) : entries_(entries) {}

  [[nodiscard]] const Map& entries() const& { return entries_; }
  [[nodiscard]] Map entries() && { return std::move(entries_); }
  [[nodiscard]] bool has(const std::string& path) const {
    return entries_.contains(path);
  }
  /// The entry at `path`, which must be there.
  [[nodiscard]] const Entry& at(const std::string& path) const& {
    return entries_.at(path);
  }
  [[nodiscard]] Entry at(const std::string& path) && {
    return std::move(entries_.at(path));
  }
  void set(const std::string& path, Entry entry) {
    entries_.insert_or_assign(path, std::move(entry));
  }
  void erase(const std::string& path) { entries_.erase(path); }
  [[nodiscard]] std::vector<std::string> paths() const;

 private:
  Map entries_;
};

std::ostream& operator<<(std::ostream& os, const Tree& tree);

/// Writes `tree` below the existing directory `root`. A failure to do so fails
/// the running test.
void build_tree(const Tree& tree, const std::string& root);

/// Reads everything below `root`, and `root` itself as "". Contents above
/// 256 KiB are kept as a digest. Never opens anything but files and
/// directories.
Tree read_tree(const std::string& root);

/// How a snapshot keeps `content`: a big one is compared by length and hash.
std::string digested(const std::string& content);

/// What a comparison looks at beyond what a literal says.
struct Compare {
  bool ino = false;        ///< inode numbers
  bool atime = false;      ///< access times
  bool ctime = false;      ///< change times
  bool file_nlink = true;  ///< link counts of what is not a directory
  bool dir_mtime = true;   ///< modification times of directories
  bool root = true;        ///< the root's own attributes
};

/// One line for each difference; empty if `got` is what `want` says.
std::string differences(const Tree& want, const Tree& got, Compare how = {});

MATCHER_P(TreeIs, want, "is the tree\n" + ::testing::PrintToString(want)) {
  const std::string found = differences(want, arg);
  *result_listener << "which differs:\n" << found;
  return found.empty();
}

MATCHER_P2(TreeIs, want, how,
           "is the tree\n" + ::testing::PrintToString(want)) {
  const std::string found = differences(want, arg, how);
  *result_listener << "which differs:\n" << found;
  return found.empty();
}

/// A name or content fit for a message: bytes that do not print are escaped,
/// and long ones are cut.
std::string printable(const std::string& bytes);

}  // namespace veneer::testing
