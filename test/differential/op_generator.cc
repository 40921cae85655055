// SPDX-License-Identifier: MIT
//
// Calls and arguments by chance. Most calls are meant to succeed; the rest is
// for the errors, which must agree as well.

#include "test/differential/op_generator.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "test/differential/ingredients.h"

namespace veneer::testing::differential {
namespace {

struct Share {
  OpKind kind;
  unsigned weight;
};
constexpr std::array<Share, 36> kShares = {{
    {OpKind::kOpen, 150},     {OpKind::kClose, 25},
    {OpKind::kRead, 50},      {OpKind::kWrite, 75},
    {OpKind::kTruncate, 20},  {OpKind::kFtruncate, 25},
    {OpKind::kUnlink, 50},    {OpKind::kRmdir, 30},
    {OpKind::kMkdir, 45},     {OpKind::kRename, 110},
    {OpKind::kLink, 40},      {OpKind::kLinkFd, 20},
    {OpKind::kSymlink, 20},   {OpKind::kReadlink, 10},
    {OpKind::kMknod, 20},     {OpKind::kChmod, 40},
    {OpKind::kChown, 30},     {OpKind::kUtimens, 30},
    {OpKind::kSetxattr, 40},  {OpKind::kGetxattr, 25},
    {OpKind::kListxattr, 10}, {OpKind::kRemovexattr, 20},
    {OpKind::kSetacl, 20},    {OpKind::kFallocate, 20},
    {OpKind::kSeek, 20},      {OpKind::kCopyRange, 25},
    {OpKind::kMmapWrite, 20}, {OpKind::kMmapRead, 20},
    {OpKind::kFsync, 8},      {OpKind::kReaddir, 45},
    {OpKind::kStat, 60},      {OpKind::kAccess, 20},
    {OpKind::kStatfs, 2},     {OpKind::kUmask, 3},
    {OpKind::kSetflags, 8},   {OpKind::kDropCaches, 10},
}};

}  // namespace

std::string OpGenerator::name_below(const std::string& dir) {
  if (dir.empty() && random_.percent(4)) return std::string(255, 'L');
  if (taste_.wh_names && random_.percent(3)) return random_.pick(wh_names());
  if (random_.percent(1)) return std::string(256, 'M');
  return random_.pick(names());
}

// Through an open directory when one leads there, for it must not matter that
// the directory was moved since.
OpGenerator::Place OpGenerator::place(const std::string& known) {
  Place place{.at = kNone, .path = known, .known = known};
  if (random_.percent(20)) {
    const auto slot = static_cast<int>(random_.below(kSlots));
    const Slot& dir = slots_.at(static_cast<std::size_t>(slot));
    if (dir.open && dir.is_dir && known.starts_with(dir.path + "/")) {
      place.at = slot;
      place.path = known.substr(dir.path.size() + 1);
    } else if (dir.open && dir.is_dir) {
      place.at = slot;
      place.path = random_.pick(names());
      place.known = join(dir.path, place.path);
    }
  } else if (random_.percent(2)) {
    place.path += "/";
  } else if (random_.percent(2)) {
    place.path = "/" + place.path;
  }
  return place;
}

OpGenerator::Place OpGenerator::existing() {
  const auto paths = world_.all();
  if (paths.empty() || random_.percent(8)) return fresh(false);
  return place(random_.pick(paths));
}

OpGenerator::Place OpGenerator::existing(Kind kind) {
  auto paths = world_.of(kind);
  if (kind == Kind::kDir) paths.erase(paths.begin());
  if (paths.empty() || random_.percent(15)) return existing();
  return place(random_.pick(paths));
}

OpGenerator::Place OpGenerator::fresh(bool for_dir) {
  if (for_dir) return place(random_new_path(random_, world_, true));
  std::string dir = random_.pick(world_.of(Kind::kDir));
  if (depth_of(dir) >= kMaxDepth) dir.clear();
  return place(join(dir, name_below(dir)));
}

int OpGenerator::any_slot() {
  int slot = 0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    slot = static_cast<int>(random_.below(kSlots));
    if (slots_.at(static_cast<std::size_t>(slot)).open) break;
  }
  return slot;
}

int OpGenerator::file_slot(bool Slot::* use) {
  int slot = 0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    slot = static_cast<int>(random_.below(kSlots));
    const Slot& candidate = slots_.at(static_cast<std::size_t>(slot));
    if (candidate.open && !candidate.is_dir && candidate.*use) break;
  }
  return slot;
}

Op OpGenerator::by_path_or_fd(Op op) {
  if (random_.percent(35)) {
    op.fd = any_slot();
    return op;
  }
  const Place at = existing();
  op.at = at.at;
  op.path = at.path;
  return op;
}

Op OpGenerator::data_call(OpKind kind) {
  const bool writes = kind == OpKind::kWrite || kind == OpKind::kFtruncate ||
                      kind == OpKind::kFallocate || kind == OpKind::kMmapWrite;
  Op op{.kind = kind, .fd = file_slot(writes ? &Slot::writes : &Slot::reads)};
  op.off = random_.percent(40) ? 0 : random_.between(0, 40000);
  op.len = random_size(random_);
  op.seed = random_.between(1, 1 << 30);
  if (kind == OpKind::kFallocate) {
    static const std::vector<std::int64_t> kModes = {
        0,
        FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
        FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
        FALLOC_FL_ZERO_RANGE,
        FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
    op.flags = random_.pick(kModes);
  } else if (kind == OpKind::kSeek) {
    op.flags = random_.percent(50) ? SEEK_DATA : SEEK_HOLE;
    op.off = random_.between(0, random_.percent(60) ? 10000 : 150000);
  } else if (kind == OpKind::kCopyRange) {
    op.fd2 = file_slot(&Slot::writes);
    op.off2 = random_.between(0, 40000);
  }
  return op;
}

Op OpGenerator::utimens() {
  constexpr std::int64_t kNow = UTIME_NOW;
  constexpr std::int64_t kOmit = UTIME_OMIT;
  static const std::vector<std::int64_t> kSeconds = {
      0, 1, 1000000000, -5, -1000000, 1600000000, 3000000000, 5000000000};
  Op op{.kind = OpKind::kUtimens};
  const auto moment = [&](std::int64_t& seconds, std::int64_t& nanoseconds) {
    const auto dice = random_.below(10);
    nanoseconds = dice == 0   ? kNow
                  : dice <= 2 ? kOmit
                              : random_.between(0, 999999999);
    seconds = nanoseconds >= 1000000000 ? 0 : random_.pick(kSeconds);
  };
  moment(op.atime, op.atime_ns);
  moment(op.mtime, op.mtime_ns);
  return by_path_or_fd(op);
}

Op OpGenerator::choose() {
  unsigned total = 0;
  for (const Share& share : kShares) total += share.weight;
  auto dice = static_cast<unsigned>(random_.below(total));
  OpKind kind = OpKind::kStat;
  for (const Share& share : kShares) {
    kind = share.kind;
    if (dice < share.weight) break;
    dice -= share.weight;
  }
  switch (kind) {
    case OpKind::kOpen:
      return open();
    case OpKind::kClose:
    case OpKind::kFsync:
      return {.kind = kind, .fd = any_slot(), .flags = random_.between(0, 1)};
    case OpKind::kTruncate: {
      // Not to 0: to a FUSE server that is O_TRUNC, which always sets the time
      // of modification, while truncate(2) does so only if the size changes.
      const Place at = existing(Kind::kFile);
      return {.kind = kind,
              .at = at.at,
              .path = at.path,
              .len = std::max<std::int64_t>(random_size(random_), 1)};
    }
    case OpKind::kUnlink:
      return unlink();
    case OpKind::kRmdir: {
      std::vector<std::string> empty = world_.of(Kind::kDir);
      std::erase_if(empty, [this](const std::string& dir) {
        return dir.empty() || !world_.is_empty_dir(dir);
      });
      const bool aim = !empty.empty() && random_.percent(70);
      const Place at = aim ? place(random_.pick(empty)) : existing(Kind::kDir);
      if (world_.is_empty_dir(at.known)) world_.erase(at.known);
      return {.kind = kind, .at = at.at, .path = at.path};
    }
    case OpKind::kMkdir:
      return mkdir();
    case OpKind::kRename:
      return rename();
    case OpKind::kLink:
      return link();
    case OpKind::kLinkFd:
      return link_fd();
    case OpKind::kSymlink:
    case OpKind::kMknod:
      return make_node(kind);
    case OpKind::kReadlink: {
      const Place at = existing(Kind::kSymlink);
      return {.kind = kind, .at = at.at, .path = at.path};
    }
    case OpKind::kChmod:
      return by_path_or_fd({.kind = kind, .mode = random_mode(random_)});
    case OpKind::kChown:
      return by_path_or_fd(
          {.kind = kind,
           .flags = random_.percent(60) ? AT_SYMLINK_NOFOLLOW : 0,
           .uid = random_.percent(20) ? -1 : random_.between(999, 1001),
           .gid = random_.percent(20) ? -1 : random_.between(999, 1001)});
    case OpKind::kUtimens:
      return utimens();
    case OpKind::kSetxattr:
      return by_path_or_fd(random_setxattr(random_, true));
    case OpKind::kGetxattr:
    case OpKind::kRemovexattr:
      return by_path_or_fd(
          {.kind = kind,
           .name = random_.pick(xattr_names()),
           .len = random_.percent(30) ? random_.between(0, 20) : 4000});
    case OpKind::kListxattr:
      return by_path_or_fd(
          {.kind = kind,
           .len = random_.percent(30) ? random_.between(0, 20) : 4000});
    case OpKind::kSetacl:
      return by_path_or_fd(random_acl(random_, true));
    case OpKind::kRead:
    case OpKind::kWrite:
    case OpKind::kFtruncate:
    case OpKind::kFallocate:
    case OpKind::kSeek:
    case OpKind::kCopyRange:
    case OpKind::kMmapWrite:
    case OpKind::kMmapRead:
      return data_call(kind);
    case OpKind::kReaddir: {
      if (random_.percent(40)) return {.kind = kind, .fd = any_slot()};
      const Place at = place(random_.pick(world_.of(Kind::kDir)));
      return {
          .kind = kind, .at = at.at, .path = at.path.empty() ? "." : at.path};
    }
    case OpKind::kAccess: {
      const Place at = existing();
      return {.kind = kind,
              .at = at.at,
              .path = at.path,
              .mode = random_.between(0, 7),
              .as = random_.percent(70) ? 1000 : 0};
    }
    case OpKind::kUmask: {
      static const std::vector<std::int64_t> kMasks = {022, 022, 0, 077, 027};
      return {.kind = kind, .mode = random_.pick(kMasks)};
    }
    case OpKind::kDropCaches:
      if (taste_.drop_caches) return {.kind = kind};
      break;
    case OpKind::kStatfs:
      return {.kind = kind};
    case OpKind::kSetflags:
      // Not immutable nor append-only, which would end most of the rest.
      return {.kind = kind,
              .fd = any_slot(),
              .flags = random_.percent(50) ? FS_NODUMP_FL : FS_NOATIME_FL};
    case OpKind::kMkfile:
    case OpKind::kStat:
    case OpKind::kCompare:
      break;
  }
  return by_path_or_fd(
      {.kind = OpKind::kStat, .flags = random_.percent(30) ? 1 : 0});
}

Op OpGenerator::next() {
  Op op = choose();
  if (op.as == 0 && random_.percent(6)) op.as = random_.between(1000, 1001);
  return op;
}

}  // namespace veneer::testing::differential
