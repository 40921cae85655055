// SPDX-License-Identifier: MIT

#include "cli/changes_text.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "finalize/json_path.h"

namespace veneer::cli {
namespace {

using finalize::Change;
using finalize::ChangeKind;
using nlohmann::json;

bool is_dir(const Attr& attr) { return S_ISDIR(attr.mode); }

std::string escape(unsigned char byte) {
  switch (byte) {
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    case '\r':
      return "\\r";
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    default:
      return fmt::format("\\{:03o}", byte);
  }
}

// Beyond ASCII that is a control character all the same: C1, U+0080 to U+009F.
bool has_c1(std::string_view path) {
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    if (path[i] == '\xC2' && static_cast<unsigned char>(path[i + 1]) < 0xA0) {
      return true;
    }
  }
  return false;
}

const char* type_of(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFCHR:
      return "character device";
    case S_IFBLK:
      return "block device";
    default:
      return "unknown";
  }
}

std::vector<std::string> differences(const Change& change) {
  constexpr std::array kNames = {
      std::pair(finalize::kModeDiffers, "mode"),
      std::pair(finalize::kOwnerDiffers, "owner"),
      std::pair(finalize::kTimeDiffers, "times"),
      std::pair(finalize::kXattrsDiffer, "xattrs"),
      std::pair(finalize::kFlagsDiffer, "flags"),
  };
  std::vector<std::string> result;
  if (change.content_differs) result.emplace_back("content");
  for (const auto& [bit, name] : kNames) {
    if ((change.differs & bit) != 0) result.emplace_back(name);
  }
  return result;
}

bool is_at_or_below(std::string_view path, std::string_view dir) {
  return dir.empty() || path == dir ||
         (path.starts_with(dir) && path[dir.size()] == '/');
}

}  // namespace

std::string show_path(std::string_view path, bool is_dir) {
  std::string shown(path.empty() ? "." : path);
  if (is_dir && !path.empty()) shown += '/';
  const bool plain =
      finalize::is_utf8(path) && !has_c1(path) &&
      std::ranges::none_of(path, [](unsigned char byte) {
        return byte < 0x20 || byte == 0x7F || byte == '"' || byte == '\\';
      });
  if (plain) return shown;
  std::string quoted = "\"";
  for (const char c : shown) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain =
        byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
    quoted += is_plain ? std::string(1, c) : escape(byte);
  }
  return quoted + "\"";
}

std::string show_change(const Change& change) {
  std::string line = fmt::format("{}  ", letter_of(change.kind));
  if (change.kind == ChangeKind::kRenamed) {
    line += show_path(change.base_path, is_dir(change.attr)) + " -> ";
  }
  line += show_path(change.path, is_dir(change.attr));
  if (change.kind == ChangeKind::kMetadata) {
    line += fmt::format(" ({})", fmt::join(differences(change), ", "));
  }
  if (!change.conflict.empty()) {
    line += fmt::format("  (conflict: {})", change.conflict);
  }
  return line;
}

std::string change_fields(const Change& change) {
  std::string fields(1, letter_of(change.kind));
  fields += '\0';
  if (change.kind == ChangeKind::kRenamed) {
    fields += change.base_path;
    fields += '\0';
  }
  fields += change.path.empty() ? "." : change.path;
  fields += '\0';
  return fields;
}

json change_to_json(const Change& change) {
  json result = {
      {"change", std::string(1, letter_of(change.kind))},
      {"path", finalize::path_to_json(change.path)},
      {"type", type_of(change.attr.mode)},
  };
  if (change.kind == ChangeKind::kRenamed) {
    result["old_path"] = finalize::path_to_json(change.base_path);
  }
  if (S_ISREG(change.attr.mode)) result["size"] = change.attr.size;
  const bool both_exist = change.kind == ChangeKind::kContent ||
                          change.kind == ChangeKind::kMetadata ||
                          change.kind == ChangeKind::kRenamed;
  if (both_exist) result["differs"] = differences(change);
  if (change.link_group != 0) result["link_group"] = change.link_group;
  if (!change.conflict.empty()) result["conflict"] = change.conflict;
  return result;
}

json changes_to_json(const finalize::Changes& changes) {
  json list = json::array();
  for (const Change& change : changes) list.push_back(change_to_json(change));
  return list;
}

json summary_to_json(const finalize::Summary& summary) {
  return {
      {"added", summary.added},         {"content", summary.content},
      {"metadata", summary.metadata},   {"deleted", summary.deleted},
      {"renamed", summary.renamed},     {"type", summary.type},
      {"replaced", summary.replaced},   {"bytes", summary.bytes},
      {"conflicts", summary.conflicts},
  };
}

std::string show_summary(const finalize::Summary& summary) {
  const std::array counts = {
      std::pair(summary.added, "added"),
      std::pair(summary.content, "changed"),
      std::pair(summary.metadata, "with other metadata"),
      std::pair(summary.deleted, "deleted"),
      std::pair(summary.renamed, "renamed"),
      std::pair(summary.type, "of another type"),
      std::pair(summary.replaced, "replaced"),
  };
  std::vector<std::string> parts;
  for (const auto& [count, what] : counts) {
    if (count != 0) parts.push_back(fmt::format("{} {}", count, what));
  }
  if (parts.empty()) return "nothing changed";
  std::string line = fmt::format("{}", fmt::join(parts, ", "));
  if (summary.bytes != 0)
    line += fmt::format(" ({})", show_size(summary.bytes));
  if (summary.conflicts != 0) {
    line += fmt::format("; {} in conflict with the base", summary.conflicts);
  }
  return line;
}

std::string show_size(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes == 1) return "1 byte";
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::optional<std::string> to_tree_path(std::string_view text,
                                        std::string_view mount_point) {
  namespace fs = std::filesystem;
  std::string path = fs::path(text).lexically_normal().string();
  if (path.starts_with('/')) {
    while (mount_point.ends_with('/')) mount_point.remove_suffix(1);
    const bool inside =
        !mount_point.empty() && is_at_or_below(path, mount_point);
    if (!inside) return std::nullopt;
    path.erase(0, mount_point.size());
  }
  while (path.starts_with('/')) path.erase(0, 1);
  while (path.ends_with('/')) path.pop_back();
  if (path == "..") return std::nullopt;
  if (path.starts_with("../")) return std::nullopt;
  return path == "." ? "" : path;
}

finalize::Changes select_paths(finalize::Changes changes,
                               const std::vector<std::string>& paths) {
  if (paths.empty()) return changes;
  std::erase_if(changes, [&](const Change& change) {
    return std::ranges::none_of(paths, [&](const std::string& path) {
      return is_at_or_below(change.path, path) ||
             (change.kind == ChangeKind::kRenamed &&
              is_at_or_below(change.base_path, path));
    });
  });
  return changes;
}

std::string to_text(const json& value) {
  return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace veneer::cli
