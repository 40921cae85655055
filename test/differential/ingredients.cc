// SPDX-License-Identifier: MIT
//
// The pools.

#include "test/differential/ingredients.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace veneer::testing::differential {

const std::vector<std::string>& names() {
  static const std::vector<std::string> kNames = {
      "a", "b", "c", "d", "e", "f", "\xff\xfe\x80", "two words"};
  return kNames;
}

const std::vector<std::string>& wh_names() {
  static const std::vector<std::string> kNames = {".wh.a", ".wh..wh..opq",
                                                  ".wh."};
  return kNames;
}

const std::vector<std::string>& xattr_names() {
  static const std::vector<std::string> kNames = {
      "user.a",
      "user.a",
      "user.a",
      "user.a",
      "user.b",
      "user.b",
      "trusted.mine",
      "trusted.mine",
      "security.x",
      "security.capability",
      "user.overlay.opaque",
      "trusted.overlay.mine",
      "user." + std::string(249, 'n'),
      "user." + std::string(252, 'n'),
      "nonsense",
      "user."};
  return kNames;
}

std::string random_new_path(Random& random, const World& world, bool for_dir) {
  if (!for_dir && random.percent(6)) return std::string(255, 'L');
  std::string dir = random.pick(world.of(Kind::kDir));
  if (depth_of(dir) >= kMaxDepth) dir.clear();
  return join(dir, random.pick(names()));
}

std::string random_target(Random& random) {
  switch (random.below(8)) {
    case 0:
      return "/" + random.pick(names());
    case 1:
      return "../" + random.pick(names());
    case 2:
      return random.pick(names()) + "/a";
    case 3:
      return "nowhere/at/all";
    case 4:
      return std::string(static_cast<std::size_t>(random.between(60, 300)),
                         't');
    default:
      return random.pick(names());
  }
}

std::int64_t random_mode(Random& random) {
  static const std::vector<std::int64_t> kModes = {
      0644, 0644, 0755,  0755,  0600,  0700,  0444,
      0777, 0000, 04755, 02755, 06711, 01777, 02644};
  return random.pick(kModes);
}

std::int64_t random_size(Random& random) {
  static const std::vector<std::int64_t> kEdges = {
      0, 1, 100, 4095, 4096, 4097, 65536, 131072, 9000, 200000};
  return random.percent(50) ? random.pick(kEdges) : random.between(0, 20000);
}

Op random_node(Random& random) {
  static const std::vector<std::int64_t> kTypes = {S_IFIFO, S_IFSOCK, S_IFCHR,
                                                   S_IFBLK, S_IFREG};
  const std::int64_t type = random.pick(kTypes);
  Op op{.kind = OpKind::kMknod, .mode = type | (random_mode(random) & 0777)};
  // No driver of this machine may ever be asked: null, and local use numbers.
  if (type == S_IFCHR) op.off = static_cast<std::int64_t>(makedev(1, 3));
  if (type == S_IFBLK) op.off = static_cast<std::int64_t>(makedev(240, 7));
  return op;
}

Op random_acl(Random& random, bool may_be_default) {
  const bool is_default =
      may_be_default ? random.percent(50) : random.percent(5);
  return {.kind = OpKind::kSetacl,
          .name = is_default ? "system.posix_acl_default"
                             : "system.posix_acl_access",
          .seed = random.between(0, 1 << 20)};
}

Op random_setxattr(Random& random, bool with_flags) {
  static const std::vector<std::int64_t> kLengths = {0, 1, 10, 100, 3000};
  return {.kind = OpKind::kSetxattr,
          .name = random.pick(xattr_names()),
          .flags = with_flags && random.percent(30) ? random.between(1, 2) : 0,
          .len = random.pick(kLengths),
          .seed = random.between(0, 1000)};
}

}  // namespace veneer::testing::differential
