// SPDX-License-Identifier: MIT

#include "composefs/stored_xattr.h"

#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"

namespace veneer::composefs {
namespace {

// Some writers store lustre's names whole.
constexpr std::size_t kLustreIndex = 5;

bool is_set(std::uint32_t filter, std::size_t index, std::string_view suffix) {
  const auto seed = static_cast<std::uint32_t>(kNameFilterSeed + index);
  return (filter >> (hash32(suffix, seed) & 31) & 1) != 0;
}

}  // namespace

std::size_t entry_size(const XattrEntry& head) {
  const std::size_t size =
      sizeof(head) + head.name_length + std::size_t{head.value_size};
  return (size + kXattrAlign - 1) & ~(kXattrAlign - 1);
}

std::optional<StoredXattr> parse_entry(std::span<const std::byte> bytes) {
  XattrEntry head;
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.name_index >= kXattrPrefixes.size()) return std::nullopt;
  StoredXattr found;
  found.prefix = kXattrPrefixes[head.name_index];
  found.suffix = as_text(bytes.subspan(sizeof(head), head.name_length));
  found.value =
      as_text(bytes.subspan(sizeof(head) + head.name_length, head.value_size));
  // A list of names could not hold it, and no one could ask for it.
  if (found.prefix.empty() && found.suffix.empty()) return std::nullopt;
  if (found.suffix.find('\0') != found.suffix.npos) return std::nullopt;
  return found;
}

bool filter_allows(std::uint32_t filter, std::string_view name) {
  bool has_prefix = false;
  for (std::size_t i = 1; i < kXattrPrefixes.size(); ++i) {
    if (!name.starts_with(kXattrPrefixes[i])) continue;
    has_prefix = i != kLustreIndex;
    if (!is_set(filter, i, name.substr(kXattrPrefixes[i].size()))) return true;
  }
  return !has_prefix && !is_set(filter, 0, name);
}

}  // namespace veneer::composefs
