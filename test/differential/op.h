// SPDX-License-Identifier: MIT
//
// One line of a script: a system call with its arguments, as plain data.
//
// A script builds the lower layers, then works on the merged tree. All of it is
// written in the same words, so that the minimiser may drop any line and the
// rest still means something: a line whose subject is gone merely fails, on
// both sides alike.
//
//   raw.1 mkdir path=d mode=0755        made directly in layer 1
//   via.0 rename path=d path2=e         through an overlay whose upper is layer
//   0 main open fd=3 path=e/a flags=O_RDWR|O_CREAT mode=0644 swap unlink
//   path=e/a                after the two uppers changed sides
//
// Layer 0 is the topmost one. Bytes that are no plain text are written %XX, and
// a run of one letter %{x*255}. A field that is not given has its default.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace veneer::testing::differential {

/// Where a line runs.
enum class Phase : std::uint8_t { kRaw, kVia, kMain, kSwap };

enum class OpKind : std::uint8_t {
  kMkfile,
  kOpen,
  kClose,
  kRead,
  kWrite,
  kTruncate,
  kFtruncate,
  kUnlink,
  kRmdir,
  kMkdir,
  kRename,
  kLink,
  kLinkFd,
  kSymlink,
  kReadlink,
  kMknod,
  kChmod,
  kChown,
  kUtimens,
  kSetxattr,
  kGetxattr,
  kListxattr,
  kRemovexattr,
  kSetacl,
  kFallocate,
  kSeek,
  kCopyRange,
  kMmapWrite,
  kMmapRead,
  kFsync,
  kReaddir,
  kStat,
  kAccess,
  kStatfs,
  kSetflags,
  kUmask,
  kDropCaches,
  kCompare,
};

inline constexpr int kNone = -1;
inline constexpr int kSlots = 12;
inline constexpr std::uint32_t kMaxLayers = 3;

/// A call and its arguments. `fd`, `fd2`, `at` and `at2` are slots of the
/// descriptor pool; where `fd` is given, the call takes its f-form and `path`
/// is not used. `at` none means the root of the tree.
struct Op {
  Phase phase = Phase::kMain;
  std::uint32_t layer = 0;
  OpKind kind = OpKind::kCompare;

  int at = kNone;
  int at2 = kNone;
  int fd = kNone;
  int fd2 = kNone;
  std::string path = {};
  std::string path2 = {};  ///< second path, or the target of a symlink
  std::string name = {};   ///< of an extended attribute
  std::int64_t flags = 0;
  std::int64_t mode = 0;
  std::int64_t off = 0;
  std::int64_t off2 = 0;
  std::int64_t len = 0;
  std::int64_t seed = 0;  ///< of the bytes written
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::int64_t as = 0;  ///< file system uid and gid of the caller
  std::int64_t atime = 0;
  std::int64_t atime_ns = 0;
  std::int64_t mtime = 0;
  std::int64_t mtime_ns = 0;

  friend bool operator==(const Op&, const Op&) = default;
};

using Script = std::vector<Op>;

/// The word of a kind, as scripts spell it.
std::string_view word(OpKind kind);

std::string format(const Op& op);
std::string format(const Script& script);

/// Reads what format() wrote. Lines that are empty or begin with '#' are
/// skipped. None if a line is not understood; `*problem` then names it.
std::optional<Script> parse(std::string_view text, std::string* problem);

/// Bytes as printable text, without blanks, and back.
std::string escape(std::string_view bytes);
std::optional<std::string> unescape(std::string_view text);

}  // namespace veneer::testing::differential
