// SPDX-License-Identifier: MIT
//
// Calls that make, move and remove names, and what they do to the world if they
// succeed.

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <vector>

#include "test/differential/ingredients.h"
#include "test/differential/op_generator.h"

namespace veneer::testing::differential {

Op OpGenerator::open() {
  const auto slot = static_cast<int>(random_.below(kSlots));
  Op op{.kind = OpKind::kOpen, .fd = slot};
  const auto dice = random_.below(100);
  if (dice < 25) {
    const auto dirs = world_.of(Kind::kDir);
    const Place at = place(random_.pick(dirs));
    op.at = at.at;
    op.path = at.path.empty() ? "." : at.path;
    op.flags = O_DIRECTORY;
    slots_.at(static_cast<std::size_t>(slot)) = {
        .open = true, .is_dir = true, .path = at.known};
    return op;
  }
  static const std::vector<std::int64_t> kAccess = {O_RDONLY, O_WRONLY, O_RDWR,
                                                    O_RDWR};
  op.flags = random_.pick(kAccess);
  op.mode = random_mode(random_);
  if (dice < 32) {
    const Place at = place(random_.pick(world_.of(Kind::kDir)));
    op.at = at.at;
    op.path = at.path.empty() ? "." : at.path;
    op.flags = O_TMPFILE | (random_.percent(10) ? O_WRONLY : O_RDWR);
    if (random_.percent(10)) op.flags |= O_EXCL;
    slots_.at(static_cast<std::size_t>(slot)) = {
        .open = true, .reads = true, .writes = true};
    return op;
  }
  const bool creates = dice < 60;
  const Place at = creates ? fresh(false) : existing(Kind::kFile);
  op.at = at.at;
  op.path = at.path;
  if (creates) op.flags |= O_CREAT | (random_.percent(30) ? O_EXCL : 0);
  if (random_.percent(15)) op.flags |= O_TRUNC;
  if (random_.percent(12)) op.flags |= O_APPEND;
  if (random_.percent(8)) op.flags |= O_NOFOLLOW;
  if (creates && !world_.has(at.known)) world_.put(at.known, Kind::kFile);
  slots_.at(static_cast<std::size_t>(slot)) = {
      .open = true,
      .reads = (op.flags & O_ACCMODE) != O_WRONLY,
      .writes = (op.flags & O_ACCMODE) != O_RDONLY,
      .path = at.known};
  return op;
}

Op OpGenerator::unlink() {
  const bool dir = random_.percent(10);
  const Place at = dir ? existing(Kind::kDir) : existing();
  if (!world_.is_dir(at.known)) world_.erase(at.known);
  return {.kind = OpKind::kUnlink, .at = at.at, .path = at.path};
}

Op OpGenerator::mkdir() {
  // Names of removed directories come back often: opaque ones arise this way.
  const Place at = fresh(true);
  if (!world_.has(at.known)) world_.put(at.known, Kind::kDir);
  return {.kind = OpKind::kMkdir,
          .at = at.at,
          .path = at.path,
          .mode = random_mode(random_)};
}

Op OpGenerator::rename() {
  static const std::vector<std::int64_t> kBadFlags = {
      RENAME_NOREPLACE | RENAME_EXCHANGE, RENAME_WHITEOUT, 8};
  const auto dice = random_.below(100);
  const std::int64_t flags = dice < 65   ? 0
                             : dice < 77 ? RENAME_NOREPLACE
                             : dice < 97 ? RENAME_EXCHANGE
                                         : random_.pick(kBadFlags);
  const Place from = random_.percent(45) ? existing(Kind::kDir) : existing();
  const bool is_dir = world_.is_dir(from.known);
  const bool onto = flags == RENAME_EXCHANGE || random_.percent(35);
  Place to = onto ? existing() : fresh(is_dir);
  if (random_.percent(5)) to = place(join(from.known, "a"));
  if (is_dir && to.path.size() > 250) to = place("d");
  if (flags == RENAME_EXCHANGE) {
    world_.exchange(from.known, to.known);
  } else if (flags == 0 ||
             (flags == RENAME_NOREPLACE && !world_.has(to.known))) {
    const bool fits =
        !world_.has(to.known) ||
        (is_dir ? world_.is_empty_dir(to.known) : !world_.is_dir(to.known));
    if (fits) world_.move(from.known, to.known);
  }
  return {.kind = OpKind::kRename,
          .at = from.at,
          .at2 = to.at,
          .path = from.path,
          .path2 = to.path,
          .flags = flags};
}

Op OpGenerator::link() {
  const Place from = existing(Kind::kFile);
  const Place to = fresh(false);
  if (world_.has(from.known) && !world_.has(to.known) &&
      !world_.is_dir(from.known)) {
    world_.put(to.known, Kind::kFile);
  }
  return {.kind = OpKind::kLink,
          .at = from.at,
          .at2 = to.at,
          .path = from.path,
          .path2 = to.path,
          .flags = random_.percent(10) ? AT_SYMLINK_FOLLOW : 0};
}

Op OpGenerator::link_fd() {
  const Place to = fresh(false);
  if (!world_.has(to.known)) world_.put(to.known, Kind::kFile);
  return {.kind = OpKind::kLinkFd,
          .at2 = to.at,
          .fd = file_slot(&Slot::open),
          .path2 = to.path};
}

Op OpGenerator::make_node(OpKind kind) {
  const Place at = fresh(false);
  Op op = kind == OpKind::kMknod ? random_node(random_) : Op{.kind = kind};
  if (kind == OpKind::kSymlink) op.path2 = random_target(random_);
  if (kind == OpKind::kMknod && random_.percent(5)) {
    op.mode = S_IFCHR;  // 0:0, the whiteout: refused
    op.off = 0;
  }
  op.at = at.at;
  op.path = at.path;
  if (!world_.has(at.known)) {
    world_.put(at.known,
               kind == OpKind::kSymlink ? Kind::kSymlink : Kind::kSpecial);
  }
  return op;
}

}  // namespace veneer::testing::differential
