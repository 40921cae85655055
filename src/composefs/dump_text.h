// SPDX-License-Identifier: MIT
//
// The dump: a tree as text, one object a line, from which its image can be made
// anew byte for byte.
//
//   PATH SIZE MODE NLINK UID GID RDEV MTIME PAYLOAD CONTENT DIGEST [KEY=VALUE]
//
// A line's object is below one of an earlier line; the first is "/". An "@"
// before MODE makes it another name of what PAYLOAD says. "-" is none, and
// bytes that would be misread are escaped as \xHH. composefs-dump(5) of
// composefs is the specification; where its first implementation takes what
// makes no sense (numbers that wrap, digests of any length), it is an error
// here.
//
// Nothing in a dump is trusted. Lines have at most 1 MiB, and an error names
// the line and the field.

#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "composefs/tree.h"
#include "veneer/result.h"

namespace veneer::composefs {

struct DumpOptions {
  /// What errors call the dump.
  std::string name = "dump";
  /// Refuses what is merely odd too: no newline at the end, the size of a
  /// symbolic link other than that of its target, content of one, a device
  /// number of what is no device.
  bool is_strict = false;
};

/// Gives the next bytes, into `room`; 0 at the end.
using DumpSource =
    absl::FunctionRef<Result<std::size_t>(std::span<std::byte> room)>;

/// Fails  EINVAL  a line is wrong
///        EFBIG   it is too long, or there are too many
///        others, from `source`
Result<TreePtr> read_dump(DumpSource source, const DumpOptions& options = {});
Result<TreePtr> read_dump(std::string_view text,
                          const DumpOptions& options = {});
/// From where `fd` stands to its end.
Result<TreePtr> read_dump_fd(int fd, const DumpOptions& options = {});

/// Which objects to print beside the root: all, or those of such a name in it,
/// with what is below.
using NameFilter = std::span<const std::string>;

/// Gets the text piece by piece.
using TextSink = absl::FunctionRef<Result<void>(std::string_view)>;

/// Prints a finished tree; directories' entries are sorted.
Result<void> write_dump(const Tree& tree, NameFilter filter, TextSink sink);

/// Where escaped text goes: what is special differs.
enum class Escape : std::uint8_t {
  kPlain,     ///< a path
  kOptional,  ///< a lone "-" would mean none
  kXattr,     ///< '=' ends the key
  kList,      ///< for people: spaces stay
};
void append_escaped(std::string& line, std::string_view text, Escape how);

}  // namespace veneer::composefs
