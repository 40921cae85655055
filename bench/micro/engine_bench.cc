// SPDX-License-Identifier: MIT
//
// The engine over directories, without FUSE: what one message costs after it
// has arrived. Names come in rounds: after the last one everything is made
// anew, and only the operation itself is timed.

#include <benchmark/benchmark.h>

#include <chrono>

#include "bench/micro/layers.h"

namespace veneer::bench {
namespace {

using Clock = std::chrono::steady_clock;
using overlay::kRootId;

constexpr int kFiles = 1000;
const overlay::Caller kRoot;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Calls `act(filesystem, name number)` for each name of a fresh tree in turn.
template <typename Prepare, typename Act>
void run_over_fresh_names(benchmark::State& state, Layers& layers,
                          const Prepare& prepare, const Act& act) {
  overlay::Filesystem* filesystem = nullptr;
  int at = kFiles;
  for (auto _ : state) {
    if (at == kFiles) {
      filesystem = &layers.fresh();
      prepare(*filesystem);
      at = 0;
    }
    const auto begin = Clock::now();
    const bool ok = act(*filesystem, at);
    state.SetIterationTime(seconds_since(begin));
    if (!ok) {
      state.SkipWithError("the operation failed");
      break;
    }
    ++at;
  }
}

void nothing_first(overlay::Filesystem&) {}

// The kernel's first LOOKUP of a file, over `range` layers.
void lookup_cold(benchmark::State& state) {
  Layers layers(static_cast<int>(state.range(0)), kFiles, 100);
  run_over_fresh_names(state, layers, nothing_first,
                       [](overlay::Filesystem& filesystem, int at) {
                         const auto found =
                             filesystem.lookup(kRootId, file_name(at));
                         return found && *found;
                       });
}

void lookup_of_absent(benchmark::State& state) {
  Layers layers(static_cast<int>(state.range(0)), kFiles, 100);
  run_over_fresh_names(state, layers, nothing_first,
                       [](overlay::Filesystem& filesystem, int at) {
                         const auto found =
                             filesystem.lookup(kRootId, file_name(at + kFiles));
                         return found && !*found;
                       });
}

void lookup_known(benchmark::State& state) {
  Layers layers(1, 1, 100);
  overlay::Filesystem& filesystem = layers.fresh();
  for (auto _ : state) {
    benchmark::DoNotOptimize(filesystem.lookup(kRootId, file_name(0)));
  }
}

void look_up_all(overlay::Filesystem& filesystem) {
  for (int file = 0; file < kFiles; ++file) {
    benchmark::DoNotOptimize(filesystem.lookup(kRootId, file_name(file)));
  }
}

Result<overlay::NodeId> id_of(overlay::Filesystem& filesystem, int file) {
  TRY_ASSIGN(const auto found, filesystem.lookup(kRootId, file_name(file)));
  if (!found) return Error(ENOENT, "lookup");
  return found->id;
}

// The first READ of a small file.
void read_cold(benchmark::State& state) {
  Layers layers(1, kFiles, 1000);
  std::vector<overlay::NodeId> ids;
  const auto prepare = [&](overlay::Filesystem& filesystem) {
    ids.clear();
    for (int file = 0; file < kFiles; ++file) {
      const auto id = id_of(filesystem, file);
      if (id) ids.push_back(*id);
    }
  };
  run_over_fresh_names(
      state, layers, prepare, [&](overlay::Filesystem& filesystem, int at) {
        const auto source =
            filesystem.read(ids[static_cast<std::size_t>(at)], 0, 4096);
        char buffer[4096];
        return source && ::pread(source->fd, buffer, sizeof(buffer),
                                 static_cast<off_t>(source->offset)) == 1000;
      });
}

// What the first change to a file of `range` bytes costs, less its LOOKUP.
void copy_up_for_chmod(benchmark::State& state) {
  Layers layers(1, kFiles, static_cast<std::size_t>(state.range(0)));
  run_over_fresh_names(state, layers, look_up_all,
                       [](overlay::Filesystem& filesystem, int at) {
                         const auto id = id_of(filesystem, at);
                         SetAttr changes;
                         changes.mode = 0600;
                         return id && filesystem.set_attr(kRoot, *id, changes);
                       });
}

void copy_up_for_write(benchmark::State& state) {
  Layers layers(1, kFiles, static_cast<std::size_t>(state.range(0)));
  static constexpr std::byte kBytes[5] = {};
  run_over_fresh_names(state, layers, look_up_all,
                       [](overlay::Filesystem& filesystem, int at) {
                         const auto id = id_of(filesystem, at);
                         return id && filesystem.write(kRoot, *id, 0, kBytes);
                       });
}

void create_file(benchmark::State& state) {
  Layers layers(1, 1, 0);
  run_over_fresh_names(state, layers, nothing_first,
                       [](overlay::Filesystem& filesystem, int at) {
                         return filesystem
                             .make(kRoot, kRootId, file_name(at + 1),
                                   S_IFREG | 0644, 0, {})
                             .has_value();
                       });
}

void unlink_lower_file(benchmark::State& state) {
  Layers layers(1, kFiles, 100);
  run_over_fresh_names(
      state, layers, look_up_all, [](overlay::Filesystem& filesystem, int at) {
        return filesystem.unlink(kRoot, kRootId, file_name(at)).has_value();
      });
}

BENCHMARK(lookup_cold)->Arg(1)->Arg(2)->Arg(10)->UseManualTime();
BENCHMARK(lookup_of_absent)->Arg(1)->Arg(2)->Arg(10)->UseManualTime();
BENCHMARK(lookup_known);
BENCHMARK(read_cold)->UseManualTime();
BENCHMARK(copy_up_for_chmod)->Arg(1000)->UseManualTime();
BENCHMARK(copy_up_for_write)->Arg(1000)->Arg(100'000)->UseManualTime();
BENCHMARK(create_file)->UseManualTime();
BENCHMARK(unlink_lower_file)->UseManualTime();

}  // namespace
}  // namespace veneer::bench
