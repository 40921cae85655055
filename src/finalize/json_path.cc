// SPDX-License-Identifier: MIT

#include "finalize/json_path.h"

#include <fmt/format.h>

#include <charconv>

namespace veneer::finalize {
namespace {

// How many bytes the sequence at the start of `bytes` has; 0 if it is none.
// Overlong forms, surrogates and what lies beyond Unicode are none.
std::size_t sequence_length(std::string_view bytes) {
  const auto at = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
  };
  const auto in = [&](std::size_t i, unsigned low, unsigned high) {
    return at(i) >= low && at(i) <= high;
  };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return in(1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool good =
        in(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) &&
        in(2, 0x80, 0xBF);
    return good ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool good =
        in(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) &&
        in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF);
    return good ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = sequence_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

nlohmann::json path_to_json(const std::string& path) {
  if (is_utf8(path)) return path;
  std::string hex;
  for (const char byte : path) {
    hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
  return {{"bytes", hex}};
}

std::optional<std::string> path_from_json(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) return std::nullopt;
  const auto found = value.find("bytes");
  if (found == value.end() || !found->is_string()) return std::nullopt;
  const auto hex = found->get<std::string>();
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string path;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned byte = 0;
    const char* const end = hex.data() + i + 2;
    const auto [rest, error] = std::from_chars(hex.data() + i, end, byte, 16);
    if (error != std::errc() || rest != end) return std::nullopt;
    path += static_cast<char>(byte);
  }
  return path;
}

}  // namespace veneer::finalize
