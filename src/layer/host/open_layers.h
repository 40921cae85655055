// SPDX-License-Identifier: MIT
//
// Opening directories of this machine as layers.
//
// A lower is opened through a private read-only copy of its mount where the
// process may make one: then nothing can write to it or leave an access time,
// and what is mounted over it later, the overlay itself for one, is not seen.
//
// An upper is probed with the real calls on the real file system, in its work
// directory, and the form of its whiteouts follows from what worked. The
// report says what was tried and why the form was chosen. Upper and work are
// locked for as long as the layer lives, so that two mounts never share them.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "veneer/layer.h"

namespace veneer::layer {

enum class WhiteoutForm {
  kAuto,    ///< the kernel's where the file system can, else dotwh
  kKernel,  ///< fail if it cannot
  kDotWh,
};

struct UpperOptions {
  std::string upper;
  std::string work;
  WhiteoutForm form = WhiteoutForm::kAuto;
  bool index = true;
};

/// What was probed and chosen.
struct UpperReport {
  std::string filesystem;       ///< "ext4", "tmpfs"
  std::string form;             ///< "kernel" or "dotwh"
  std::string xattr_namespace;  ///< "trusted", "user" or ""
  bool mknod_whiteout = false;
  bool xattrs = false;
  bool rename_whiteout = false;
  bool rename_exchange = false;
  bool tmpfile = false;
  bool file_handles = false;
  bool reflink = false;
  bool index = false;
  std::vector<std::string> reasons;  ///< sentences, for status
};

/// `bottom`: no layer comes below this one.
/// Fails  ENOENT, ENOTDIR, EACCES about the path
Result<std::unique_ptr<Layer>> open_host_lower(const std::string& path,
                                               bool bottom);

/// Fails  as above; EBUSY  another mount uses upper or work; EXDEV  they are
/// on different file systems; EOPNOTSUPP  the form asked for cannot be had;
/// EROFS  it cannot be written. The subject is a whole sentence.
Result<std::unique_ptr<UpperLayer>> open_host_upper(const UpperOptions& options,
                                                    UpperReport& report);

}  // namespace veneer::layer
