// SPDX-License-Identifier: MIT

#include "cli/image_making.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <utility>

#include "cli/new_file.h"
#include "composefs/dump_text.h"
#include "sys/open.h"
#include "veneer/composefs.h"

namespace veneer::cli {
namespace {

constexpr int kStandardInput = 0;
constexpr int kStandardOutput = 1;
constexpr std::string_view kComposefsLayer = "composefs:";

using composefs::ObjectStore;
using composefs::TreePtr;

Result<TreePtr> read_stream(const ImageRequest& request) {
  sys::UniqueFd file;
  if (request.source != "-") {
    TRY_ASSIGN(file, sys::open_file(request.source));
  }
  const int fd = file ? file.get() : kStandardInput;
  const std::string name = file ? request.source : "standard input";
  if (request.from == ImageSource::kTar) {
    return composefs::read_tar(fd, name, request.options);
  }
  return composefs::read_dump_fd(
      fd, {.name = name, .is_strict = request.is_strict});
}

Result<TreePtr> read_named_layer(const ImageRequest& request) {
  const std::string_view word = request.source;
  if (!word.starts_with(kComposefsLayer)) {
    return Error(EINVAL, "",
                 fmt::format("{}: no such kind of layer (composefs:IMAGE, with "
                             "--source-objects)",
                             word));
  }
  composefs::LayerOptions options;
  if (!request.source_objects.empty()) {
    options.objects = {request.source_objects};
  }
  TRY_ASSIGN(const auto layer,
             composefs::open_layer(
                 std::string(word.substr(kComposefsLayer.size())), options));
  return composefs::read_layer(*layer, request.options);
}

Result<TreePtr> read_source(const ImageRequest& request) {
  switch (request.from) {
    case ImageSource::kDirectory:
      return composefs::read_directory(request.source, request.options);
    case ImageSource::kLayer:
      return read_named_layer(request);
    case ImageSource::kDump:
    case ImageSource::kTar:
      break;
  }
  return read_stream(request);
}

Result<composefs::WrittenImage> write_plan(const composefs::Plan& plan,
                                           const std::string& image) {
  if (image.empty()) return composefs::write_image(plan, -1);
  if (image == "-") return composefs::write_image(plan, kStandardOutput);
  TRY_ASSIGN(NewFile file, NewFile::create(image));
  auto written = composefs::write_image(plan, file.fd());
  if (!written) return written.error().about(image);
  TRY(file.publish());
  return written;
}

Result<ImageReport> write_tree(const composefs::Tree& tree,
                               const ImageRequest& request) {
  const auto plan = composefs::Plan::make(tree, request.versions);
  if (!plan) {
    return Error(plan.error().code(), "",
                 fmt::format("{}: {}", request.source, plan.error().message()));
  }
  if (request.options.on_progress &&
      !request.options.on_progress({"writing", 0, 0})) {
    return Error(ECANCELED, "write");
  }
  TRY_ASSIGN(const auto written, write_plan(**plan, request.image));
  return ImageReport{written, (*plan)->version(), (*plan)->inodes().size()};
}

// Opens the store for as long as `make` takes.
template <typename Make>
Result<ImageReport> with_store(ImageRequest& request, Make&& make) {
  if (request.objects.empty()) return make();
  TRY_ASSIGN(ObjectStore store,
             ObjectStore::open(request.objects, ObjectStore::Access::kShared,
                               /*make=*/true));
  request.options.store = &store;
  return make();
}

}  // namespace

Result<ImageReport> make_image(ImageRequest request) {
  return with_store(request, [&]() -> Result<ImageReport> {
    TRY_ASSIGN(const TreePtr tree, read_source(request));
    return write_tree(*tree, request);
  });
}

Result<ImageReport> make_image_of(Layer& layer, ImageRequest request) {
  return with_store(request, [&]() -> Result<ImageReport> {
    TRY_ASSIGN(const TreePtr tree,
               composefs::read_layer(layer, request.options));
    return write_tree(*tree, request);
  });
}

std::optional<ImageSource> parse_image_source(const std::string& word) {
  constexpr std::array kSources = {std::pair("dir", ImageSource::kDirectory),
                                   std::pair("dump", ImageSource::kDump),
                                   std::pair("tar", ImageSource::kTar),
                                   std::pair("layer", ImageSource::kLayer)};
  for (const auto& [name, source] : kSources) {
    if (word == name) return source;
  }
  return std::nullopt;
}

ImageSource guess_image_source(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return ImageSource::kDirectory;
  }
  if (path.starts_with(kComposefsLayer)) return ImageSource::kLayer;
  for (const char* const end :
       {".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2"}) {
    if (path.ends_with(end)) return ImageSource::kTar;
  }
  return ImageSource::kDump;
}

}  // namespace veneer::cli
