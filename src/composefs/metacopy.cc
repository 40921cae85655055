// SPDX-License-Identifier: MIT

#include "composefs/metacopy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "composefs/format.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kLongestPath = 4095;

}  // namespace

bool is_plain_path(std::string_view path) {
  if (path.size() > kLongestPath || path.find('\0') != path.npos) return false;
  for (;;) {
    const std::size_t end = path.find('/');
    const std::string_view name = path.substr(0, end);
    if (name.empty() || name == "." || name == ".." ||
        name.size() > kLongestName) {
      return false;
    }
    if (end == path.npos) return true;
    path.remove_prefix(end + 1);
  }
}

Result<std::string> object_path(std::string_view redirect) {
  if (!redirect.starts_with('/') || !is_plain_path(redirect.substr(1))) {
    return Error(EUCLEAN, "redirect",
                 fmt::format("not a path of an object: {:?}", redirect));
  }
  return std::string(redirect.substr(1));
}

Result<std::optional<Digest256>> decode_metacopy(std::string_view metacopy) {
  if (metacopy.empty()) return std::optional<Digest256>();
  MetacopyHeader header;
  if (metacopy.size() < sizeof(header)) return Error(EUCLEAN, "metacopy");
  std::memcpy(&header, metacopy.data(), sizeof(header));
  if (header.version != 0 || header.length != metacopy.size() ||
      header.flags != 0) {
    return Error(EUCLEAN, "metacopy");
  }
  // A metacopy without an algorithm is one without a digest.
  const std::string_view bytes = metacopy.substr(sizeof(header));
  if (header.digest_algorithm == 0 && bytes.empty()) {
    return std::optional<Digest256>();
  }
  if (header.digest_algorithm != kVeritySha256) {
    return Error(ENOTSUP, "metacopy",
                 fmt::format("digest algorithm {}", header.digest_algorithm));
  }
  Digest256 digest;
  if (bytes.size() != digest.size()) return Error(EUCLEAN, "metacopy");
  std::memcpy(digest.data(), bytes.data(), digest.size());
  return std::optional(digest);
}

}  // namespace veneer::composefs
