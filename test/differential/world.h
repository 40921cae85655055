// SPDX-License-Identifier: MIT
//
// What the generator believes the merged tree to look like. Belief is enough:
// it only makes hits more frequent than blind names would be. Where it is wrong
// (rights, symlinks, errors not foreseen) the script merely gets another error,
// and gets it on both sides.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace veneer::testing::differential {

enum class Kind : std::uint8_t { kDir, kFile, kSymlink, kSpecial };

class World {
 public:
  /// Puts an object at `path`, replacing whatever was there.
  void put(const std::string& path, Kind kind);

  /// Takes `path` away, with everything below it.
  void erase(const std::string& path);

  void move(const std::string& from, const std::string& to);
  void exchange(const std::string& a, const std::string& b);

  bool has(const std::string& path) const { return tree_.contains(path); }
  bool is_dir(const std::string& path) const;
  bool is_empty_dir(const std::string& path) const;

  /// All paths, or those of one kind. Directories include "", the root.
  std::vector<std::string> all() const;
  std::vector<std::string> of(Kind kind) const;

 private:
  std::map<std::string, Kind> tree_;
};

/// "a/b" and "c" make "a/b/c"; "" and "c" make "c".
std::string join(const std::string& dir, const std::string& name);
std::string parent_of(const std::string& path);
std::size_t depth_of(const std::string& path);

}  // namespace veneer::testing::differential
