// SPDX-License-Identifier: MIT
//
// One descriptor per level, so that the tree may move while it is removed; a
// depth at which descriptors run out is not reached by paths that can be named,
// but by those that cannot: then the error is EMFILE, and nothing is followed.

#include "sys/remove_tree.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "sys/call.h"
#include "sys/dir_stream.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"

namespace veneer::sys {
namespace {

struct Entry {
  std::string name;
  bool is_dir = false;
};

Result<std::vector<Entry>> list(int dir) {
  std::vector<Entry> entries;
  TRY(read_dir(dir,
               [&](std::string_view name, std::uint64_t, std::uint8_t type) {
                 entries.push_back({std::string(name), type == DT_DIR});
               }));
  return entries;
}

// A directory to be listed, opened up for its owner if need be.
Result<UniqueFd> open_to_remove(int path_fd, const Attr& attr) {
  auto opened = reopen(path_fd, O_RDONLY | O_DIRECTORY);
  const bool shut = (attr.mode & S_IRWXU) != S_IRWXU;
  if (opened && !shut) return opened;
  if (shut) TRY(chmod_fd(path_fd, (attr.mode & 07777) | S_IRWXU));
  return opened ? std::move(opened) : reopen(path_fd, O_RDONLY | O_DIRECTORY);
}

bool is_protected(const Attr& attr) {
  const bool has_flags = S_ISREG(attr.mode) || S_ISDIR(attr.mode);
  return has_flags &&
         (attr.attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0;
}

// Takes away what keeps the object and its entries from being removed; what it
// was is to be given back if the object lives on under another name.
class Unprotected {
 public:
  static Result<Unprotected> lift(int path_fd, const Attr& attr) {
    Unprotected lifted;
    if (!is_protected(attr)) return lifted;
    TRY_ASSIGN(lifted.fd_, reopen(path_fd, O_RDONLY | O_NONBLOCK));
    TRY_ASSIGN(lifted.flags_, get_flags(lifted.fd_.get()));
    constexpr unsigned kProtection = FS_IMMUTABLE_FL | FS_APPEND_FL;
    TRY(set_flags(lifted.fd_.get(), lifted.flags_ & ~kProtection));
    return lifted;
  }
  Result<void> give_back() const {
    if (!fd_) return {};
    return set_flags(fd_.get(), flags_);
  }

 private:
  UniqueFd fd_;
  unsigned flags_ = 0;
};

Result<void> remove_file(int dir, const char* name, int path_fd,
                         const Attr& attr) {
  TRY_ASSIGN(const Unprotected lifted, Unprotected::lift(path_fd, attr));
  auto gone = unlink_at(dir, name);
  if (gone && attr.nlink == 1) return {};
  auto given_back = lifted.give_back();
  return gone ? given_back : gone;
}

Result<void> remove_entries_on(int dir, std::uint64_t dev);

// NOLINTNEXTLINE(misc-no-recursion): see above.
Result<void> remove_entry_on(int dir, const char* name, std::uint64_t dev) {
  const auto found = open_at(dir, name, O_PATH | O_NOFOLLOW);
  if (!found) {
    if (found.error().code() == ENOENT) return {};
    return found.error();
  }
  TRY_ASSIGN(const Attr attr, stat_fd(found->get()));
  if (!S_ISDIR(attr.mode)) return remove_file(dir, name, found->get(), attr);
  if (attr.dev != dev) return Error(EBUSY, "remove", name);
  {
    TRY(Unprotected::lift(found->get(), attr));
    TRY_ASSIGN(const UniqueFd listed, open_to_remove(found->get(), attr));
    TRY(remove_entries_on(listed.get(), dev));
  }
  return remove_dir_at(dir, name);
}

// NOLINTNEXTLINE(misc-no-recursion): see above.
Result<void> remove_entries_on(int dir, std::uint64_t dev) {
  TRY_ASSIGN(const std::vector<Entry> entries, list(dir));
  std::optional<Error> first;
  for (const Entry& entry : entries) {
    if (auto gone = remove_entry_on(dir, entry.name.c_str(), dev); !gone) {
      if (!first) first = gone.error().about(entry.name);
    }
  }
  if (first) return *first;
  return {};
}

}  // namespace

Result<void> remove_tree_at(int dir, const char* name) {
  // Where `name` is a mount, its parent's device differs from its own.
  const auto found = open_at(dir, name, O_PATH | O_NOFOLLOW);
  if (!found) {
    if (found.error().code() == ENOENT) return {};
    return found.error();
  }
  TRY_ASSIGN(const Attr parent, stat_at(dir, ""));
  return remove_entry_on(dir, name, parent.dev);
}

Result<void> remove_entries(int dir) {
  TRY_ASSIGN(const Attr attr, stat_fd(dir));
  TRY_ASSIGN(const UniqueFd listed, open_to_remove(dir, attr));
  return remove_entries_on(listed.get(), attr.dev);
}

}  // namespace veneer::sys
