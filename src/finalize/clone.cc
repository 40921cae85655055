// SPDX-License-Identifier: MIT

#include "finalize/clone.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "finalize/clone_object.h"
#include "finalize/tree_path.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"

namespace veneer::finalize {

namespace {

struct Pair {
  int from;
  int to;
};

class Cloner {
 public:
  Cloner(const absl::flat_hash_set<std::uint64_t>& copied,
         const std::function<bool(std::uint64_t)>& progress, Pair roots)
      : copied_(copied), progress_(progress), roots_(roots) {}

  Result<void> fill(Pair dirs, const std::string& path);
  CloneReport report;

 private:
  Result<void> take(Pair dirs, const std::string& name,
                    const std::string& path);
  Result<void> take_dir(Pair dirs, const std::string& name,
                        const std::string& path);
  Result<void> take_copy(Pair dirs, const std::string& name, const Attr& attr,
                         const std::string& path);
  Result<void> tick();

  const absl::flat_hash_set<std::uint64_t>& copied_;
  const std::function<bool(std::uint64_t)>& progress_;
  const Pair roots_;
  std::uint64_t device_ = 0;
  std::uint64_t seen_ = 0;
  // Files with several names that are copied: inode -> its first new name.
  absl::flat_hash_map<std::uint64_t, std::string> copies_;
};

Result<void> Cloner::tick() {
  constexpr std::uint64_t kEvery = 256;
  ++seen_;
  if (seen_ % kEvery == 0 && progress_ && !progress_(seen_)) {
    return Error(ECANCELED, "copy");
  }
  return {};
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the tree is.
Result<void> Cloner::fill(Pair dirs, const std::string& path) {
  TRY_ASSIGN(const Attr attr, sys::stat_fd(dirs.from));
  if (device_ == 0) device_ = attr.dev;
  if (attr.dev != device_) {
    return Error(EXDEV, "",
                 fmt::format("another file system is mounted on {} (commit "
                             "without --atomic, or unmount it)",
                             path));
  }
  std::vector<std::pair<std::string, std::uint64_t>> names;
  TRY(sys::read_dir(
      dirs.from, [&](std::string_view name, std::uint64_t ino, std::uint8_t) {
        names.emplace_back(name, ino);
      }));
  for (const auto& [name, ino] : names) {
    if (auto taken = take(dirs, name, joined(path, name)); !taken) {
      return taken.error().about(joined(path, name));
    }
  }
  return clone_metadata(dirs.from, dirs.to, attr);
}

// NOLINTNEXTLINE(misc-no-recursion): see fill().
Result<void> Cloner::take(Pair dirs, const std::string& name,
                          const std::string& path) {
  TRY(tick());
  TRY_ASSIGN(const Attr attr, sys::stat_at(dirs.from, name.c_str()));
  if (S_ISDIR(attr.mode)) return take_dir(dirs, name, path);
  if (!copied_.contains(attr.ino)) {
    auto linked = sys::link_at(dirs.from, name.c_str(), dirs.to, name.c_str());
    if (linked) {
      ++report.linked;
      return {};
    }
    const int code = linked.error().code();
    const bool never = code == EMLINK || code == EPERM || code == EOPNOTSUPP;
    if (!never) return linked;
  }
  return take_copy(dirs, name, attr, path);
}

Result<void> Cloner::take_copy(Pair dirs, const std::string& name,
                               const Attr& attr, const std::string& path) {
  if (attr.nlink > 1) {
    const auto [first, is_new] = copies_.emplace(attr.ino, path);
    if (!is_new) {
      TRY_ASSIGN(const sys::UniqueFd file,
                 sys::open_beneath(roots_.to, first->second,
                                   O_PATH | O_NOFOLLOW | O_CLOEXEC));
      return sys::link_fd(file.get(), dirs.to, name.c_str());
    }
  }
  ++report.copied;
  return clone_object(dirs.from, name.c_str(), attr, dirs.to);
}

// NOLINTNEXTLINE(misc-no-recursion): see fill().
Result<void> Cloner::take_dir(Pair dirs, const std::string& name,
                              const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  ++report.directories;
  TRY(sys::make_dir_at(dirs.to, name.c_str(), 0700));
  TRY_ASSIGN(const sys::UniqueFd from,
             sys::open_at(dirs.from, name.c_str(), kFlags));
  TRY_ASSIGN(const sys::UniqueFd to,
             sys::open_at(dirs.to, name.c_str(), kFlags));
  return fill({from.get(), to.get()}, path);
}

}  // namespace

Result<CloneReport> clone_tree(
    int from, int to, const absl::flat_hash_set<std::uint64_t>& copied,
    const std::function<bool(std::uint64_t)>& progress) {
  Cloner cloner(copied, progress, {from, to});
  TRY(cloner.fill({from, to}, ""));
  return cloner.report;
}

}  // namespace veneer::finalize
