// SPDX-License-Identifier: MIT

#include "layer/host/work_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"

namespace veneer::layer {
namespace {

constexpr mode_t kPrivate = 0700;
constexpr int kMaxDepth = 64;

Result<sys::UniqueFd> ensure_dir(int parent, const char* name) {
  auto made = sys::make_dir_at(parent, name, kPrivate);
  if (!made && made.error().code() != EEXIST) return made.error();
  return sys::open_at(parent, name, O_RDONLY | O_DIRECTORY);
}

// One entry. A directory that is too deep to recurse into is first moved up,
// so that any depth goes with a bounded number of descriptors.
// NOLINTNEXTLINE(misc-no-recursion): to kMaxDepth.
Result<void> remove_entry(int top, int dir, const std::string& name, int depth,
                          int& moved) {
  auto gone = sys::unlink_at(dir, name.c_str());
  if (gone || gone.error().code() == ENOENT) return {};
  if (gone.error().code() != EISDIR && gone.error().code() != EPERM) {
    return gone;
  }
  if (depth > kMaxDepth) {
    // A sweep that was interrupted may have left some of these names.
    for (;;) {
      const std::string parked = "#deep" + std::to_string(moved++);
      auto parked_there =
          sys::rename_at(dir, name.c_str(), top, parked.c_str());
      if (parked_there || (parked_there.error().code() != ENOTEMPTY &&
                           parked_there.error().code() != EEXIST)) {
        return parked_there;
      }
    }
  }
  auto removed = sys::remove_dir_at(dir, name.c_str());
  if (removed || removed.error().code() != ENOTEMPTY) return removed;
  TRY_ASSIGN(const sys::UniqueFd path,
             sys::open_at(dir, name.c_str(), O_PATH | O_DIRECTORY));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(path.get()));
  const bool shut = (attr.mode & S_IRWXU) != S_IRWXU;
  if (shut) {
    // Even for its owner, it may be.
    ignore_error(sys::chmod_fd(path.get(), (attr.mode & 07777) | S_IRWXU));
  }
  TRY_ASSIGN(const sys::UniqueFd sub,
             sys::reopen(path.get(), O_RDONLY | O_DIRECTORY));
  std::vector<std::string> names;
  TRY(sys::read_dir(sub.get(),
                    [&](std::string_view entry, std::uint64_t, std::uint8_t) {
                      names.emplace_back(entry);
                    }));
  for (const std::string& entry : names) {
    TRY(remove_entry(top, sub.get(), entry, depth + 1, moved));
  }
  // Who still has it open sees the mode it had.
  if (shut) ignore_error(sys::chmod_fd(path.get(), attr.mode & 07777));
  return sys::remove_dir_at(dir, name.c_str());
}

}  // namespace

Result<void> remove_contents(int dir) {
  int moved = 0;
  for (;;) {
    std::vector<std::string> names;
    TRY(sys::read_dir(dir, [&](std::string_view entry, std::uint64_t,
                               std::uint8_t) { names.emplace_back(entry); }));
    if (names.empty()) return {};
    for (const std::string& name : names) {
      TRY(remove_entry(dir, dir, name, 0, moved));
    }
  }
}

Result<std::unique_ptr<WorkDir>> WorkDir::open(int work, bool index) {
  TRY_ASSIGN(sys::UniqueFd fd, ensure_dir(work, "work"));
  TRY(remove_contents(fd.get()));
  sys::UniqueFd index_fd;
  if (index) {
    TRY_ASSIGN(index_fd, ensure_dir(work, "index"));
  }
  return std::unique_ptr<WorkDir>(
      new WorkDir(std::move(fd), std::move(index_fd)));
}

std::string WorkDir::fresh_name() {
  return "#" + std::to_string(next_.fetch_add(1, std::memory_order_relaxed));
}

// The whiteout to link to; a new one if `worn_out` is still in use.
Result<std::string> WorkDir::kept_whiteout(const std::string& worn_out) {
  const MutexLock lock(whiteout_mu_);
  if (whiteout_ == worn_out) {
    std::string fresh = fresh_name();
    TRY(sys::make_node_at(fd_.get(), fresh.c_str(), S_IFCHR, 0));
    whiteout_ = std::move(fresh);
  }
  return whiteout_;
}

Result<void> WorkDir::link_whiteout(int dir, const char* name) {
  TRY_ASSIGN(std::string kept, kept_whiteout(""));
  auto linked = sys::link_at(fd_.get(), kept.c_str(), dir, name);
  if (linked || linked.error().code() != EMLINK) return linked;
  // As many links as the file system allows: start another one.
  TRY_ASSIGN(kept, kept_whiteout(kept));
  return sys::link_at(fd_.get(), kept.c_str(), dir, name);
}

Result<std::string> WorkDir::make_whiteout() {
  std::string name = fresh_name();
  TRY(link_whiteout(fd_.get(), name.c_str()));
  return name;
}

void WorkDir::discard(const std::string& name) {
  int moved = 0;
  ignore_error(remove_entry(fd_.get(), fd_.get(), name, 0, moved));
}

}  // namespace veneer::layer
