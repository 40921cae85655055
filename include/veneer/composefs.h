// SPDX-License-Identifier: MIT
//
// composefs: a tree of metadata in one image file, and the content of its files
// in a store of objects, each named by its digest.
//
// --- Reading ---
//
// An image is a Layer: below an overlay, or alone. Plain EROFS images without
// compression, as mkfs.erofs makes them, are taken as well. The image is read
// where it lies, and nothing of it is read before it is asked for, so opening
// one takes as long for a million files as for one.
//
//   veneer::composefs::LayerOptions options;
//   options.objects = {"/srv/objects"};
//   auto layer = veneer::composefs::open_layer("/srv/app.cfs", options);
//
// Images are not trusted: a bad one gives errors (EUCLEAN, with the offset),
// never more.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// Who brings a file's content.
enum class ServeMode : std::uint8_t {
  /// The layer: it opens the objects. The tree is the one the image was made
  /// of, as the kernel's EROFS below its overlay shows it.
  kFollow,
  /// A kernel overlay on top, which has the object store as a data-only layer:
  /// the layer says where the content is and does not open it. Reading such a
  /// file through the layer is EIO. Nothing is hidden or interpreted but the
  /// names of xattrs, which are turned into what that overlay looks for.
  kMetadata,
};

/// Whether an object must be what the image says, by its fs-verity digest.
enum class Verify : std::uint8_t {
  kOff,
  /// Where the image has a digest, the object is checked when it is first
  /// opened, and again when it has changed since. What fails is EIO.
  kOn,
  kRequire,  ///< a file without a digest in the image is EIO, too
};

struct LayerOptions {
  /// Directories with objects, searched in this order. Not used by kMetadata.
  std::vector<std::string> objects = {};
  ServeMode mode = ServeMode::kFollow;
  /// kFollow: the layer is one of several, or has an upper above it. Whiteouts
  /// and opaque directories that went into the image then act on the layers
  /// below. If not, whiteouts are what the kernel's mount shows them as: empty
  /// files with the xattrs of a whiteout, which a nested overlay understands.
  bool stacked = false;
  /// kMetadata: the overlay on top is mounted without `userxattr`. Stacked: the
  /// overlay's own xattrs are trusted.overlay.*, not user.overlay.*.
  bool trusted_xattrs = false;
  Verify verify = Verify::kOff;
  /// The image's own fs-verity digest in hex; checked at once, which takes one
  /// pass over the image unless the kernel knows the digest.
  std::optional<std::string> digest = {};
  /// All files belong to these, whatever the image says.
  std::optional<uid_t> uid = {};
  std::optional<gid_t> gid = {};
};

/// Fails  ENOENT, EACCES  about a path
///        EINVAL          `image` is neither composefs nor EROFS; the digest is
///                        not one
///        ENOTSUP         the image has features that are not read
///        EUCLEAN         the image contradicts itself
///        EILSEQ          the image has another digest
Result<std::unique_ptr<Layer>> open_layer(const std::string& image,
                                          const LayerOptions& options);

}  // namespace veneer::composefs
