// SPDX-License-Identifier: MIT

#include "finalize/git_diff.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "finalize/line_diff.h"

namespace veneer::finalize {

namespace {

// The only modes that git knows of files.
std::string_view git_mode(const PatchFile& file) {
  if (S_ISLNK(file.mode)) return "120000";
  return (file.mode & S_IXUSR) != 0 ? "100755" : "100644";
}

bool is_plain(char c) { return c >= ' ' && c < 0x7f && c != '"' && c != '\\'; }

std::string escaped(char c) {
  constexpr std::string_view kSpecial = "\a\b\t\n\v\f\r\"\\";
  constexpr std::string_view kLetters = "abtnvfr\"\\";
  const std::size_t at = kSpecial.find(c);
  if (at != kSpecial.npos) return {'\\', kLetters[at]};
  return fmt::format("\\{:03o}", static_cast<unsigned char>(c));
}

// For the lines "---" and "+++": a tab ends a name that has blanks in it.
std::string label(std::string_view prefix, const PatchFile* file) {
  if (file == nullptr) return "/dev/null";
  return quoted_path(prefix, file->path) +
         (file->path.find(' ') == std::string::npos ? "" : "\t");
}

std::vector<std::string_view> lines_of(const PatchFile* file) {
  if (file == nullptr) return {};
  return split_lines(file->text);
}

std::string mode_lines(const PatchFile& before, const PatchFile& after) {
  if (git_mode(before) == git_mode(after)) return "";
  return fmt::format("old mode {}\nnew mode {}\n", git_mode(before),
                     git_mode(after));
}

std::string first_line(const PatchFile& before, const PatchFile& after) {
  return fmt::format("diff --git {} {}\n", quoted_path("a/", before.path),
                     quoted_path("b/", after.path));
}

std::string rename_lines(const PatchFile& before, const PatchFile& after) {
  return fmt::format("rename from {}\nrename to {}\n",
                     quoted_path("", before.path), quoted_path("", after.path));
}

}  // namespace

std::string quoted_path(std::string_view prefix, std::string_view path) {
  if (std::ranges::all_of(path, is_plain))
    return fmt::format("{}{}", prefix, path);
  std::string quoted = fmt::format("\"{}", prefix);
  for (const char c : path) {
    if (is_plain(c)) {
      quoted += c;
    } else {
      quoted += escaped(c);
    }
  }
  return quoted + '"';
}

LineCount write_file_diff(const PatchFile* before, const PatchFile* after,
                          const PatchSink& sink) {
  LineCount count;
  if ((before != nullptr && before->binary) ||
      (after != nullptr && after->binary)) {
    // Without the first line of a diff, programs take it for a remark.
    sink(fmt::format("Binary files {} and {} differ\n", label("a/", before),
                     label("b/", after)));
    count.binary = true;
    return count;
  }
  std::string header = first_line(before != nullptr ? *before : *after,
                                  after != nullptr ? *after : *before);
  const std::size_t empty = header.size();
  if (before == nullptr) {
    header += fmt::format("new file mode {}\n", git_mode(*after));
  } else if (after == nullptr) {
    header += fmt::format("deleted file mode {}\n", git_mode(*before));
  } else {
    header += mode_lines(*before, *after);
    if (before->path != after->path) header += rename_lines(*before, *after);
  }
  const auto old_lines = lines_of(before);
  const auto new_lines = lines_of(after);
  const auto edits = diff_lines(old_lines, new_lines);
  if (edits.empty() && header.size() == empty) return count;
  if (!edits.empty()) {
    header += fmt::format("--- {}\n+++ {}\n", label("a/", before),
                          label("b/", after));
  }
  sink(header);
  write_hunks(old_lines, new_lines, edits, sink);
  for (const Edit& edit : edits) {
    count.added += edit.new_end - edit.new_begin;
    count.removed += edit.end - edit.begin;
  }
  return count;
}

void write_rename(const PatchFile& before, const PatchFile& after,
                  const PatchSink& sink) {
  sink(fmt::format("{}{}similarity index 100%\n{}", first_line(before, after),
                   mode_lines(before, after), rename_lines(before, after)));
}

}  // namespace veneer::finalize
