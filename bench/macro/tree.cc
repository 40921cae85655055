// SPDX-License-Identifier: MIT

#include "bench/macro/tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "bench/macro/machine.h"
#include "sys/fd.h"
#include "sys/file.h"

namespace veneer::bench {
namespace {

Result<void> make_dir(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0) return failed("mkdir", path);
  return {};
}

Result<void> make_file(const std::string& path, std::uint64_t size) {
  const sys::UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return failed("open", path);
  static const std::string kBytes(1 << 20, 'v');
  for (std::uint64_t at = 0; at < size; at += kBytes.size()) {
    TRY(sys::pwrite_full(fd.get(), kBytes.data(),
                         std::min<std::uint64_t>(kBytes.size(), size - at),
                         at));
  }
  return {};
}

}  // namespace

std::string dir_name(int dir) { return fmt::format("d{:03}", dir); }

std::string file_name(int dir, int file) {
  return fmt::format("d{:03}/file{:04}", dir, file);
}

std::string absent_name(int dir, int file) {
  return fmt::format("d{:03}/none{:04}", dir, file);
}

std::size_t file_size(int dir, int file) {
  const unsigned mixed =
      (static_cast<unsigned>(dir) * 7919U + static_cast<unsigned>(file)) *
      2654435761U;
  return 200 + mixed % 3801;
}

Result<void> make_tree(const std::string& at, const Shape& shape) {
  TRY(make_dir(at));
  for (int dir = 0; dir < shape.dirs; ++dir) {
    TRY(make_dir(at + "/" + dir_name(dir)));
    for (int file = 0; file < shape.files; ++file) {
      TRY(make_file(at + "/" + file_name(dir, file), file_size(dir, file)));
    }
  }
  return make_file(at + "/" + kBigFile, shape.big_bytes);
}

Result<void> make_nodes_tree(const std::string& at, const Shape& shape) {
  TRY(make_dir(at));
  for (int dir = 0; dir < shape.node_dirs; ++dir) {
    TRY(make_dir(at + "/" + dir_name(dir)));
    for (int file = 0; file < shape.nodes_per_dir; ++file) {
      TRY(make_file(at + "/" + file_name(dir, file), 0));
    }
  }
  return {};
}

std::string stack_file_name(int file) { return fmt::format("d/file{}", file); }

Result<std::vector<std::string>> make_stack(const std::string& at,
                                            const Shape& shape, bool merged) {
  std::vector<std::string> layers;
  TRY(make_dir(at));
  if (merged) {
    layers.push_back(at);
    TRY(make_dir(at + "/d"));
  }
  for (int layer = 0; layer < shape.layers; ++layer) {
    if (!merged) {
      layers.push_back(fmt::format("{}/{}", at, layer));
      TRY(make_dir(layers.back()));
      TRY(make_dir(layers.back() + "/d"));
    }
    TRY(make_file(layers.back() + "/" + stack_file_name(layer), 10));
  }
  return layers;
}

}  // namespace veneer::bench
