// SPDX-License-Identifier: MIT

#include "finalize/json_path.h"

#include <fmt/format.h>

#include <charconv>

namespace veneer::finalize {

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
