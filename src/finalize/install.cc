// SPDX-License-Identifier: MIT
//
// The steps that bring an object of the upper into the base.
//
// A move costs a statx, a listxattr and a rename, and one open for each
// directory; what the overlay has noted on the object is taken off before, so
// that the base never has it.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>

#include "finalize/applier.h"
#include "finalize/metadata_copy.h"
#include "finalize/protection.h"
#include "sys/file.h"
#include "sys/file_data.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::finalize {
namespace {

Result<std::vector<std::string>> own_xattrs(layer::XattrNamespace own,
                                            const Spot& object) {
  std::vector<std::string> names;
  const auto list = sys::list_xattrs_at(object.dir, object.name);
  if (!list && list.error().code() == EOPNOTSUPP) return names;
  if (!list) return list.error();
  layer::for_each_name(*list, [&](std::string_view name) {
    if (is_own_xattr(own, name)) names.emplace_back(name);
  });
  return names;
}

// What a copy leaves at its path, as far as it can be told by a look. Some file
// systems round times.
bool looks_like_copy(const Attr& there, const Attr& from, const Step& step) {
  const auto apart = there.mtime.tv_sec - step.metadata.mtime.tv_sec;
  return ((there.mode ^ from.mode) & S_IFMT) == 0 &&
         (!S_ISREG(from.mode) || there.size == from.size) &&
         std::abs(apart) <= 2;
}

// Whether the data of this file are somewhere else, in layers below it.
Result<bool> is_metacopy(int file) {
  for (const auto ns :
       {layer::XattrNamespace::kTrusted, layer::XattrNamespace::kUser}) {
    const std::string name = layer::own_name(ns, layer::kMetacopy);
    const auto value = sys::get_xattr_fd(file, name.c_str());
    if (!value && value.error().code() == EOPNOTSUPP) continue;
    if (!value) return value.error();
    if (*value) return true;
  }
  return false;
}

}  // namespace

Result<std::optional<Applier::UpperObject>> Applier::find_upper(
    const std::string& path) {
  const bool in_index = path.starts_with(kIndexPrefix);
  if (in_index) index_name_ = path.substr(kIndexPrefix.size());
  const auto spot = in_index ? index_.find(index_name_) : upper_.find(path);
  if (!spot && is_absence(spot.error())) return std::optional<UpperObject>();
  if (!spot) return spot.error().about(path);
  const auto attr = sys::find_at(spot->dir, spot->name);
  if (!attr) return attr.error().about(path);
  if (!*attr) return std::optional<UpperObject>();
  return std::optional(UpperObject{.spot = *spot, .attr = **attr});
}

Result<Applier::UpperObject> Applier::get_upper(const std::string& path) {
  TRY_ASSIGN(const auto found, find_upper(path));
  if (!found) return Error(ENOENT, "find in the upper", path);
  return *found;
}

Result<void> Applier::install(const Step& step) {
  TRY_ASSIGN(const auto from, find_upper(step.from));
  if (!from && step.move) {
    protect_later(step.path, written_protection());
    return {};
  }
  if (!from) return Error(ENOENT, "find in the upper", step.from);
  const bool is_checked = step.move || step.from_ino != 0;
  if (is_checked && from->attr.ino != step.from_ino) {
    return Error(ESTALE, "move from the upper", step.from);
  }
  if (step.move) {
    TRY_ASSIGN(const bool moved, move(step, *from));
    if (moved) return {};
  }
  return copy(step, *from);
}

// --- Moving ---

Result<bool> Applier::move(const Step& step, const UpperObject& from) {
  TRY_ASSIGN(const auto own, own_xattrs(site_.own, from.spot));
  unsigned flags = written_protection();
  if (!own.empty() || set_protection_of(from.attr) != 0) {
    TRY_ASSIGN(const unsigned marked,
               protection_of(site_.own, from.spot, from.attr));
    flags |= marked;
    if (marked != 0) TRY(write_protection(flags));
    TRY(strip(step, from, own));
  }

  TRY_ASSIGN(const Spot to, base_.find(step.path));
  TRY(uncover(to));
  // Free names are taken, not overwritten; but for whiteouts, and where the
  // file system cannot tell.
  auto moved = rename_over(from.spot, to, step.ino == 0 ? RENAME_NOREPLACE : 0);
  if (!moved && moved.error().code() == EEXIST) {
    TRY_ASSIGN(const auto there, sys::find_at(to.dir, to.name));
    if (there && !is_whiteout(*there)) return Error(ESTALE, "install");
    moved = rename_over(from.spot, to, 0);
  } else if (!moved && moved.error().code() == EINVAL && step.ino == 0) {
    moved = rename_over(from.spot, to, 0);
  }
  if (!moved && moved.error().code() == EXDEV) return false;
  TRY(std::move(moved));
  if (S_ISDIR(from.attr.mode)) forget(step.path);
  protect_later(step.path, flags);
  return true;
}

// A file that forbids its unprivileged owner to write is opened up meanwhile;
// by us before a crash, too.
Result<void> Applier::strip(const Step& step, const UpperObject& from,
                            const std::vector<std::string>& names) {
  const mode_t mode = step.metadata.mode & 07777;
  const mode_t now = from.attr.mode & 07777;
  const auto change_mode = [&](mode_t to) -> Result<void> {
    TRY_ASSIGN(const sys::UniqueFd fd,
               sys::open_at(from.spot.dir, from.spot.name, O_PATH));
    return sys::chmod_fd(fd.get(), to);
  };
  bool is_open = now != mode && now == (mode | S_IRWXU);
  for (const std::string& name : names) {
    const auto remove = [&] {
      return lifting(
          [&] {
            return sys::remove_xattr_at(from.spot.dir, from.spot.name,
                                        name.c_str());
          },
          from.spot);
    };
    auto gone = remove();
    if (!gone && gone.error().code() == EACCES && !S_ISLNK(from.attr.mode)) {
      TRY(change_mode(now | S_IRWXU));
      is_open = true;
      gone = remove();
    }
    if (!gone && gone.error().code() != ENODATA) {
      return gone.error().about(step.from);
    }
  }
  return is_open ? change_mode(mode) : Result<void>();
}

// --- Copying ---

Result<void> Applier::copy(const Step& step, const UpperObject& from) {
  TRY_ASSIGN(const unsigned flags,
             protection_of(site_.own, from.spot, from.attr));
  protect_later(step.path, flags | written_protection());
  {
    TRY_ASSIGN(const Spot to, base_.find(step.path));
    TRY_ASSIGN(const auto there, sys::find_at(to.dir, to.name));
    if (there && there->ino != step.ino && !is_whiteout(*there)) {
      if (looks_like_copy(*there, from.attr, step)) return {};
      return Error(ESTALE, "install");
    }
  }
  const std::string name = temporary('c');
  FileData data;
  if (S_ISREG(from.attr.mode)) {
    auto opened =
        sys::open_at(from.spot.dir, from.spot.name, O_RDONLY | O_NONBLOCK);
    if (!opened) return opened.error().about(step.from);
    const sys::SharedFd file = sys::share(*std::move(opened));
    data = {.fd = file->get(), .owner = file};
  }
  TRY(build(name, step, from, data));
  return publish(name, step);
}

Result<void> Applier::stage(const Step& step) {
  const std::string slot = std::to_string(step.slot);
  TRY_ASSIGN(const auto there, sys::find_at(site_.staging, slot.c_str()));
  if (there) return {};
  TRY_ASSIGN(const UpperObject from, get_upper(step.from));
  if (!S_ISREG(from.attr.mode)) return Error(ESTALE, "stage", step.from);
  TRY_ASSIGN(const FileData data, open_data(step.data_path));
  const std::string name = slot + ".new";
  TRY(build(name, step, from, data));
  return sys::rename_at(site_.staging, name.c_str(), site_.staging,
                        slot.c_str());
}

Result<FileData> Applier::open_data(const std::string& path) const {
  if (site_.open_data) return site_.open_data(path);
  std::vector<int> layers = {site_.base};
  layers.insert(layers.end(), site_.below.begin(), site_.below.end());
  for (const int layer : layers) {
    if (layer < 0) continue;
    auto file = sys::open_beneath(layer, path, O_RDONLY | O_NONBLOCK);
    if (!file && is_absence(file.error())) continue;
    if (!file) return file.error().about(path);
    TRY_ASSIGN(const Attr attr, sys::stat_fd(file->get()));
    if (!S_ISREG(attr.mode)) continue;
    // The same name below has them, or they were not to be had by name.
    TRY_ASSIGN(const bool is_elsewhere, is_metacopy(file->get()));
    if (is_elsewhere) continue;
    auto owner = std::make_shared<sys::UniqueFd>(*std::move(file));
    return FileData{.fd = owner->get(), .owner = owner};
  }
  return Error(ENOENT, "find the data of", path);
}

// Makes staging/`name`, from nothing, whatever was left there.
Result<void> Applier::build(const std::string& name, const Step& step,
                            const UpperObject& from, const FileData& data) {
  const auto make = [&]() -> Result<void> {
    const mode_t type = from.attr.mode & S_IFMT;
    if (type == S_IFREG) return build_regular(name, step, from, data);
    if (type == S_IFDIR) return Error(EISDIR, "copy");
    if (type == S_IFLNK) {
      TRY_ASSIGN(const std::string target,
                 sys::read_link_at(from.spot.dir, from.spot.name));
      TRY(sys::symlink_at(target.c_str(), site_.staging, name.c_str()));
    } else {
      TRY(sys::make_node_at(site_.staging, name.c_str(), type | 0600,
                            from.attr.rdev));
    }
    return copy_metadata({.object = from.spot,
                          .attr = from.attr,
                          .metadata = step.metadata,
                          .own = site_.own},
                         {.dir = site_.staging, .name = name.c_str()});
  };
  auto made = make();
  if (!made && made.error().code() == EEXIST) {
    TRY(sys::unlink_at(site_.staging, name.c_str()));
    made = make();
  }
  // Room for others.
  if (!made) ignore_error(sys::unlink_at(site_.staging, name.c_str()));
  return made;
}

Result<void> Applier::build_regular(const std::string& name, const Step& step,
                                    const UpperObject& from,
                                    const FileData& data) {
  TRY_ASSIGN(const sys::UniqueFd out,
             sys::open_at(site_.staging, name.c_str(),
                          O_RDWR | O_CREAT | O_EXCL, 0600));
  TRY(sys::copy_data(data, out.get(), from.attr.size));
  progress_.bytes_copied += from.attr.size;
  return copy_metadata({.object = from.spot,
                        .attr = from.attr,
                        .metadata = step.metadata,
                        .own = site_.own},
                       {.dir = site_.staging, .name = name.c_str()}, out.get());
}

}  // namespace veneer::finalize
