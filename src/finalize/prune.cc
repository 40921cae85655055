// SPDX-License-Identifier: MIT

#include "finalize/prune.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "finalize/compare.h"
#include "finalize/scan.h"
#include "finalize/tree_path.h"
#include "layer/host/overlay_xattrs.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::finalize {

namespace {

constexpr const char* kDotWhiteout = ".wh.";
constexpr const char* kDotOpaque = ".wh..wh..opq";

struct Parent {
  sys::UniqueFd dir;
  std::string name;
};

Result<Parent> open_parent(int upper, const std::string& path) {
  TRY_ASSIGN(sys::UniqueFd dir,
             sys::open_beneath(upper, parent_of(path),
                               O_PATH | O_DIRECTORY | O_CLOEXEC));
  return Parent{std::move(dir), last_name(path)};
}

Result<void> gone_is_fine(Result<void> done) {
  if (!done && done.error().code() == ENOENT) return {};
  return done;
}

Result<void> drop_file(int upper, const std::string& path) {
  const auto at = open_parent(upper, path);
  if (!at) return gone_is_fine(at.error());
  return gone_is_fine(sys::unlink_at(at->dir.get(), at->name.c_str()));
}

// In whichever form it stands there.
Result<void> drop_whiteout(int upper, const std::string& path) {
  const auto at = open_parent(upper, path);
  if (!at) return gone_is_fine(at.error());
  TRY_ASSIGN(const auto object, sys::find_at(at->dir.get(), at->name.c_str()));
  if (object) return sys::unlink_at(at->dir.get(), at->name.c_str());
  const std::string marker = kDotWhiteout + at->name;
  return gone_is_fine(sys::unlink_at(at->dir.get(), marker.c_str()));
}

// Not empty is as good: something in it is not committed.
Result<void> drop_directory(int upper, const std::string& path) {
  const auto at = open_parent(upper, path);
  if (!at) return gone_is_fine(at.error());
  auto removed = sys::remove_dir_at(at->dir.get(), at->name.c_str());
  if (!removed && removed.error().code() == ENOTEMPTY) return {};
  return gone_is_fine(std::move(removed));
}

// Of the upper's own namespace: names in the other one are users'.
Result<void> clear_marks(const Site& site, const std::string& path) {
  const auto dir =
      sys::open_beneath(site.upper, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (!dir) return gone_is_fine(dir.error());
  if (site.own != layer::XattrNamespace::kNone) {
    for (const std::string_view mark : {layer::kOpaque, layer::kRedirect}) {
      const auto cleared = sys::remove_xattr_fd(
          dir->get(), layer::own_name(site.own, mark).c_str());
      const int code = cleared ? 0 : cleared.error().code();
      if (code != 0 && code != ENODATA && code != EOPNOTSUPP) return cleared;
    }
  }
  return gone_is_fine(sys::unlink_at(dir->get(), kDotOpaque));
}

// The index keeps a link to each of its files: one that has been moved to the
// base would count it, one that has no other name is not needed.
Result<void> clean_index(int work, const std::vector<Step>& steps) {
  absl::flat_hash_set<std::uint64_t> moved;
  for (const Step& step : steps) {
    if (step.kind == StepKind::kInstall && step.move) {
      moved.insert(step.from_ino);
    }
  }
  const auto index = sys::open_at(
      work, "index", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (!index) return gone_is_fine(index.error());
  std::vector<std::string> names;
  TRY(sys::read_dir(index->get(),
                    [&](std::string_view name, std::uint64_t, std::uint8_t) {
                      names.emplace_back(name);
                    }));
  for (const std::string& name : names) {
    TRY_ASSIGN(const auto attr, sys::find_at(index->get(), name.c_str()));
    if (!attr || S_ISDIR(attr->mode)) continue;
    if (attr->nlink > 1 && !moved.contains(attr->ino)) continue;
    TRY(gone_is_fine(sys::unlink_at(index->get(), name.c_str())));
  }
  return {};
}

Result<void> drop_files_that_agree(int upper, const Changes& changes) {
  for (const Change& change : changes) {
    const bool agrees = change.kind == ChangeKind::kNone && change.on_upper &&
                        change.path == change.upper_path;
    if (agrees && !S_ISDIR(change.attr.mode)) {
      TRY(drop_file(upper, change.path));
    }
  }
  return {};
}

// What was taken out of a directory has altered its time, here and in the base;
// `meant` is what it was before.
Result<void> settle(int upper, const Change& change, const Metadata& meant) {
  const bool agrees = change.in_base && !change.opaque &&
                      change.base_path == change.path &&
                      (change.differs & ~std::uint32_t{kTimeDiffers}) == 0 &&
                      same_time(change.base_attr.mtime, meant.mtime);
  if (agrees && !change.path.empty()) {
    TRY(drop_directory(upper, change.upper_path));
  }
  const auto dir = sys::open_beneath(upper, change.upper_path,
                                     O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (!dir) return gone_is_fine(dir.error());
  const timespec times[2] = {meant.atime, meant.mtime};
  return sys::utimens_fd(dir->get(), times);
}

// Whiteouts that hide nothing are no changes, so they are looked for here.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the upper is.
Result<void> sweep_whiteouts(Layer& layer, int upper, const LayerNode& dir,
                             const std::string& path,
                             const absl::flat_hash_set<std::string>& meant) {
  std::vector<std::string> whiteouts;
  std::vector<std::string> others;
  TRY(layer.read_dir(dir, [&](const DirEntry& entry) {
    (entry.whiteout ? whiteouts : others).emplace_back(entry.name);
  }));
  for (const std::string& name : whiteouts) {
    const std::string at = joined(path, name);
    if (!meant.contains(at)) TRY(drop_whiteout(upper, at));
  }
  for (const std::string& name : others) {
    TRY_ASSIGN(const auto child, layer.lookup(dir, name));
    if (!child || child->marks.whiteout || !S_ISDIR(child->attr.mode)) {
      continue;
    }
    TRY(sweep_whiteouts(layer, upper, *child->node, joined(path, name), meant));
  }
  return {};
}

}  // namespace

Result<void> prune_upper(const Ground& ground, const std::vector<Step>& steps) {
  const int upper = ground.upper.get();
  const Site site = ground.site(ground.base.get(), -1);
  for (const Step& step : steps) {
    if (step.kind == StepKind::kSettle && step.opaque) {
      TRY(clear_marks(site, step.from));
    }
  }
  TRY(clean_index(ground.work.get(), steps));
  TRY_ASSIGN(Trees trees, open_trees(ground.directories));
  TRY_ASSIGN(const Changes changes,
             scan(trees, {.unchanged = true, .progress = {}}));
  absl::flat_hash_set<std::string> meant;
  absl::flat_hash_map<std::string, const Change*> dirs;
  for (const Change& change : changes) {
    if (!change.on_upper) meant.insert(change.path);
    if (change.on_upper && S_ISDIR(change.attr.mode)) {
      dirs.emplace(change.upper_path, &change);
    }
  }
  TRY(sweep_whiteouts(*trees.upper, upper, *trees.upper->root().node, "",
                      meant));
  TRY(drop_files_that_agree(upper, changes));
  for (const Step& step : steps) {
    if (step.kind != StepKind::kSettle) continue;
    const auto dir = dirs.find(step.from);
    if (dir != dirs.end()) TRY(settle(upper, *dir->second, step.metadata));
  }
  return {};
}

Result<void> finish_upper(const Ground& ground, bool partial,
                          const std::vector<Step>& steps) {
  if (!partial) return empty_upper(ground);
  TRY(prune_upper(ground, steps));
  TRY(sys::sync_fs(ground.upper.get()));
  TRY(remove_journal(ground.work.get()));
  return sys::fsync_fd(ground.work.get());
}

}  // namespace veneer::finalize
