// SPDX-License-Identifier: MIT
//
// A map of paths. Subtrees are ranges by prefix; the trees are small.

#include "test/differential/world.h"

#include <algorithm>

namespace veneer::testing::differential {
namespace {

bool is_below(const std::string& path, const std::string& dir) {
  return path.size() > dir.size() && path.starts_with(dir) &&
         path[dir.size()] == '/';
}

}  // namespace

void World::put(const std::string& path, Kind kind) {
  erase(path);
  if (!path.empty()) tree_[path] = kind;
}

void World::erase(const std::string& path) {
  std::erase_if(tree_, [&](const auto& entry) {
    return entry.first == path || is_below(entry.first, path);
  });
}

void World::move(const std::string& from, const std::string& to) {
  if (from == to || is_below(to, from) || !has(from)) return;
  std::map<std::string, Kind> moved;
  for (const auto& [path, kind] : tree_) {
    if (path != from && !is_below(path, from)) continue;
    moved[to + path.substr(from.size())] = kind;
  }
  erase(from);
  erase(to);
  tree_.merge(moved);
}

void World::exchange(const std::string& a, const std::string& b) {
  const std::string aside = "\x01";
  if (!has(a) || !has(b) || is_below(a, b) || is_below(b, a)) return;
  move(a, aside);
  move(b, a);
  move(aside, b);
}

bool World::is_dir(const std::string& path) const {
  const auto found = tree_.find(path);
  return path.empty() || (found != tree_.end() && found->second == Kind::kDir);
}

bool World::is_empty_dir(const std::string& path) const {
  return is_dir(path) &&
         std::none_of(tree_.begin(), tree_.end(), [&](const auto& entry) {
           return is_below(entry.first, path);
         });
}

std::vector<std::string> World::all() const {
  std::vector<std::string> paths;
  for (const auto& [path, kind] : tree_) paths.push_back(path);
  return paths;
}

std::vector<std::string> World::of(Kind kind) const {
  std::vector<std::string> paths;
  if (kind == Kind::kDir) paths.emplace_back();
  for (const auto& [path, its] : tree_) {
    if (its == kind) paths.push_back(path);
  }
  return paths;
}

std::string join(const std::string& dir, const std::string& name) {
  return dir.empty() ? name : dir + "/" + name;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::size_t depth_of(const std::string& path) {
  if (path.empty()) return 0;
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) +
         1;
}

}  // namespace veneer::testing::differential
