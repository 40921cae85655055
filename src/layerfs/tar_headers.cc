// SPDX-License-Identifier: MIT

#include "layerfs/tar_headers.h"

#include <charconv>
#include <limits>
#include <optional>

namespace veneer::layerfs {
namespace {

constexpr std::size_t kSizeField = 124;
constexpr std::size_t kSizeLength = 12;
constexpr std::size_t kTypeField = 156;
// libarchive itself takes no longer ones.
constexpr std::uint64_t kLongestExtension = 64 << 20;

// Octal, or big-endian binary where the first bit is set.
std::optional<std::uint64_t> parse_size(std::string_view field) {
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned char>(field[i]);
  };
  std::uint64_t value = 0;
  if ((byte(0) & 0x80) != 0) {
    if (byte(0) != 0x80) return std::nullopt;
    for (std::size_t i = 1; i < field.size(); ++i) {
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | byte(i);
    }
    return value;
  }
  for (std::size_t i = field.find_first_not_of(' '); i < field.size(); ++i) {
    if (field[i] < '0' || field[i] > '7') break;
    value = value << 3 | (byte(i) - '0');
  }
  return value;
}

bool is_extension(char type) {
  return type == 'x' || type == 'X' || type == 'g' || type == 'L' ||
         type == 'K';
}

// One record of a pax header: "LENGTH KEY=VALUE\n".
void look_at_record(std::string_view key, std::string_view value,
                    TarHeaders& found) {
  if (key == "path" || key == "linkpath") {
    found.has_nul |= value.find('\0') != value.npos;
  }
  found.is_sparse |= key.starts_with("GNU.sparse.") || key == "SUN.holesdata" ||
                     key == "SCHILY.realsize";
}

void look_at_records(std::string_view body, TarHeaders& found) {
  while (!body.empty()) {
    std::size_t length = 0;
    const char* const end = body.data() + body.size();
    const auto [stop, error] = std::from_chars(body.data(), end, length);
    const auto digits = static_cast<std::size_t>(stop - body.data());
    if (error != std::errc() || length > body.size() || length < digits + 2) {
      return;
    }
    const std::string_view record =
        body.substr(digits + 1, length - digits - 2);
    const std::size_t equals = record.find('=');
    if (equals != record.npos) {
      look_at_record(record.substr(0, equals), record.substr(equals + 1),
                     found);
    }
    body.remove_prefix(length);
  }
}

void look_at_long_name(std::string_view body, TarHeaders& found) {
  const std::size_t last = body.find_last_not_of('\0');
  const std::string_view name =
      body.substr(0, last == body.npos ? 0 : last + 1);
  found.has_nul |= name.find('\0') != name.npos;
}

}  // namespace

Result<TarHeaders> walk_tar_headers(const PeekAt& peek, std::uint64_t begin,
                                    std::uint64_t end) {
  TarHeaders found;
  std::uint64_t at = begin;
  while (at < end && end - at >= kTarBlock) {
    TRY_ASSIGN(const std::string_view block, peek(at, kTarBlock));
    if (block.size() < kTarBlock) return found;
    const char type = block[kTypeField];
    at += kTarBlock;
    if (!is_extension(type)) {
      if (type == 'V') continue;  // a label, about no member
      found.type = type;
      found.is_sparse |= type == 'S';
      found.is_complete = at == end;
      return found;
    }
    const auto size = parse_size(block.substr(kSizeField, kSizeLength));
    if (!size || *size > kLongestExtension || *size > end - at) return found;
    TRY_ASSIGN(const std::string_view body, peek(at, *size));
    if (type == 'x' || type == 'X') look_at_records(body, found);
    if (type == 'L' || type == 'K') look_at_long_name(body, found);
    at += round_to_block(*size);
  }
  return found;
}

}  // namespace veneer::layerfs
