// SPDX-License-Identifier: MIT
//
// Answers from an image of composefs, without FUSE: how long the first one
// takes, and each one after that, for images of a thousand files and of a
// million. The image is in the page cache.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "composefs/dump_text.h"
#include "composefs/image_writer.h"
#include "composefs/plan.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/mapped_file.h"
#include "sys/open.h"
#include "veneer/composefs.h"

namespace veneer::bench {
namespace {

constexpr int kPerDir = 1000;

// A file of this name and its removal at the end.
class ImageOnDisk {
 public:
  explicit ImageOnDisk(int files) {
    std::string dump = "/ 0 40755 2 0 0 0 0.0 - - -\n";
    std::string digest(64, '5');
    for (int i = 0; i < files; ++i) {
      if (i % kPerDir == 0) {
        dump +=
            fmt::format("/dir-{:04} 0 40755 2 0 0 0 0.0 - - -\n", i / kPerDir);
      }
      const std::string number = fmt::format("{:08x}", i);
      digest.replace(0, number.size(), number);
      dump += fmt::format(
          "/dir-{:04}/file-{:03} 5000 100644 1 0 0 0 {}.0 "
          "{}/{} - {}\n",
          i / kPerDir, i % kPerDir, i, digest.substr(0, 2), digest.substr(2),
          digest);
    }
    const auto tree = composefs::read_dump(dump);
    const auto plan = composefs::Plan::make(**tree, {});
    const int fd = ::mkstemp(path_.data());
    static_cast<void>(composefs::write_image(**plan, fd).value());
    ::close(fd);
  }
  ~ImageOnDisk() { ::unlink(path_.c_str()); }

  const std::string& path() const { return path_; }

 private:
  std::string path_ = std::filesystem::temp_directory_path() / "image-XXXXXX";
};

// Each size is made once.
const std::string& image_of(std::int64_t files) {
  static std::map<std::int64_t, std::unique_ptr<ImageOnDisk>> images;
  auto& image = images[files];
  if (!image) image = std::make_unique<ImageOnDisk>(static_cast<int>(files));
  return image->path();
}

std::unique_ptr<Layer> open_image(std::int64_t files) {
  auto layer = composefs::open_layer(image_of(files),
                                     {.mode = composefs::ServeMode::kMetadata});
  return *std::move(layer);
}

class Names {
 public:
  explicit Names(std::int64_t files) : files_(static_cast<int>(files)) {}
  std::pair<std::string, std::string> next() {
    const int i = static_cast<int>(random_() % static_cast<unsigned>(files_));
    return {fmt::format("dir-{:04}", i / kPerDir),
            fmt::format("file-{:03}", i % kPerDir)};
  }

 private:
  int files_;
  std::mt19937 random_{7};
};

// From opening the image to the attributes of a file in a directory.
void composefs_first_answer(benchmark::State& state) {
  image_of(state.range(0));
  Names names(state.range(0));
  for (auto _ : state) {
    const auto layer = open_image(state.range(0));
    const auto [dir, file] = names.next();
    const auto parent = layer->lookup(*layer->root().node, dir);
    const auto child = layer->lookup(*(*parent)->node, file);
    benchmark::DoNotOptimize((*child)->attr.size);
  }
}

void composefs_lookup(benchmark::State& state) {
  const auto layer = open_image(state.range(0));
  Names names(state.range(0));
  std::map<std::string, LayerNodeRef> dirs;
  for (auto _ : state) {
    state.PauseTiming();
    const auto [dir, file] = names.next();
    if (!dirs.contains(dir)) {
      dirs[dir] = (*layer->lookup(*layer->root().node, dir))->node;
    }
    const LayerNode& parent = *dirs[dir];
    state.ResumeTiming();
    const auto child = layer->lookup(parent, file);
    benchmark::DoNotOptimize((*child)->attr.size);
  }
}

void composefs_absent_xattr(benchmark::State& state) {
  const auto layer = open_image(1000);
  const auto dir = layer->lookup(*layer->root().node, "dir-0000");
  const auto file = layer->lookup(*(*dir)->node, "file-500");
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        layer->get_xattr(*(*file)->node, "security.capability"));
  }
}

void composefs_list(benchmark::State& state) {
  const auto layer = open_image(1000);
  const auto dir = layer->lookup(*layer->root().node, "dir-0000");
  for (auto _ : state) {
    std::size_t entries = 0;
    static_cast<void>(
        layer->read_dir(*(*dir)->node, [&](const DirEntry&) { ++entries; })
            .has_value());
    benchmark::DoNotOptimize(entries);
  }
  state.SetItemsProcessed(state.iterations() * kPerDir);
}

// What reading a block costs, against copying it from a mapping.
void block_by_pread(benchmark::State& state) {
  const auto fd = sys::open_file(image_of(1'000'000));
  const std::uint64_t blocks = sys::stat_fd(fd->get())->size / 4096;
  std::mt19937_64 random(3);
  char block[4096];
  for (auto _ : state) {
    benchmark::DoNotOptimize(sys::pread_full(fd->get(), block, sizeof(block),
                                             random() % blocks * 4096));
  }
}

void block_by_mapping(benchmark::State& state) {
  const auto fd = sys::open_file(image_of(1'000'000));
  const auto map = sys::MappedFile::map(fd->get());
  const std::uint64_t blocks = map->size() / 4096;
  std::mt19937_64 random(3);
  char block[4096];
  for (auto _ : state) {
    std::memcpy(block, map->bytes().data() + random() % blocks * 4096,
                sizeof(block));
    benchmark::DoNotOptimize(block[random() % sizeof(block)]);
  }
}

BENCHMARK(composefs_first_answer)->Arg(1000)->Arg(1'000'000);
BENCHMARK(composefs_lookup)->Arg(1000)->Arg(1'000'000);
BENCHMARK(composefs_absent_xattr);
BENCHMARK(composefs_list);
BENCHMARK(block_by_pread);
BENCHMARK(block_by_mapping);

}  // namespace
}  // namespace veneer::bench
