// SPDX-License-Identifier: MIT

#include "finalize/metadata_copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "finalize/protection.h"
#include "sys/file.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::finalize {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view kCapability = "security.capability";
constexpr std::string_view kSecurity = "security.";
constexpr std::string_view kUserXattr = "user.";

// Kept equal: what a merged tree shows of its own accord. The others are set
// where the source has them and never cleared, for a copy-up drops them.
constexpr unsigned kEqualFlags = FS_SYNC_FL | FS_NOATIME_FL | FS_NODUMP_FL;
constexpr unsigned kAddedFlags = FS_SECRM_FL | FS_UNRM_FL | FS_COMPR_FL |
                                 FS_NOCOMP_FL | FS_DIRSYNC_FL |
                                 FS_JOURNAL_DATA_FL | FS_NOCOW_FL;
// Some file systems know these of the first group alone.
constexpr unsigned kFewFlags = FS_NOATIME_FL | FS_NODUMP_FL;

bool is_refused(const Error& error) {
  return error.code() == EOPNOTSUPP || error.code() == ENOTTY ||
         error.code() == EINVAL || error.code() == ENOSYS;
}

bool has(const Names& names, std::string_view name) {
  return std::ranges::binary_search(names, name);
}

class Copier {
 public:
  Copier(const MetadataSource& from, const Spot& to, int file)
      : from_(from), to_(to), file_(file) {}

  Result<void> run() {
    TRY(open());
    TRY(set_owner());
    TRY(list_both());
    TRY(remove_xattrs());
    TRY(copy_xattrs());
    if (!S_ISLNK(attr_.mode)) {
      TRY(sys::chmod_fd(fd_, from_.metadata.mode & 07777));
    }
    TRY(copy_capability());
    if (S_ISREG(attr_.mode) || S_ISDIR(attr_.mode)) TRY(copy_flags());
    const timespec times[2] = {from_.metadata.atime, from_.metadata.mtime};
    return sys::utimens_fd(fd_, times);
  }

 private:
  Result<void> open() {
    fd_ = file_;
    if (file_ < 0) {
      TRY_ASSIGN(owned_, sys::open_at(to_.dir, to_.name_to_open(), O_PATH));
      fd_ = owned_.get();
    }
    TRY_ASSIGN(attr_, sys::stat_fd(fd_));
    if (((attr_.mode ^ from_.attr.mode) & S_IFMT) != 0) {
      return Error(ESTALE, "set attributes");
    }
    if (set_protection_of(attr_) != 0) TRY(lift_protection(to_));
    return {};
  }

  Result<void> set_owner() {
    const uid_t uid = from_.metadata.uid;
    const gid_t gid = from_.metadata.gid;
    if (attr_.uid == uid && attr_.gid == gid) return {};
    return sys::chown_fd(fd_, uid, gid);
  }

  // --- Xattrs ---

  Result<Names> list(const Spot& object) const {
    Names names;
    const auto found = sys::list_xattrs_at(object.dir, object.name);
    if (!found && found.error().code() == EOPNOTSUPP) return names;
    if (!found) return found.error();
    layer::for_each_name(*found, [&](std::string_view name) {
      if (!is_own_xattr(from_.own, name)) names.emplace_back(name);
    });
    std::ranges::sort(names);
    return names;
  }

  Result<void> list_both() {
    TRY_ASSIGN(wanted_, list(from_.object));
    TRY_ASSIGN(present_, list(to_));
    return {};
  }

  // First, to make room.
  Result<void> remove_xattrs() {
    for (const std::string& name : present_) {
      if (name.starts_with(kSecurity) || has(wanted_, name)) continue;
      auto gone = opening_up([&] {
        return sys::remove_xattr_at(to_.dir, to_.name, name.c_str());
      });
      if (!gone && gone.error().code() != ENODATA) return gone;
    }
    return {};
  }

  Result<void> copy_xattrs() {
    for (const std::string& name : wanted_) {
      if (name != kCapability) TRY(copy_xattr(name));
    }
    return {};
  }

  Result<void> copy_xattr(const std::string& name) {
    TRY_ASSIGN(
        const auto value,
        sys::get_xattr_at(from_.object.dir, from_.object.name, name.c_str()));
    if (!value) return {};
    if (has(present_, name)) {
      TRY_ASSIGN(const auto now,
                 sys::get_xattr_at(to_.dir, to_.name, name.c_str()));
      if (now == value) return {};
    }
    auto set = opening_up([&] {
      return sys::set_xattr_at(to_.dir, to_.name, name.c_str(), *value);
    });
    if (set || set.error().code() == EOPNOTSUPP) return {};
    const bool may_not =
        set.error().code() == EPERM && !name.starts_with(kUserXattr);
    return may_not ? Result<void>() : std::move(set);
  }

  Result<void> copy_capability() {
    const std::string name(kCapability);
    if (has(wanted_, name)) return copy_xattr(name);
    if (!has(present_, name)) return {};
    auto gone = sys::remove_xattr_at(to_.dir, to_.name, name.c_str());
    // Some of what came before has removed it already.
    if (!gone && gone.error().code() != ENODATA) return gone;
    return {};
  }

  // An unprivileged owner whose object forbids writing lifts that meanwhile;
  // the mode is set later anyway.
  template <typename Change>
  Result<void> opening_up(Change&& change) {
    auto done = change();
    if (done || done.error().code() != EACCES || S_ISLNK(attr_.mode)) {
      return done;
    }
    TRY(sys::chmod_fd(fd_, (attr_.mode & 07777) | S_IRWXU));
    return change();
  }

  // --- Flags ---

  // nullopt: it has none, or is not ours to open.
  static Result<std::optional<unsigned>> flags_of(const Spot& object, int file,
                                                  sys::UniqueFd& opened) {
    if (file < 0) {
      auto fd = sys::open_at(object.dir, object.name_to_open(),
                             O_RDONLY | O_NONBLOCK);
      if (!fd && fd.error().code() == EACCES) return std::optional<unsigned>();
      if (!fd) return fd.error();
      opened = *std::move(fd);
      file = opened.get();
    }
    const auto flags = sys::get_flags(file);
    if (!flags && is_refused(flags.error())) return std::optional<unsigned>();
    if (!flags) return flags.error();
    return std::optional(*flags);
  }

  Result<void> copy_flags() {
    sys::UniqueFd source;
    TRY_ASSIGN(const auto wanted, flags_of(from_.object, from_.file, source));
    if (!wanted) return {};
    sys::UniqueFd target;
    TRY_ASSIGN(const auto now, flags_of(to_, file_, target));
    if (!now) return {};
    const int file = file_ < 0 ? target.get() : file_;
    for (const unsigned equal : {kEqualFlags, kFewFlags}) {
      const unsigned added = equal == kEqualFlags ? kAddedFlags : 0;
      const unsigned flags = (*now & ~equal) | (*wanted & (equal | added));
      if (flags == *now) return {};
      auto set = sys::set_flags(file, flags);
      if (set || !is_refused(set.error())) return set;
    }
    return {};
  }

  const MetadataSource& from_;
  const Spot& to_;
  const int file_;
  sys::UniqueFd owned_;
  int fd_ = -1;  // file_ or owned_
  Attr attr_;
  Names wanted_;
  Names present_;
};

}  // namespace

Result<void> copy_metadata(const MetadataSource& from, const Spot& to,
                           int file) {
  return Copier(from, to, file).run();
}

Result<void> set_metadata(const Spot& to, const Metadata& metadata) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             sys::open_at(to.dir, to.name_to_open(), O_PATH));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd.get()));
  if (set_protection_of(attr) != 0) TRY(lift_protection(to));
  if (attr.uid != metadata.uid || attr.gid != metadata.gid) {
    TRY(sys::chown_fd(fd.get(), metadata.uid, metadata.gid));
  }
  const mode_t mode = metadata.mode & 07777;
  if (!S_ISLNK(attr.mode)) TRY(sys::chmod_fd(fd.get(), mode));
  const timespec times[2] = {metadata.atime, metadata.mtime};
  return sys::utimens_fd(fd.get(), times);
}

}  // namespace veneer::finalize
