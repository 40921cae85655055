// SPDX-License-Identifier: MIT
//
// Changes as the commands print them: lines for people, NUL-ended fields for
// shell scripts, JSON for programs. Pure: values in, text out.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "finalize/change.h"

namespace veneer::cli {

/// A path on a line of its own, harmless for a terminal: as it is, or, with
/// bytes in it that do not print, in quotes and with escapes, as git does. The
/// root is ".", a directory ends with a slash.
std::string show_path(std::string_view path, bool is_dir = false);

/// "M  src/main.c", "R  old -> new", "m  run (mode, times)".
std::string show_change(const finalize::Change& change);

/// As git diff --name-status -z has it: letter, path, and for a renamed object
/// letter, old path, path, each ended by a NUL.
std::string change_fields(const finalize::Change& change);

/// {"change": "R", "path": "new", "old_path": "old", "type": "file", ...}
nlohmann::json change_to_json(const finalize::Change& change);
nlohmann::json changes_to_json(const finalize::Changes& changes);
nlohmann::json summary_to_json(const finalize::Summary& summary);

/// "2 added, 1 deleted (1.5 MiB)"; "nothing changed".
std::string show_summary(const finalize::Summary& summary);

/// "17 bytes", "1.5 MiB".
std::string show_size(std::uint64_t bytes);

/// What `text` names in the tree that is mounted at `mount_point`, without
/// slashes at the ends; "" is the root. nullopt: outside of it, or with "..".
std::optional<std::string> to_tree_path(std::string_view text,
                                        std::string_view mount_point);

/// Those at or below one of `paths`, by their new name or by their old one.
/// Without any paths: all.
finalize::Changes select_paths(finalize::Changes changes,
                               const std::vector<std::string>& paths);

/// As one JSON text with a newline, whatever bytes are in it.
std::string to_text(const nlohmann::json& value);

}  // namespace veneer::cli
