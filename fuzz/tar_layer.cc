// SPDX-License-Identifier: MIT
//
// fuzz_tar_layer: a tar of anybody's, made into a layer, which must be sound.

#include "tar_layer.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "layerfs/builder_sink.h"
#include "veneer/layerfs.h"

namespace veneer::fuzz {
namespace {

void build(const std::vector<std::pair<layerfs::Entry, std::uint64_t>>& entries,
           const layerfs::BuildOptions& options) {
  static const std::string out =
      "/dev/shm/veneer-fuzz-" + std::to_string(::getpid());
  {
    auto builder = layerfs::BottomLayerBuilder::create(out, options);
    require(builder.has_value());
    for (const auto& [entry, offset] : entries) {
      if (!layerfs::add_entry(*builder, entry)) return;
    }
    require(std::move(*builder).finish().has_value());
  }
  const auto layer = layerfs::LayerFs::from_path(out, "");
  require(layer.has_value());
  const auto faults = layer->verify({.blobs = false});
  require(faults && faults->empty());
  std::filesystem::remove_all(out);
}

}  // namespace
}  // namespace veneer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const auto entries = veneer::fuzz::check_tar_layer(
      {reinterpret_cast<const char*>(data), size});
  if (entries.empty()) return 0;
  veneer::fuzz::build(entries, {});
  veneer::fuzz::build(entries, {.follow_symlinks = true});
  return 0;
}
