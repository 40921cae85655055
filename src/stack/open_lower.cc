// SPDX-License-Identifier: MIT

#include "stack/open_lower.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "layer/host/open_layers.h"
#include "veneer/layerfs.h"

namespace veneer::stack {
namespace {

constexpr std::pair<LowerKind, std::string_view> kPrefixes[] = {
    {LowerKind::kLayerfs, "layerfs:"},
    {LowerKind::kComposefs, "composefs:"},
};

Result<std::unique_ptr<Layer>> open_layerfs(const std::string& path,
                                            const Stores& stores) {
  const auto layer = layerfs::LayerFs::from_path(path, stores.blobs);
  if (layer) return layer->as_layer();
  if (layer.error().code() != ENOENT) return layer.error();
  return Error(EINVAL, "",
               fmt::format("{} is no LayerFS layer, or one below it is gone: "
                           "{} (veneer layer verify {} says more)",
                           path, layer.error().message(), path));
}

Result<std::unique_ptr<Layer>> open_composefs(const std::string& path,
                                              const Stores& stores,
                                              const Position& position) {
  composefs::LayerOptions options{.objects = stores.objects,
                                  .stacked = !position.alone,
                                  .verify = stores.verify};
  if (!stores.digest.empty()) options.digest = stores.digest;
  auto layer = composefs::open_layer(path, options);
  if (layer || layer.error().code() != EINVAL) return layer;
  return Error(EINVAL, "",
               fmt::format("{} (name a composefs or EROFS image)",
                           layer.error().message()));
}

}  // namespace

LowerName parse_lower(std::string_view text) {
  for (const auto& [kind, prefix] : kPrefixes) {
    if (text.starts_with(prefix)) {
      return {kind, std::string(text.substr(prefix.size()))};
    }
  }
  return {LowerKind::kDirectory, std::string(text)};
}

std::string to_text(const LowerName& name) {
  for (const auto& [kind, prefix] : kPrefixes) {
    if (kind == name.kind) return std::string(prefix) + name.path;
  }
  return name.path;
}

const char* describe(LowerKind kind) {
  switch (kind) {
    case LowerKind::kDirectory:
      return "lower directory";
    case LowerKind::kLayerfs:
      return "LayerFS layer";
    case LowerKind::kComposefs:
      return "composefs image";
  }
  return "";
}

Result<std::unique_ptr<Layer>> open_lower(const std::string& lower,
                                          const Stores& stores,
                                          const Position& position) {
  const LowerName name = parse_lower(lower);
  switch (name.kind) {
    case LowerKind::kLayerfs:
      return open_layerfs(name.path, stores);
    case LowerKind::kComposefs:
      return open_composefs(name.path, stores, position);
    case LowerKind::kDirectory:
      break;
  }
  return layer::open_host_lower(name.path, position.bottom);
}

Result<std::vector<std::unique_ptr<Layer>>> open_lowers(
    const std::vector<std::string>& lowers, const Stores& stores,
    bool has_upper) {
  std::vector<std::unique_ptr<Layer>> layers;
  for (const std::string& lower : lowers) {
    const Position position{.bottom = layers.size() + 1 == lowers.size(),
                            .alone = lowers.size() == 1 && !has_upper};
    TRY_ASSIGN(auto layer, open_lower(lower, stores, position));
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace veneer::stack
