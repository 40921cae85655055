// SPDX-License-Identifier: MIT
//
// The merge rules: what each layer holds of a name -> what the user sees.
//
// One function decides, here and nowhere else; lookup feeds it layer by layer
// from the top, and listings use the same reading of whiteouts. No I/O, no
// locks. In the kernel: ovl_lookup() in fs/overlayfs/namei.c.
//
//   whiteout                  the name ends here
//   directory over directory  merge, until one is opaque
//   anything else first       hides what is below
//   metacopy                  attributes from here, data from the next regular
//                             file below that is no metacopy

#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "overlay/node.h"

namespace veneer::overlay {

class Merge {
 public:
  struct Part {
    LayerIndex layer;
    Child child;
  };

  /// Takes what `layer` holds. True: layers below matter, too.
  bool add(LayerIndex layer, Child child) {
    if (child.marks.whiteout) return false;
    const bool is_dir = S_ISDIR(child.attr.mode);
    if (!parts_.empty()) {
      // Under a directory only directories merge, under a metacopy only
      // regular files have its data.
      const bool fits = S_ISDIR(parts_.front().child.attr.mode)
                            ? is_dir
                            : S_ISREG(child.attr.mode);
      if (!fits) return false;
    }
    const bool goes_on = is_dir
                             ? !child.marks.opaque
                             : S_ISREG(child.attr.mode) && child.marks.metacopy;
    parts_.push_back({layer, std::move(child)});
    return goes_on;
  }

  bool found() const { return !parts_.empty(); }
  std::vector<Part>& parts() { return parts_; }
  const std::vector<Part>& parts() const { return parts_; }
  const Part& top() const { return parts_.front(); }

 private:
  std::vector<Part> parts_;
};

/// Where the layers below continue to look for an object.
struct Trail {
  std::string path;  ///< a name, or a path from the layers' roots
  bool from_root = false;

  /// Follows the redirect of the part just found.
  void follow(const std::optional<std::string>& redirect) {
    if (!redirect) return;
    if (redirect->starts_with('/')) {
      path = redirect->substr(1);
      from_root = true;
    } else if (!from_root) {
      path = *redirect;
    } else {
      const std::size_t slash = path.rfind('/');
      path.replace(slash == std::string::npos ? 0 : slash + 1,
                   std::string::npos, *redirect);
    }
  }
};

}  // namespace veneer::overlay
