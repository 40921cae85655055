// SPDX-License-Identifier: MIT
//
// Entries into the file of a manifest, in either form.
//
// Directories that nobody described are left out where something in them says
// that they are there; so what comes from a manifest goes back to the same one.
// What a layer does not keep is written as zeros: attributes of whiteouts and
// of further names of a file.

#pragma once

#include <optional>
#include <string>

#include "layerfs/entry.h"
#include "veneer/layerfs_import.h"
#include "veneer/result.h"

namespace veneer::layerfs {

class ManifestWriter {
 public:
  /// Writes the beginning. `fd` stays the caller's and may be a pipe.
  ManifestWriter(int fd, bool as_text);

  /// Fails  EINVAL  a file that is part of a blob; about the path
  Result<void> add(Entry&& entry);
  /// Nothing comes after it.
  Result<ManifestReport> finish();

 private:
  Result<void> put(const Entry& entry);
  Result<void> flush();

  const int fd_;
  const bool as_text_;
  std::string buffer_;
  std::optional<Entry> held_;  ///< an implicit directory
  ManifestReport report_;
};

}  // namespace veneer::layerfs
