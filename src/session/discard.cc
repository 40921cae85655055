// SPDX-License-Identifier: MIT

#include "session/discard.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <optional>
#include <vector>

#include "session/config.h"
#include "session/directories.h"
#include "session/manifest.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/remove_tree.h"
#include "sys/xattr.h"

namespace veneer::session {
namespace {

// A descriptor that holds the lock a mount would take; none: no directory.
Result<std::optional<sys::UniqueFd>> open_locked(const std::string& path) {
  const auto dir = sys::open_dir(path);
  if (!dir) {
    if (dir.error().code() == ENOENT) return std::optional<sys::UniqueFd>();
    return dir.error();
  }
  TRY_ASSIGN(sys::UniqueFd readable,
             sys::reopen(dir->get(), O_RDONLY | O_DIRECTORY));
  const auto locked = sys::lock_dir(readable.get());
  if (!locked && locked.error().code() == EBUSY) {
    return sentence(EBUSY, fmt::format("{} is used by a mounted overlay "
                                       "(unmount it first)",
                                       path));
  }
  if (!locked) return locked.error();
  return std::optional<sys::UniqueFd>(std::move(readable));
}

// The marks an overlay leaves on the upper's root itself.
Result<void> remove_root_marks(int upper) {
  const auto names = sys::list_xattrs_fd(upper);
  if (!names) return {};  // no attributes, no marks
  for (std::size_t at = 0; at < names->size();) {
    const std::string name = names->c_str() + at;
    at += name.size() + 1;
    if (name.starts_with("trusted.overlay.") ||
        name.starts_with("user.overlay.")) {
      TRY(sys::remove_xattr_fd(upper, name.c_str()));
    }
  }
  return {};
}

Result<void> discard_upper(const std::string& path, bool made, int upper) {
  if (made) return remove_dir_tree(path);
  TRY(sys::remove_entries(upper));
  return remove_root_marks(upper);
}

Result<void> discard_work(const std::string& path, bool made, int work) {
  std::vector<std::string> names;
  TRY(sys::read_dir(work,
                    [&](std::string_view name, std::uint64_t, std::uint8_t) {
                      if (is_work_entry(name) && !is_manifest(name))
                        names.emplace_back(name);
                    }));
  for (const std::string& name : names) {
    TRY(sys::remove_tree_at(work, name.c_str()));
  }
  TRY(remove_manifest(work));
  if (made) remove_if_empty(path);
  return {};
}

}  // namespace

Result<void> discard(const std::string& upper, const std::string& work) {
  TRY_ASSIGN(const std::optional<sys::UniqueFd> work_dir, open_locked(work));
  if (!work_dir || !has_manifest(work_dir->get())) return {};
  TRY_ASSIGN(const Manifest manifest, read_manifest(work_dir->get()));
  TRY_ASSIGN(const std::optional<sys::UniqueFd> upper_dir, open_locked(upper));

  if (upper_dir && !manifest.made_upper && !manifest.upper_was_empty) {
    return sentence(ENOTEMPTY,
                    fmt::format("{} was not empty before its first mount, so "
                                "not all in it are changes (remove by hand "
                                "what you do not need)",
                                upper));
  }
  if (upper_dir) {
    TRY(discard_upper(upper, manifest.made_upper, upper_dir->get()));
  }
  TRY(discard_work(work, manifest.made_work, work_dir->get()));
  if (manifest.made_mount_point) remove_if_empty(manifest.mount_point);
  return {};
}

}  // namespace veneer::session
