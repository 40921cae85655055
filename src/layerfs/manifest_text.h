// SPDX-License-Identifier: MIT
//
// A manifest as lines for people, and back: nothing is lost either way.
//
//   manifest 1
//   dir 0040755 1705000271 0 usr
//   file 0100644 1705000271 6 usr/hello inline:hello\n
//
// A line is kind, mode (octal), mtime, size, path and, where the kind has any,
// data. Fields stand between spaces; in a field, every byte can be written
// as \xHH, and those that would not be seen are. docs/formats/manifest.md.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "layerfs/byte_source.h"
#include "layerfs/entry.h"
#include "veneer/result.h"

namespace veneer::layerfs {

inline constexpr std::string_view kManifestTextHeader = "manifest 1\n";

/// One field, escaped; an empty one is "".
std::string escape_field(std::string_view bytes);
/// Fails  EINVAL  an escape that is none, or a byte that must be escaped
Result<std::string> unescape_field(std::string_view field);

/// One line, with its newline.
/// Fails  EINVAL  a part of a blob, for which a manifest has no words
Result<std::string> to_manifest_text(const Entry& entry);

/// `line` without its newline, neither blank nor a comment. The subject of an
/// error says what is wrong with it.
Result<Entry> parse_manifest_line(std::string_view line);

/// All of a text, header included. Errors name the line.
Result<void> read_manifest_text(const ByteSource& source, const EntrySink& sink,
                                const std::function<bool(std::uint64_t)>& see);

}  // namespace veneer::layerfs
