// SPDX-License-Identifier: MIT

#include "finalize/dir_cursor.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <string_view>

#include "sys/file.h"
#include "sys/open.h"

namespace veneer::finalize {
namespace {

// A link at the end is in the way like any other, though for the kernel it is
// but another thing that is no directory.
Result<sys::UniqueFd> open_directory(int root, const std::string& path) {
  auto dir = sys::open_beneath(root, path, O_PATH | O_DIRECTORY);
  if (dir || dir.error().code() != ENOTDIR) return dir;
  const auto other = sys::open_beneath(root, path, O_PATH);
  if (!other) return dir;
  const auto attr = sys::stat_fd(other->get());
  if (attr && S_ISLNK(attr->mode)) return Error(ELOOP, "openat2");
  return dir;
}

}  // namespace

Result<Spot> DirCursor::find(const std::string& path) {
  if (path.empty()) return Spot{.dir = root_, .name = ""};
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return Spot{.dir = root_, .name = path.c_str()};
  }
  const char* const name = path.c_str() + slash + 1;
  if (dir_ && std::string_view(path).substr(0, slash) == path_) {
    return Spot{.dir = dir_.get(), .name = name};
  }
  dir_.reset();
  path_ = path.substr(0, slash);
  TRY_ASSIGN(dir_, open_directory(root_, path_));
  return Spot{.dir = dir_.get(), .name = name};
}

void DirCursor::forget(const std::string& path) {
  const bool is_above =
      path_.starts_with(path) &&
      (path_.size() == path.size() || path_[path.size()] == '/');
  if (is_above) dir_.reset();
}

}  // namespace veneer::finalize
