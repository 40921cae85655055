// SPDX-License-Identifier: MIT
//
// A composefs image below the kernel's own overlay, which reads content from
// the object stores directly: no byte of a file goes through a process.
//
// The metadata come from the kernel's EROFS where the mounter may mount it
// (root only), and else from a FUSE server of ours that shows nothing but
// metadata; that one must run for as long as the mount does, and ends with it.
//
// Both are tried, not told from the kernel's version. Needs CAP_SYS_ADMIN in a
// user namespace at least; who has none uses OverlaySession.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/overlay_spec.h"
#include "veneer/result.h"

namespace veneer::session {

/// Who brings an image's metadata to the kernel's overlay.
enum class MetadataSource : std::uint8_t { kAuto, kErofs, kFuse };

struct ImageMountOptions {
  std::string image;
  std::vector<std::string> objects;
  std::string mount_point;
  std::string upper;  ///< together with `work`; "": read-only
  std::string work;
  bool read_only = false;  ///< with an upper, too
  MetadataSource source = MetadataSource::kAuto;
  kernel::OverlayVerity verity = kernel::OverlayVerity::kOff;
  /// The image's own fs-verity digest in hex; empty: not checked.
  std::string digest;
};

class ImageMount {
 public:
  /// Mounts; returns when the mount answers.
  /// Fails  EPERM   without CAP_SYS_ADMIN, with the remedy
  ///        others  as the kernel and composefs::open_layer() do
  static Result<std::unique_ptr<ImageMount>> start(
      const ImageMountOptions& options);
  ~ImageMount();

  /// Whether this process must stay until the mount is gone.
  bool needs_server() const;
  /// Returns when the mount is gone.
  Result<void> wait();
  /// How it was made, for people: "erofs, overlay by descriptors".
  const std::string& description() const;

 private:
  class Impl;
  explicit ImageMount(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer::session
