// SPDX-License-Identifier: MIT
//
// Bytes as a manifest, in binary and as text. What is accepted must be safe to
// build from, and come back the same from both forms; else the process aborts.
//
// Run by the fuzzer, and on its corpus by a unit test.

#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "layerfs/entry_path.h"
#include "layerfs/manifest.h"
#include "layerfs/manifest_text.h"
#include "require.h"

namespace veneer::fuzz {

inline std::vector<layerfs::Entry> read_all(std::string_view bytes,
                                            bool must_be_sound) {
  const auto source = layerfs::ByteSource::from_bytes(bytes, "m");
  std::vector<layerfs::Entry> entries;
  const auto sink = [&](layerfs::Entry&& entry) -> Result<void> {
    entries.push_back(std::move(entry));
    return {};
  };
  const auto read = layerfs::read_manifest(source, sink);
  if (!read) {
    require(!must_be_sound);
    require(read.error().code() == EUCLEAN || read.error().code() == EINVAL);
    require(read.error().message().starts_with("m: "));
  }
  return entries;
}

inline void check_manifest(std::string_view bytes) {
  const auto entries = read_all(bytes, false);
  std::string binary = layerfs::manifest_header();
  std::string text(layerfs::kManifestTextHeader);
  std::size_t held = 0;
  for (const layerfs::Entry& entry : entries) {
    require(layerfs::clean_path(entry.path).has_value());
    if (const auto* file = std::get_if<layerfs::InlineBytes>(&entry.data)) {
      held += file->bytes.size();
    }
    require(layerfs::append_to_manifest(binary, entry).has_value());
    const auto line = layerfs::to_manifest_text(entry);
    require(line.has_value());
    text += *line;
  }
  require(held <= bytes.size());
  require(read_all(binary, true) == entries);
  require(read_all(text, true) == entries);
  const auto field = layerfs::unescape_field(layerfs::escape_field(bytes));
  require(field && *field == bytes);
}

}  // namespace veneer::fuzz
