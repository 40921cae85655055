// SPDX-License-Identifier: MIT
//
// A directory, read by all processors. A piece of work is a directory to list,
// or some of its names to look at, so that one directory of a million files is
// shared out as well as a million of one.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "composefs/intake.h"
#include "composefs/source.h"
#include "composefs/work_stack.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kBatch = 128;

struct DirName {
  std::string name;
  std::uint8_t type = DT_UNKNOWN;
};

// A directory below `parent` to be listed, or entries of `parent`.
struct Task {
  sys::SharedFd parent;
  NodeIndex node = kRootNode;
  std::string dir;  // "." for the root
  std::vector<DirName> names;
};

bool is_device(mode_t mode) { return S_ISCHR(mode) || S_ISBLK(mode); }

bool is_same_state(const Attr& a, const Attr& b) {
  return a.size == b.size && a.mtime.tv_sec == b.mtime.tv_sec &&
         a.mtime.tv_nsec == b.mtime.tv_nsec &&
         a.ctime.tv_sec == b.ctime.tv_sec && a.ctime.tv_nsec == b.ctime.tv_nsec;
}

// `names` as a listing gave them; those of `name` in `dir`.
Result<void> read_xattrs(int dir, const char* name, Result<std::string> names,
                         const SourceOptions& options, Found& found) {
  if (!names) {
    if (names.error().code() == EOPNOTSUPP) return {};
    return std::move(names).error();
  }
  for (std::size_t at = 0; at < names->size();) {
    const char* const xattr = names->c_str() + at;
    at += std::string_view(xattr).size() + 1;
    if (!wants_xattr(xattr, options)) continue;
    TRY_ASSIGN(auto value, sys::get_xattr_at(dir, name, xattr));
    // One that went away since it was listed.
    if (!value) continue;
    found.xattrs.emplace_back(xattr, *std::move(value));
  }
  return {};
}

Result<void> read_xattrs(int dir, const char* name,
                         const SourceOptions& options, Found& found) {
  if (options.skip_xattrs) return {};
  return read_xattrs(dir, name, sys::list_xattrs_at(dir, name), options, found);
}

class Worker {
 public:
  Worker(Intake& intake, WorkStack<Task>& stack)
      : intake_(intake), stack_(stack), reader_(intake.options()) {}

  Result<void> operator()(Task task) {
    return task.names.empty() ? list(task) : examine(task);
  }

 private:
  const SourceOptions& options() const { return intake_.options(); }

  Result<void> list(const Task& task);
  Result<void> examine(const Task& task);
  Result<bool> examine_one(int dir, const DirName& entry, Found& found);
  Result<void> read_file(int dir, const char* name, Found& found);

  Intake& intake_;
  WorkStack<Task>& stack_;
  ContentReader reader_;
};

Result<void> Worker::list(const Task& task) {
  auto dir = sys::open_at(task.parent->get(), task.dir.c_str(),
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir) return dir.error().about(intake_.path(task.node, ""));
  const sys::SharedFd shared = sys::share(*std::move(dir));
  std::vector<DirName> names;
  TRY(sys::read_dir(shared->get(), [&](std::string_view name, std::uint64_t,
                                       std::uint8_t type) {
    names.push_back({std::string(name), type});
    if (names.size() < kBatch) return;
    stack_.push({shared, task.node, {}, std::exchange(names, {})});
  }));
  if (!names.empty()) {
    stack_.push({shared, task.node, {}, std::move(names)});
  }
  return {};
}

Result<void> Worker::examine(const Task& task) {
  std::vector<Found> all;
  all.reserve(task.names.size());
  for (const DirName& entry : task.names) {
    Found found;
    auto is_wanted = examine_one(task.parent->get(), entry, found);
    if (!is_wanted) {
      return is_wanted.error().about(intake_.path(task.node, entry.name));
    }
    if (*is_wanted) all.push_back(std::move(found));
  }
  TRY_ASSIGN(const auto nodes, intake_.add(task.node, all));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!S_ISDIR(all[i].attributes.mode)) continue;
    stack_.push({task.parent, nodes[i], std::move(all[i].name), {}});
  }
  return {};
}

// False for what the options leave out.
Result<bool> Worker::examine_one(int dir, const DirName& entry, Found& found) {
  found.name = entry.name;
  const char* const name = found.name.c_str();
  if (entry.type == DT_REG) {
    TRY(read_file(dir, name, found));
  } else {
    TRY_ASSIGN(const Attr attr, sys::stat_at(dir, name));
    if (S_ISREG(attr.mode)) {
      TRY(read_file(dir, name, found));
    } else {
      if (options().skip_devices && is_device(attr.mode)) return false;
      found.attributes = attributes_of(attr, options());
      if (!S_ISDIR(attr.mode) && attr.nlink > 1) {
        found.dev = attr.dev;
        found.ino = attr.ino;
      }
    }
    if (S_ISLNK(attr.mode)) {
      TRY_ASSIGN(found.text, sys::read_link_at(dir, name));
    }
    if (!S_ISREG(attr.mode)) TRY(read_xattrs(dir, name, options(), found));
  }
  return true;
}

Result<void> Worker::read_file(int dir, const char* name, Found& found) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             sys::open_at(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd.get()));
  if (!S_ISREG(attr.mode)) return Error(EAGAIN, "read");
  found.attributes = attributes_of(attr, options());
  if (attr.nlink > 1) {
    found.dev = attr.dev;
    found.ino = attr.ino;
  }
  if (!options().skip_xattrs) {
    TRY(read_xattrs(dir, name, sys::list_xattrs_open(fd.get()), options(),
                    found));
  }
  TRY(reader_.read({.fd = fd.get(), .size = attr.size}, found));
  if (options().store == nullptr || !found.digest) return {};
  // The store was filled after the digest was computed.
  TRY_ASSIGN(const Attr after, sys::stat_fd(fd.get()));
  const bool was_linked = options().transfer == Transfer::kLink;
  if (was_linked || is_same_state(attr, after)) return {};
  return Error(EAGAIN, "read: it was changed meanwhile");
}

}  // namespace

Result<TreePtr> read_directory(const std::string& path,
                               const SourceOptions& options) {
  TRY_ASSIGN(sys::UniqueFd root, sys::open_dir(path));
  Intake intake(options);
  Found found;
  TRY_ASSIGN(const Attr attr, sys::stat_fd(root.get()));
  found.attributes = attributes_of(attr, options);
  TRY(read_xattrs(root.get(), "", options, found));
  TRY(intake.add(kRootNode, std::span(&found, 1)));

  WorkStack<Task> stack;
  stack.push({sys::share(std::move(root)), kRootNode, ".", {}});
  TRY(stack.run(thread_count(options.threads),
                [&] { return Worker(intake, stack); }));
  return intake.finish(path);
}

}  // namespace veneer::composefs
