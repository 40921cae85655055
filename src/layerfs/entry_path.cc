// SPDX-License-Identifier: MIT

#include "layerfs/entry_path.h"

#include <fmt/format.h>

#include <cerrno>

namespace veneer::layerfs {
namespace {

Error refuse(std::string why) { return Error(EINVAL, "", std::move(why)); }

Result<void> check_name(std::string_view name) {
  if (name == "..") return refuse("\"..\" in a path");
  if (name.size() > kLongestName) {
    return refuse(fmt::format("a name of {} bytes, the most are {}",
                              name.size(), kLongestName));
  }
  if (name.find('\0') != name.npos) return refuse("a NUL in a name");
  return {};
}

}  // namespace

Result<std::string> clean_path(std::string_view path) {
  std::string clean;
  clean.reserve(path.size() < kLongestPath ? path.size() : 0);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
    if (name.empty() || name == ".") continue;
    TRY(check_name(name));
    if (!clean.empty()) clean += '/';
    clean += name;
    if (clean.size() > kLongestPath) {
      return refuse(fmt::format("a path of more than {} bytes", kLongestPath));
    }
  }
  return clean;
}

Result<void> check_link_target(std::string_view target) {
  if (target.empty()) return refuse("a symbolic link without a target");
  if (target.size() > kLongestTarget) {
    return refuse(fmt::format("a link target of {} bytes, the most are {}",
                              target.size(), kLongestTarget));
  }
  if (target.find('\0') != target.npos) return refuse("a NUL in a link target");
  return {};
}

std::string printable(std::string_view bytes) {
  constexpr std::size_t kMost = 200;
  std::string text;
  for (const char c : bytes.substr(0, kMost)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool prints = byte >= 0x20 && byte != 0x7F && byte < 0x80;
    text += prints ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return bytes.size() > kMost ? text + "..." : text;
}

}  // namespace veneer::layerfs
