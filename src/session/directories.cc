// SPDX-License-Identifier: MIT

#include "session/directories.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <utility>

#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/remove_tree.h"

namespace veneer::session {
namespace {

Error cannot_make(const std::string& path, const Error& error) {
  return sentence(
      error.code(),
      fmt::format("{} cannot be made: {} (name a directory that can be "
                  "written to)",
                  path, reason_of(error.code())));
}

Result<void> make_dir(const std::string& path, mode_t mode) {
  const auto made = sys::make_dir_at(AT_FDCWD, path.c_str(), mode);
  if (!made) return cannot_make(path, made.error());
  return {};
}

// The upper's root is the root that users see.
Result<void> make_like(const std::string& path, const Plan& plan) {
  TRY_ASSIGN(const auto base,
             stack::open_lower(plan.lowers.front(), plan.stores, {}));
  const Attr attr = base->root().attr;
  TRY(make_dir(path, 0700));
  TRY_ASSIGN(const sys::UniqueFd made, sys::open_dir(path));
  // Whoever is not root makes directories of their own.
  ignore_error(sys::chown_fd(made.get(), attr.uid, attr.gid));
  TRY(sys::chmod_fd(made.get(), attr.mode & 07777));
  const std::array<timespec, 2> times = {attr.atime, attr.mtime};
  ignore_error(sys::utimens_fd(made.get(), times.data()));
  return {};
}

Result<bool> is_empty(const std::string& path) {
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(path));
  TRY_ASSIGN(const sys::UniqueFd listed,
             sys::reopen(dir.get(), O_RDONLY | O_DIRECTORY));
  bool empty = true;
  TRY(sys::read_dir(listed.get(), [&](std::string_view, std::uint64_t,
                                      std::uint8_t) { empty = false; }));
  return empty;
}

}  // namespace

Result<MadeDirectories> MadeDirectories::make(const Plan& plan) {
  MadeDirectories made;
  made.plan_ = plan;
  TRY(made.make_all(plan));
  return made;
}

Result<void> MadeDirectories::make_all(const Plan& plan) {
  if (plan.upper.make) {
    TRY(make_like(plan.upper.path, plan));
    made_upper_ = true;
  }
  if (plan.work.make) {
    TRY(make_dir(plan.work.path, 0700));
    made_work_ = true;
  }
  if (plan.mount_point.make) {
    TRY(make_dir(plan.mount_point.path, 0755));
    made_mount_point_ = true;
  }
  if (!plan.work.path.empty()) {
    TRY_ASSIGN(upper_was_empty_, is_empty(plan.upper.path));
    TRY_ASSIGN(work_was_empty_, is_empty(plan.work.path));
  }
  return {};
}

MadeDirectories::~MadeDirectories() {
  if (plan_) undo();
}

MadeDirectories::MadeDirectories(MadeDirectories&& other) noexcept
    : plan_(std::exchange(other.plan_, std::nullopt)),
      made_upper_(other.made_upper_),
      made_work_(other.made_work_),
      made_mount_point_(other.made_mount_point_),
      work_was_empty_(other.work_was_empty_),
      upper_was_empty_(other.upper_was_empty_) {}

// Best effort: the reason why the mount failed is what the user must hear.
void MadeDirectories::undo() noexcept {
  if (made_mount_point_) remove_if_empty(plan_->mount_point.path);
  if (work_was_empty_) {
    if (const auto work = sys::open_dir(plan_->work.path)) {
      ignore_error(sys::remove_entries(work->get()));
    }
  }
  if (made_work_) remove_if_empty(plan_->work.path);
  if (made_upper_) remove_if_empty(plan_->upper.path);
}

void remove_if_empty(const std::string& path) {
  ignore_error(sys::remove_dir_at(AT_FDCWD, path.c_str()));
}

Result<void> remove_dir_tree(const std::string& path) {
  const std::filesystem::path whole(path);
  const auto parent = sys::open_dir(whole.parent_path().string());
  if (!parent) {
    if (parent.error().code() == ENOENT) return {};
    return parent.error();
  }
  return sys::remove_tree_at(parent->get(), whole.filename().c_str());
}

}  // namespace veneer::session
