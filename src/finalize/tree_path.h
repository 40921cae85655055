// SPDX-License-Identifier: MIT
//
// Paths in a tree: bytes, relative to its root, "" for the root itself.

#pragma once

#include <string>
#include <string_view>

namespace veneer::finalize {

inline std::string joined(std::string_view dir, std::string_view name) {
  std::string path(dir);
  if (!path.empty()) path.push_back('/');
  return path.append(name);
}

/// Of the root: the root.
inline std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(path.substr(0, slash == path.npos ? 0 : slash));
}

/// The last component; of an absolute path, too.
inline std::string last_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

/// Takes the first component off.
inline std::string_view take_first(std::string_view& path) {
  const std::size_t slash = path.find('/');
  const std::string_view first = path.substr(0, slash);
  path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
  return first;
}

}  // namespace veneer::finalize
