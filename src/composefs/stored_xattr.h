// SPDX-License-Identifier: MIT
//
// Xattrs as an image stores them: entries, and the filter of absent names.
//
// Pure.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "composefs/format.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// An xattr in the bytes of the image: `prefix` and `suffix` make up the name.
struct StoredXattr {
  std::string_view prefix;
  std::string_view suffix;
  std::string_view value;

  std::string name() const { return std::string(prefix).append(suffix); }
  bool has_name(std::string_view name) const {
    return name.size() == prefix.size() + suffix.size() &&
           name.starts_with(prefix) && name.ends_with(suffix);
  }
};

/// How many bytes the entry takes that begins with `head`, with its padding.
std::size_t entry_size(const XattrEntry& head);

/// The entry at the start of `bytes`, of which there are entry_size(). Nothing
/// if its prefix is not known.
std::optional<StoredXattr> parse_entry(std::span<const std::byte> bytes);

/// False if the filter says that no xattr of that name is there.
bool filter_allows(std::uint32_t filter, std::string_view name);

}  // namespace veneer::composefs
