// SPDX-License-Identifier: MIT
//
// Making a composefs image, as `veneer composefs create` and `mkcomposefs` do:
// from a source to a tree to an image and its digest.

#pragma once

#include <optional>
#include <string>

#include "composefs/image_writer.h"
#include "composefs/plan.h"
#include "composefs/source.h"
#include "composefs/tree.h"
#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::cli {

enum class ImageSource : std::uint8_t { kDirectory, kDump, kTar, kLayer };

struct ImageRequest {
  ImageSource from = ImageSource::kDirectory;
  std::string source;  ///< "-": standard input, of a dump or a tar
  /// Where the image goes; "-" is standard output, "" nowhere.
  std::string image;
  std::string objects;  ///< the store to fill, or ""
  /// Of a layer that is an image: where its objects are.
  std::string source_objects;
  bool is_strict = false;  ///< of a dump
  composefs::ImageVersions versions;
  composefs::SourceOptions options;
};

struct ImageReport {
  composefs::WrittenImage image;
  unsigned version = 0;
  std::uint64_t inodes = 0;
};

/// Reads, plans, writes. On an error there is no image, or the old one.
Result<ImageReport> make_image(ImageRequest request);

/// The same from a layer that is open already.
Result<ImageReport> make_image_of(Layer& layer, ImageRequest request);

/// What `word` stands for: "dir", "dump", "tar", "layer".
std::optional<ImageSource> parse_image_source(const std::string& word);
/// What is at `path`, where nobody says: a directory, a tar by its name, else a
/// dump.
ImageSource guess_image_source(const std::string& path);

}  // namespace veneer::cli
