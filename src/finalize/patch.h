// SPDX-License-Identifier: MIT
//
// The changes of text files as a unified diff, which patch(1) and git apply
// take: a/<path> is the base's, b/<path> the merged one.
//
// A file with a NUL in its first 8000 bytes, or of over 64 MiB, is binary, and
// named only. Of modes there is what git knows: executable or not. Symbolic
// links are texts of one line. Directories show by the files in them: where one
// was deleted each is a deleted file, where one was renamed each is a renamed
// file. Devices, FIFOs and sockets are left out.

#pragma once

#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "finalize/change.h"
#include "finalize/change_index.h"
#include "finalize/git_diff.h"
#include "finalize/merged_object.h"
#include "finalize/trees.h"
#include "veneer/result.h"

namespace veneer::finalize {

class PatchWriter {
 public:
  /// `changes`: all of scan(), kNone included. Both outlive this object.
  PatchWriter(Trees& trees, const Changes& changes);

  /// Hands the part of `change`, one of the list, over piece by piece. The
  /// parts of all changes in their order are one patch.
  Result<LineCount> write(const Change& change, const PatchSink& sink);

 private:
  struct Part;
  template <typename Visit>
  Result<void> visit_base(const std::string& path, const Visit& visit);
  Result<void> write_deleted(const std::string& base_path, Part& part);
  Result<void> write_renamed_dir(const Change& dir, Part& part);
  Result<void> write_file(const Change& change, Part& part);

  Trees& trees_;
  ChangeIndex index_;
  MergedReader reader_;
  /// Names of the base that have become others.
  absl::flat_hash_set<std::string> renamed_;
};

}  // namespace veneer::finalize
