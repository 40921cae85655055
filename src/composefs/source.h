// SPDX-License-Identifier: MIT
//
// Where trees come from beside dumps: a directory, a tar, any Layer.
//
// All three read everything there is, compute digests on all processors, and
// fill an object store on the way if they are given one. Files of up to 64
// bytes go into the image itself. What comes out depends on what is there
// alone: neither on the number of threads nor on the order in which a
// filesystem lists its entries.
//
// A source must not change meanwhile; a file that is seen to is an error.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "composefs/object_store.h"
#include "composefs/tree.h"
#include "veneer/change.h"
#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// Called from any thread, one at a time. False stops the work.
using OnProgress = std::function<bool(const Progress&)>;

struct SourceOptions {
  bool use_epoch = false;     ///< all times are 0
  bool skip_devices = false;  ///< whiteouts too
  bool skip_xattrs = false;
  bool user_xattrs = false;  ///< only user.*
  /// Names of one file become hard links in the image; else each is a file.
  bool hardlinks = false;
  unsigned threads = 0;  ///< 0: one for each processor
  ObjectStore* store = nullptr;
  Transfer transfer = Transfer::kReflink;
  OnProgress on_progress;
};

/// All below `path`, other filesystems mounted there too.
/// Fails  ECANCELED  on_progress said so
///        EAGAIN     a file was changed while it was read
Result<TreePtr> read_directory(const std::string& path,
                               const SourceOptions& options);

/// A tar of any kind, packed or not, from where `fd` stands; `name` is what
/// errors call it. Directories that are only implied have mode 0755 and the
/// root's owner and time. A later entry replaces an earlier one of its name.
/// `.wh.NAME` and `.wh..wh..opq`, as layers of container images have them, are
/// whiteouts and opaque directories.
/// Fails  EINVAL  it is damaged, or no tar; names that leave the tree
Result<TreePtr> read_tar(int fd, const std::string& name,
                         const SourceOptions& options);

/// A layer, or a merged tree that presents itself as one.
/// Fails  EINVAL  it continues in layers below: only with them it is whole
Result<TreePtr> read_layer(Layer& layer, const SourceOptions& options);

}  // namespace veneer::composefs
