// SPDX-License-Identifier: MIT
//
// LayerFS layers without FUSE: building one of a million entries, opening it,
// and looking up names in it, alone and under a hundred layers.
//
// Cold: the layer has just been opened, so the directory and the tables are
// read and compared with their digests. Warm: all that has been done.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <filesystem>
#include <random>
#include <string>

#include "test/support/scratch_dir.h"
#include "veneer/layerfs.h"

namespace veneer::bench {
namespace {

using layerfs::LayerFs;

constexpr int kDirs = 10000;
constexpr int kFilesEach = 100;

std::string dir_name(int i) { return fmt::format("directory-{:05}", i); }
std::string file_name(int i) { return fmt::format("some-file-{:03}.txt", i); }

bool build(const std::string& out, int dirs, int files) {
  auto builder = layerfs::BottomLayerBuilder::create(out);
  if (!builder) return false;
  layerfs::BlobRange blob;
  blob.length = 1000;
  for (int d = 0; d < dirs; ++d) {
    const std::string dir = dir_name(d);
    if (!builder->add_dir(dir, {})) return false;
    for (int f = 0; f < files; ++f) {
      blob.sha256[0] = static_cast<std::uint8_t>(f);
      if (!builder->add_file(dir + "/" + file_name(f), {0644, f}, blob)) {
        return false;
      }
    }
  }
  return std::move(*builder).finish().has_value();
}

// Layers that several benchmarks look at, made once.
class Place {
 public:
  static Place& get() {
    static Place place;
    return place;
  }

  /// A million files in ten thousand directories.
  const std::string& million() {
    if (million_.empty()) {
      million_ = dir_.path("million");
      build(million_, kDirs, kFilesEach);
    }
    return million_;
  }

  /// `depth` layers; the lowest has a thousand directories, the others one.
  std::string stack(int depth) {
    const std::string name = dir_.path(fmt::format("stack{}", depth));
    if (std::filesystem::exists(name)) return name;
    std::string below = name + "-0";
    build(below, 1000, kFilesEach);
    for (int i = 1; i < depth; ++i) {
      const std::string bottom = fmt::format("{}-bottom{}", name, i);
      build(bottom, 1, 1);
      const std::string next = fmt::format("{}-{}", name, i);
      auto builder = layerfs::UpperLayerBuilder::create(
          next, *LayerFs::from_path(below, ""));
      if (!builder->fill_from_bottom_layer(*LayerFs::from_path(bottom, "")) ||
          !std::move(*builder).finish()) {
        return {};
      }
      below = next;
    }
    std::filesystem::create_symlink(below, name);
    return name;
  }

 private:
  testing::ScratchDir dir_;
  std::string million_;
};

void layerfs_build(benchmark::State& state) {
  const testing::ScratchDir dir;
  const auto dirs = static_cast<int>(state.range(0)) / kFilesEach;
  int round = 0;
  for (auto _ : state) {
    if (!build(dir.path(std::to_string(round++)), dirs, kFilesEach)) {
      state.SkipWithError("the layer was not built");
    }
  }
  state.SetItemsProcessed(state.iterations() * dirs * (kFilesEach + 1));
}

void layerfs_open(benchmark::State& state) {
  const std::string& path = Place::get().million();
  for (auto _ : state) {
    benchmark::DoNotOptimize(LayerFs::from_path(path, ""));
  }
}

void layerfs_open_and_look_up(benchmark::State& state) {
  const std::string& path = Place::get().million();
  for (auto _ : state) {
    const auto layer = LayerFs::from_path(path, "");
    const auto view = *layer->as_layer();
    const auto dir = view->lookup(*view->root().node, dir_name(4711));
    benchmark::DoNotOptimize(view->lookup(*(*dir)->node, file_name(42)));
  }
}

void layerfs_open_stack(benchmark::State& state) {
  const std::string path = Place::get().stack(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(LayerFs::from_path(path, ""));
  }
}

// Files in directories that are known, over `range` layers.
void layerfs_lookup_warm(benchmark::State& state) {
  const auto layer = LayerFs::from_path(
      Place::get().stack(static_cast<int>(state.range(0))), "");
  const auto view = *layer->as_layer();
  std::vector<Child> dirs;
  for (int i = 0; i < 1000; ++i) {
    dirs.push_back(**view->lookup(*view->root().node, dir_name(i)));
  }
  std::vector<std::string> names;
  for (int i = 0; i < kFilesEach; ++i) names.push_back(file_name(i));
  std::mt19937 random(1);
  for (auto _ : state) {
    const Child& dir = dirs[random() % dirs.size()];
    const auto found = view->lookup(*dir.node, names[random() % names.size()]);
    if (!found || !*found) {
      state.SkipWithError("not found");
      break;
    }
  }
}

// A file in a directory that was not asked for before, over `range` layers.
void layerfs_lookup_cold(benchmark::State& state) {
  const std::string path = Place::get().stack(static_cast<int>(state.range(0)));
  std::unique_ptr<Layer> view;
  int at = 1000;
  for (auto _ : state) {
    if (at == 1000) {
      state.PauseTiming();
      view = *LayerFs::from_path(path, "")->as_layer();
      at = 0;
      state.ResumeTiming();
    }
    const auto dir = view->lookup(*view->root().node, dir_name(at++));
    const auto found = view->lookup(*(*dir)->node, file_name(42));
    if (!found || !*found) {
      state.SkipWithError("not found");
      break;
    }
  }
}

BENCHMARK(layerfs_build)->Arg(1000000)->Unit(benchmark::kMillisecond);
BENCHMARK(layerfs_open)->Unit(benchmark::kMicrosecond);
BENCHMARK(layerfs_open_and_look_up)->Unit(benchmark::kMicrosecond);
BENCHMARK(layerfs_open_stack)->Arg(1)->Arg(100)->Unit(benchmark::kMicrosecond);
BENCHMARK(layerfs_lookup_warm)->Arg(1)->Arg(100);
BENCHMARK(layerfs_lookup_cold)->Arg(1)->Arg(100);

}  // namespace
}  // namespace veneer::bench
