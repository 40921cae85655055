// SPDX-License-Identifier: MIT
//
// What others make of a layer: libarchive lists it, tar(1) unpacks it, umoci(1)
// unpacks an image of it.

#pragma once

#include <string>
#include <vector>

namespace veneer::finalize {

/// An entry as libarchive reads it.
struct ListedEntry {
  std::string path;
  unsigned mode = 0;
  std::string hard_link;
  std::uint64_t size = 0;
};
std::vector<ListedEntry> list_tar(const std::string& tar);
std::vector<std::string> paths_in(const std::string& tar);

/// Applies a layer to the tree at `dir` as the image specification has it, with
/// tar(1) for all but the whiteouts. `acls`: by --acls, too.
void apply_by_tar(const std::string& tar, const std::string& dir, bool acls);

/// Makes an image of `base` and the layer in the directory `scratch` and
/// unpacks it; returns where. Empty: there is no umoci here.
std::string apply_by_umoci(const std::string& tar, const std::string& base,
                           const std::string& scratch);

}  // namespace veneer::finalize
