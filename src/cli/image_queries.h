// SPDX-License-Identifier: MIT
//
// What images say, as the commands print it.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "composefs/dump_text.h"
#include "composefs/object_list.h"
#include "composefs/tree.h"
#include "veneer/result.h"

namespace veneer::cli {

Result<composefs::TreePtr> read_tree_of(const std::string& image);

/// All that the images name, sorted, each once.
Result<std::vector<composefs::NamedObject>> objects_of(
    const std::vector<std::string>& images, composefs::NameFilter filter = {});

/// The paths alone, each once.
std::vector<std::string> paths_of(
    const std::vector<composefs::NamedObject>& objects);

/// Those of `paths` that are not below the directory `base`.
Result<std::vector<std::string>> missing_of(
    const std::vector<std::string>& paths, const std::string& base);

/// A line for each object but the root: "/etc/<TAB>", "/bin<TAB>-> usr/bin",
/// "/etc/motd<TAB>@ 5a/5a..."; of another name of a file the path alone.
Result<void> write_list(const composefs::Tree& tree,
                        composefs::NameFilter filter, composefs::TextSink sink);

/// To standard output.
Result<void> print_text(std::string_view text);

/// The fs-verity digest of any file: the kernel's, or else computed.
Result<Digest256> measure_file(const std::string& path);

}  // namespace veneer::cli
