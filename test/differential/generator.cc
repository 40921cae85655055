// SPDX-License-Identifier: MIT
//
// Two dice: one for the layers, one for the calls. How often a call comes is in
// one table below.

#include "test/differential/generator.h"

#include <linux/falloc.h>

#include <algorithm>
#include <array>
#include <optional>

#include "test/differential/ingredients.h"
#include "test/differential/op_generator.h"
#include "test/differential/random.h"
#include "test/differential/world.h"

namespace veneer::testing::differential {
namespace {

// Builds one lower layer by hand: no overlay looks on, so whiteouts and opaque
// directories are made as the files they are.
class LayerMaker {
 public:
  LayerMaker(Random& random, World& world, Script& script, std::uint32_t layer)
      : random_(random), world_(world), script_(script), layer_(layer) {}

  void make(int entries, bool is_bottom) {
    for (int i = 0; i < entries; ++i) {
      const auto dice = random_.below(100);
      if (!is_bottom && dice < 15) {
        whiteout();
      } else if (!is_bottom && dice < 25) {
        opaque();
      } else if (dice < 75) {
        entry();
      } else {
        attribute();
      }
    }
  }

 private:
  void add(Op op) {
    op.phase = Phase::kRaw;
    op.layer = layer_;
    script_.push_back(std::move(op));
  }

  // A directory of the merged tree must be there in this layer too before
  // anything can be put into it.
  void need_dir(const std::string& path) {
    if (path.empty() || mine_.is_dir(path)) return;
    need_dir(parent_of(path));
    add({.kind = OpKind::kMkdir,
         .path = path,
         .mode = random_.percent(70) ? 0755 : 0700});
    mine_.put(path, Kind::kDir);
    if (!world_.is_dir(path)) world_.put(path, Kind::kDir);
  }

  void put(const std::string& path, Kind kind) {
    mine_.put(path, kind);
    if (kind != Kind::kDir || !world_.is_dir(path)) world_.put(path, kind);
  }

  std::string free_path(bool for_dir) {
    for (int attempt = 0; attempt < 8; ++attempt) {
      std::string path = random_new_path(random_, world_, for_dir);
      if (!mine_.has(path)) return path;
    }
    return {};
  }

  void entry() {
    const auto dice = random_.below(100);
    const bool is_dir = dice < 35;
    const std::string path = free_path(is_dir);
    if (path.empty()) return;
    need_dir(parent_of(path));
    const auto owner = static_cast<std::int64_t>(
        random_.percent(70) ? 0 : 1000 + random_.below(2));
    if (is_dir) {
      add({.kind = OpKind::kMkdir, .path = path, .mode = random_mode(random_)});
      put(path, Kind::kDir);
    } else if (dice < 75) {
      add({.kind = OpKind::kMkfile,
           .path = path,
           .flags = random_.percent(25) ? 1 : 0,
           .mode = random_mode(random_),
           .len = random_size(random_),
           .seed = random_.between(1, 1 << 30),
           .uid = owner,
           .gid = owner});
      put(path, Kind::kFile);
    } else if (dice < 84) {
      add({.kind = OpKind::kSymlink,
           .path = path,
           .path2 = random_target(random_)});
      put(path, Kind::kSymlink);
    } else if (dice < 90) {
      Op op = random_node(random_);
      op.path = path;
      add(std::move(op));
      put(path, Kind::kSpecial);
    } else {
      const auto files = mine_.of(Kind::kFile);
      if (files.empty()) return;
      add({.kind = OpKind::kLink, .path = random_.pick(files), .path2 = path});
      put(path, Kind::kFile);
    }
  }

  void attribute() {
    const auto paths = mine_.all();
    if (paths.empty()) return;
    const std::string path = random_.pick(paths);
    const auto dice = random_.below(4);
    Op op = dice == 0   ? random_acl(random_, mine_.is_dir(path))
            : dice == 1 ? Op{.kind = OpKind::kChown,
                             .flags = 0x100,
                             .uid = random_.between(0, 1001),
                             .gid = random_.between(0, 1001)}
                        : random_setxattr(random_, false);
    op.path = path;
    add(std::move(op));
  }

  void whiteout() {
    const auto paths = world_.all();
    if (paths.empty()) return;
    const std::string path = random_.pick(paths);
    if (mine_.has(path)) return;
    need_dir(parent_of(path));
    add({.kind = OpKind::kMknod, .path = path, .mode = 020000});
    mine_.put(path, Kind::kSpecial);
    world_.erase(path);
  }

  void opaque() {
    const std::string path = random_.pick(world_.of(Kind::kDir));
    if (path.empty() || mine_.has(path)) return;
    need_dir(path);
    add({.kind = OpKind::kSetxattr,
         .path = path,
         .name = "trusted.overlay.opaque",
         .len = 1});
    world_.put(path, Kind::kDir);
  }

  Random& random_;
  World& world_;
  World mine_;
  Script& script_;
  std::uint32_t layer_;
};

void add_calls(OpGenerator& calls, Script& script, Phase phase,
               std::uint32_t layer, int count) {
  for (int i = 0; i < count; ++i) {
    Op op = calls.next();
    op.phase = phase;
    op.layer = layer;
    script.push_back(std::move(op));
  }
}

bool depends_on_flush(const Op& op) {
  return op.kind == OpKind::kSeek || (op.kind == OpKind::kFallocate &&
                                      (op.flags & FALLOC_FL_ZERO_RANGE) != 0);
}

bool is_beyond_markers(const Op& op) {
  constexpr std::size_t kLongest = 251;
  const bool links = op.kind == OpKind::kLink || op.kind == OpKind::kLinkFd;
  const bool below = op.phase == Phase::kRaw || op.phase == Phase::kVia;
  return (links && below) || op.path.size() > kLongest ||
         op.path2.size() > kLongest;
}

}  // namespace

Script generate(std::uint64_t seed, const Profile& profile) {
  Random random(seed);
  World world;
  Script script;
  const auto dice = random.below(100);
  const std::uint32_t layers = dice < 35 ? 1 : dice < 70 ? 2 : kMaxLayers;
  for (std::uint32_t layer = layers; layer-- > 0;) {
    const bool is_bottom = layer + 1 == layers;
    const bool by_hand = is_bottom || random.percent(60);
    if (by_hand) {
      LayerMaker(random, world, script, layer)
          .make(static_cast<int>(random.between(8, is_bottom ? 45 : 25)),
                is_bottom);
    }
    if (!is_bottom && (!by_hand || random.percent(50))) {
      OpGenerator calls(random, world, {.wh_names = false});
      add_calls(calls, script, Phase::kVia, layer,
                static_cast<int>(random.between(10, 60)));
    }
  }
  const bool wh_names = profile.wh_names && seed % 4 == 0;
  OpGenerator calls(random, world,
                    {.wh_names = wh_names, .drop_caches = profile.drop_caches});
  for (int done = 0; done < profile.ops;) {
    const int count = std::min(profile.compare_every, profile.ops - done);
    add_calls(calls, script, Phase::kMain, 0, count);
    done += count;
    if (done < profile.ops) script.push_back({.kind = OpKind::kCompare});
  }
  OpGenerator more(random, world,
                   {.wh_names = wh_names, .drop_caches = profile.drop_caches});
  add_calls(more, script, Phase::kSwap, 0, profile.swap_ops);
  if (profile.writes_late) std::erase_if(script, depends_on_flush);
  if (profile.only_markers) std::erase_if(script, is_beyond_markers);
  return script;
}

}  // namespace veneer::testing::differential
