// SPDX-License-Identifier: MIT
//
// One file's part of a patch, in git's dialect of the unified diff: names
// quoted as git does, and headers for what a diff of lines cannot say (modes,
// renames, empty files). Pure but for the sink.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace veneer::finalize {

using PatchSink = std::function<void(std::string_view)>;

/// Lines added and removed; of a binary file both are 0.
struct LineCount {
  std::uint64_t added = 0;
  std::uint64_t removed = 0;
  bool binary = false;
};

/// A file before or after.
struct PatchFile {
  std::string path;
  std::uint32_t mode = 0;  ///< regular file or symbolic link
  std::string text;        ///< content, or target of the link
  bool binary = false;     ///< `text` is not the content
};

/// `prefix` + `path`, in quotes with escapes where it holds bytes that need it.
std::string quoted_path(std::string_view prefix, std::string_view path);

/// A null one: there is no file. Of the same path, or renamed. Nothing is
/// written if patch(1) would have nothing to do.
LineCount write_file_diff(const PatchFile* before, const PatchFile* after,
                          const PatchSink& sink);

/// A file that has another name and the same content.
void write_rename(const PatchFile& before, const PatchFile& after,
                  const PatchSink& sink);

}  // namespace veneer::finalize
